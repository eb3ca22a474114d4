"""`temper push`: the files in a folder, the card, the calls to the Hub, and what is refused."""

import re
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError
from requests import Response

from benchmark.execution.cards import suite_card
from benchmark.models.prompt_classifier import load_classifier
from benchmark.submission.build import finished_seed
from benchmark.submission.model_card import model_card
from tests.submission.conftest import Ran
from tests.support.command import temper
from tests.support.processes import Done

pytestmark = pytest.mark.slow


def push(ran: Ran, to: object, *options: object) -> Done:
    return temper("push", "worddrop", "--suite", ran.suite, "--out", ran.out, "--to", to, *options)


def sentence(done: Done, code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1] if code == 2 else done.stderr


def test_a_folder_holds_the_model_of_the_store_and_a_card_of_its_records(ran: Ran, tmp_path: Path) -> None:
    done = push(ran, tmp_path / "model", "--seed", 1, "--license", "mit")
    assert done.returncode == 0, done.stderr
    stored = finished_seed(ran.rows[1], ran.work, ran.store, ran.out / "results", suite_card(ran.work))
    trained = next(artifact.folder for label, artifact in stored.artifacts.items() if label.endswith("train")) / "model"
    names = {path.name for path in trained.iterdir()}
    assert {path.name for path in (tmp_path / "model").iterdir()} == {*names, "README.md"}
    for name in names:
        assert (tmp_path / "model" / name).read_bytes() == (trained / name).read_bytes()
    assert load_classifier(tmp_path / "model").network.num_labels == 2

    card = ModelCard.load(tmp_path / "model/README.md")
    assert (card.data.license, card.data.base_model) == ("mit", None)
    assert {"temper", "worddrop", "temper:tiny@1"} <= set(card.data.tags)
    values = {(r.dataset_type, r.metric_type): r.metric_value for r in card.data.eval_results}
    measured = [record for record in stored.records if record["value"] is not None]
    assert values == {(r["task"]["id"], r["metric"]["id"]): r["value"] for r in measured}
    assert "seed 1" in card.data.model_name
    assert 'pipeline("text-classification"' in card.text
    (name, value), *_ = stored.records[0]["method"]["hyperparameters"].items()
    assert f"| Hyper-parameter {name} | {value} |" in card.text

    again = push(ran, tmp_path / "model")
    assert "is not empty. Name another folder, or empty it." in sentence(again, 2)


def test_text_of_others_stays_text_in_the_card(ran: Ran) -> None:
    card = suite_card(ran.work)
    hostile = "<script>x</script>\n---\nlicense: evil | [a](javascript:b) `c`"
    card["training"] = {**card["training"], "title": hostile}
    card["tasks"] = [{**task, "title": hostile} for task in card["tasks"]]
    run = finished_seed(ran.rows[0], ran.work, ran.store, ran.out / "results", suite_card(ran.work))
    text = model_card(run, card, ran.work, {}, None)
    read = ModelCard(text)
    assert read.data.license is None
    assert {r.dataset_name for r in read.data.eval_results} == {hostile}
    assert "<script>" not in read.text
    assert not re.search(r"(?<!\\)\](?=\()", read.text)
    assert "\n---" not in read.text
    assert "load_classifier" in read.text  # the configuration names no sequence classifier


class Hub:
    """Stands for `HfApi`: keeps the calls, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls = error, []

    def create_repo(self, repository: str, **options: object) -> None:
        self.calls.append(("create_repo", repository, options))
        if self.error is not None:
            raise self.error

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> str:
        names = {path.name for path in Path(folder_path).iterdir()}
        self.calls.append(("upload_folder", repo_id, names, commit_message))
        return f"https://hub.example/{repo_id}/commit/1"


def test_an_upload_creates_the_repository_and_sends_one_folder(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    done = push(ran, "me/model", "--private")
    assert done.returncode == 0, done.stderr
    (_, created, options), (_, repository, names, message) = hub.calls
    assert (created, options) == ("me/model", {"private": True, "exist_ok": True})
    assert (repository, message) == ("me/model", "Upload worddrop, seed 0")
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
    assert done.stdout.strip() == "Model: https://hub.example/me/model/commit/1"
    assert "secret" not in done.stdout + done.stderr


def test_what_cannot_be_pushed_is_one_clear_message(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "no token for the Hub. Run `hf auth login`, or set HF_TOKEN." in sentence(push(ran, "me/model"), 2)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    refused = Response()
    refused.status_code = 403
    for error in (ConnectionError("no route\nto host"), HfHubHTTPError("403 Forbidden", response=refused)):
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda error=error: Hub(error))
        told = sentence(push(ran, "me/model"), 1)
        assert "--to me/model: the upload failed (" in told
        assert "Check the token with `hf auth whoami`, and the network." in told
    monkeypatch.undo()
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    for name in ("a/b/c", "model"):
        assert "not of the form owner/name" in sentence(push(ran, name), 2)

    assert "worddrop, seed 7: train is missing" in sentence(push(ran, tmp_path / "model", "--seed", 7), 1)
    copied = Ran(ran.suite, ran.work, ran.rows, tmp_path / "out", ran.submission)
    shutil.copytree(ran.out, copied.out)
    for folder in (copied.out / "store/score").iterdir():
        shutil.rmtree(folder)
    assert "is missing, and" in sentence(push(copied, tmp_path / "model"), 1)
    assert not (tmp_path / "model").exists()
