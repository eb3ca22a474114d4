"""Retention: features of another task before and after training, from a suite to records and the leaderboard."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from benchmark.execution.cards import suite_card, write_card
from benchmark.execution.cells import FEATURES, Row, cells_of
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import BEFORE, Workload, materialise
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.inference import body_features
from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import PromptClassifier
from benchmark.models.text_classifiers import ConstantClassifier
from benchmark.schema import UsageError
from benchmark.suites import load_suite
from benchmark.training import Context, Method
from leaderboard import load_board
from tests.support.tiny import write_tiny_masked_lm
from tests.support.tiny_suite import write_tiny_suite

TASK = """
[[tasks]]
id = "other"
version = 1
perspective = "retention"
title = "Other"
description = "Whether a text is long."
rows = 40
data = { source = "file", path = "other.jsonl", format = "jsonl", text = ["text"], label = { column = "long", map = { false = 0, true = 1 } } }
"""  # noqa: E501


@dataclass(kw_only=True, eq=False)
class Still(Method):
    """Train without a gradient, so that no weight moves where there is no weight decay."""

    name: ClassVar[str] = "still"
    paper: ClassVar[str] = "unpublished"

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        return model(batch).sum() * 0.0


@dataclass(kw_only=True, eq=False)
class Forgetful(Still):
    """Begin with an encoder that reads nothing."""

    name: ClassVar[str] = "forgetful"

    def adapt_model(self, model: Classifier) -> None:
        for parameter in model.body.parameters():
            parameter.data.zero_()


def suite_of(folder: Path, backbone: Path) -> Path:
    path = write_tiny_suite(folder, backbone)
    plain = path.read_text().replace("epochs = 2", "epochs = 1\nweight_decay = 0.0")
    path.write_text(plain + TASK)
    texts = [("good " * (2 + 9 * (number % 2)) + f"film {number}", bool(number % 2)) for number in range(40)]
    rows = (json.dumps({"text": text, "long": long}) for text, long in texts)
    (folder / "other.jsonl").write_text("\n".join(rows) + "\n")
    return path


def row_of(work: Workload, method: str | type[Method]) -> Row:
    if isinstance(method, str):
        known = configure(MethodRequest.parse(method))
    else:
        known = ConfiguredMethod.of(method, {}, "", f"sha256:{method.name.encode().hex():0<64.64}")
    return Row(known, resolve_backbone(work.suite.backbone), 0)


def retained(file: Path) -> dict[str, Any]:
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return next(record for record in records if record["task"]["perspective"] == "retention")


@pytest.fixture(scope="module")
def ran(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workload, Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("retention")
    work = materialise(load_suite(str(suite_of(folder, tiny_backbone))))
    rows = {name: row_of(work, kind) for name, kind in METHODS.items()}
    report = run_rows(list(rows.values()), work, Store(folder / "store"), folder / "results", Quiet())
    assert not report.failures
    return work, folder, {name: retained(file) for name, file in zip(rows, report.files, strict=True)}


METHODS: dict[str, str | type[Method]] = {
    "vanilla": "vanilla",
    "still": Still,
    "forgetful": Forgetful,
    "constant": "constant",
}


def test_the_values_of_known_encoders(ran: tuple[Workload, Path, dict[str, Any]]) -> None:
    _, _, records = ran
    assert records["still"]["value"] == 0
    # Even random layers tell how long a text is; of an encoder that reads nothing, half of two equal classes is right.
    assert records["forgetful"]["value"] == -0.5
    assert -0.5 <= records["vanilla"]["value"] <= 0
    assert records["constant"]["value"] is None
    assert records["constant"]["reason"] == "The model has no encoder to probe."
    assert set(records["vanilla"]["keys"]) == {"train", "features", "score"}
    assert len(records["vanilla"]["replicates"]) == 20


def test_nothing_else_changes_and_nothing_is_computed_twice(ran: tuple[Workload, Path, dict[str, Any]]) -> None:
    work, folder, _ = ran
    store = Store(folder / "store")
    row = row_of(work, "vanilla")
    keys = {cell.label: cell.key for cell in cells_of(row, work, store)}
    features = [label for label in keys if "features" in label]
    assert features == [f"vanilla, seed 0: features other{BEFORE}", "vanilla, seed 0: features other"]
    # The encoder before training is the same for all rows.
    before = {cell.key for kind in METHODS.values() for cell in cells_of(row_of(work, kind), work, store)}
    assert len(list((folder / "store/features").iterdir())) == 1 + len(METHODS)
    assert keys[features[0]] in before
    path = work.suite.path
    text = path.read_text()
    path.write_text(text.replace(TASK, ""))
    plain = materialise(load_suite(str(path)))
    path.write_text(text)
    without = {cell.label: cell.key for cell in cells_of(row, plain, store)}
    assert without == {label: key for label, key in keys.items() if not label.endswith(("other", BEFORE))}
    assert run_rows([row], work, store, folder / "results", Quiet()).computed == 0


def test_a_second_run_writes_the_same_features(ran: tuple[Workload, Path, dict[str, Any]], tmp_path: Path) -> None:
    work, folder, records = ran
    report = run_rows([row_of(work, "vanilla")], work, Store(tmp_path / "store"), tmp_path / "results", Quiet())
    assert retained(report.files[0]) == records["vanilla"]
    for table in (tmp_path / "store/features").glob(f"*/{FEATURES}"):
        assert table.read_bytes() == (folder / "store/features" / table.parent.name / FEATURES).read_bytes()


def test_the_leaderboard_has_a_column_next_to_cost(ran: tuple[Workload, Path, dict[str, Any]], tmp_path: Path) -> None:
    work, folder, records = ran
    write_card(folder / "results", suite_card(work), ())
    (section,) = load_board(folder / "results", tmp_path).sections
    keys = [column.key for column in section.columns()]
    assert keys[keys.index("cost") + 1] == "retention"
    assert not any(key.startswith("retention/") for key in (*keys, *(column.key for column in section.tasks)))
    shown = {row.method: row.retention.text for row in section.rows}
    assert (shown["still"], shown["forgetful"], shown["constant"]) == ("0.00", "-50.00", "")
    assert float(shown["vanilla"]) == pytest.approx(100 * records["vanilla"]["value"], abs=0.006)


def test_the_table_of_the_docs_fits_a_suite(tiny_backbone: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/suites.md").read_text(encoding="utf-8")
    table = next(b for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if 'perspective = "retention"' in b)
    path = write_tiny_suite(tmp_path, tiny_backbone)
    path.write_text(path.read_text() + table)
    task = load_suite(str(path)).tasks[-1]
    assert task.metrics == ("probe_change",)
    assert task.data is not None
    assert task.data.text == ("question", "context")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("rows = 40\n", "rows = 40\nweight = 0.5\n", "a retention task enters no mean; remove it."),
        ("rows = 40\n", "rows = 40\nmerge = [0, 1]\n", "a retention task takes the task's classes as they are"),
        ("rows = 40\n", 'rows = 40\nmetrics = ["accuracy"]\n', "'accuracy' does not fit perspective 'retention'"),
        (', label = { column = "long", map = { false = 0, true = 1 } }', "", "perspective 'retention' needs labels"),
    ],
)
def test_mistakes_are_named(tiny_backbone: Path, tmp_path: Path, before: str, after: str, sentence: str) -> None:
    path = suite_of(tmp_path, tiny_backbone)
    path.write_text(path.read_text().replace(TASK, TASK.replace(before, after)))
    with pytest.raises(UsageError, match=sentence):
        load_suite(str(path))


def test_features_are_the_mean_of_the_last_hidden_states(tmp_path: Path) -> None:
    """Of each text alone, by transformers' own classes; a prompt classifier reads the text without its prompt."""
    folder = write_tiny_masked_lm(tmp_path)
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    texts = [("a very good film",), ("the plot was dull but it is warm", "we liked that scene"), ("bad",)]
    tokens = [tokenizer(*text, return_tensors="pt", truncation=True, max_length=12) for text in texts]
    with torch.no_grad():
        expected = [network(**one).last_hidden_state[0].mean(dim=0).numpy() for one in tokens]
    plain = Classifier.from_pretrained(folder, 2, 16)
    plain.attend_padding = True
    found = body_features(plain, texts, 12)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-3)
    prompt = Prompt.of([{"front": "it was [MASK] ."}], [("negative", ["bad"]), ("positive", ["good"])])
    prompted = PromptClassifier.from_backbone(Backbone("b", "folder:b", "0", folder), prompt, 24)
    np.testing.assert_array_equal(body_features(prompted, texts, 12), found)
    assert body_features(ConstantClassifier(2), texts, 12).shape == (3, 0)
