"""`temper attack`: a table of outcomes, resumed where it was stopped, and one sentence for every mistake."""

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmark.attacks.recipes import ATTACKS
from benchmark.cli.app import app
from benchmark.cli.attack import _parameter
from benchmark.cli.progress import AttackDisplay
from benchmark.evaluation.parquet import read_attack
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import TemperError, UsageError
from tests.attacks.fakes import TINY, write_lexicon
from tests.support.command import temper
from tests.support.needs import ATTACK, require
from tests.support.tiny import sentences


@pytest.fixture(scope="module")
def model(tiny_model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model.save(folder)
    return folder


@pytest.fixture(scope="module")
def named_model(tiny_model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named")
    named = load_classifier(_saved(tiny_model, tmp_path_factory.mktemp("plain")))
    named.name_classes(("negative", "positive"))
    return _saved(named, folder)


def _saved(model: Classifier, folder: Path) -> Path:
    model.save(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [json.dumps({"text": text, "label": label}) for text, label in sentences(12, seed=9)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path / "data.jsonl"


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    require(*ATTACK)
    lexicon = write_lexicon(tmp_path / "words.tsv.gz", TINY)
    return ["--parameter", f"lexicon={lexicon}", "--parameter", "similarity_threshold=0.5"]


def attack(*arguments: object, name: str = "textfooler") -> Result:
    return CliRunner().invoke(app, ["attack", "--attack", name, *map(str, arguments)])


def refusal(result: Result) -> TemperError:
    assert isinstance(result.exception, TemperError), result.output
    return result.exception


@pytest.mark.parametrize(
    ("arguments", "name", "sentence"),
    [
        ([], "textfoler", "recipe 'textfoler' does not exist. Did you mean 'textfooler'"),
        (["--parameter", "candidate=8"], "textfooler", "candidate: is an unknown key; remove it. Did you"),
        (["--parameter", "candidates=0"], "textfooler", "candidates: is the number 0; write a whole"),
        (["--parameter", "candidates"], "textfooler", "--parameter candidates: write key=value"),
        (["--backend", "textatack"], "textfooler", "--backend textatack does not exist. Did you mean 'textattack'"),
        (["--model", "absent"], "textfooler", "--model absent holds no config.json"),
        (["--data", "absent.csv"], "textfooler", "File not found: absent.csv"),
        (["--text", "tekst"], "textfooler", "no column 'tekst'. Did you mean 'text'"),
        (["--label", "lable"], "textfooler", "no column 'lable'. Did you mean 'label'"),
        (["--parameter", "lexicon=absent.tsv.gz"], "textfooler", "There is no lexicon 'absent.tsv.gz'"),
        ([], "transfer", "table: is missing; add a text"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_before_anything_is_loaded(
    model: Path, data: Path, tmp_path: Path, arguments: list[str], name: str, sentence: str
) -> None:
    error = refusal(attack("--model", model, "--data", data, "--out", tmp_path / "out", *arguments, name=name))
    assert isinstance(error, UsageError)
    assert sentence in str(error)
    assert "\n" not in str(error)


def test_models_that_temper_has_not_saved_are_refused(
    tiny_backbone: Path, model: Path, data: Path, tmp_path: Path
) -> None:
    error = refusal(attack("--model", tiny_backbone, "--data", data, "--out", tmp_path / "out"))
    assert "was not saved by Temper; train the model with `temper run`" in str(error)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/config.json").write_text((model / "config.json").read_text())
    error = refusal(attack("--model", tmp_path / "cut", "--data", data, "--out", tmp_path / "out"))
    assert isinstance(error, TemperError)
    assert "cannot be loaded" in str(error)


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        '"temper_prompt"',
        "3",
        "null",
        "{",
        '{"temper_max_length": 8, "temper_named_classes": true}',
        '{"temper_max_length": 8, "temper_named_classes": true, "id2label": {"0": 5, "1": "positive"}}',
        '{"temper_max_length": 8, "temper_named_classes": true, "id2label": {"1": "positive"}}',
    ],
)
def test_a_damaged_config_of_a_model_is_one_sentence(data: Path, tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    error = refusal(attack("--model", tmp_path, "--data", data, "--out", tmp_path / "out"))
    assert isinstance(error, UsageError)
    assert str(error) == f"--model {tmp_path}: config.json is damaged; name a complete folder."


def test_labels_that_the_model_does_not_have_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "three.csv").write_text("text,label\na film,0\na plot,2\n")
    error = refusal(attack("--model", model, "--data", tmp_path / "three.csv", "--out", tmp_path / "out"))
    assert "has the label 2, but the model's classes are 0 to 1" in str(error)
    (tmp_path / "words.csv").write_text("text,label\na film,good\na plot,bad\n")
    error = refusal(attack("--model", model, "--data", tmp_path / "words.csv", "--out", tmp_path / "out"))
    assert isinstance(error, UsageError)
    assert "column 'label': not a class number: 'bad', 'good'. The model was saved without class names" in str(error)


def test_labels_that_are_no_names_of_the_models_classes_are_refused_with_all_that_are(
    named_model: Path, tmp_path: Path
) -> None:
    for label in ("good", "2"):
        (tmp_path / "data.csv").write_text(f"text,label\na film,positive\na plot,{label}\na thing,-1\na sea,\n")
        error = refusal(attack("--model", named_model, "--data", tmp_path / "data.csv", "--out", tmp_path / "out"))
        assert isinstance(error, UsageError)
        assert f"not a class of the model: '{label}'. Write 0 or negative, 1 or positive." in str(error)


def test_the_csv_file_is_refused_before_the_work(model: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = data.read_bytes()
    common = ["--model", model, "--data", data, "--out", tmp_path / "out", "--csv"]
    for path, sentence in (
        (tmp_path, "is a folder; name a file."),
        (data, "is the file of --data; name another file."),
        (tmp_path / "file/texts.csv", "cannot be written to"),
    ):
        error = refusal(attack(*common, path))
        assert isinstance(error, UsageError)
        assert sentence in str(error)
    assert data.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("a=8", 8), ("a=0.5", 0.5), ("a=true", True), ("a=cosine", "cosine"), ('a="8"', "8"), ("a=", ""),
        ("a=x=y", "x=y"), ("a=../lexicon.json", "../lexicon.json"), ("a=[1]", "[1]"), ("a=1e-3", 0.001),
    ],
)  # fmt: skip
def test_values_of_parameters_are_read_as_a_suite_would_have_them(given: str, value: object) -> None:
    key, read = _parameter(given)
    assert (key, read, type(read)) == ("a", value, type(value))


@pytest.mark.slow
@pytest.mark.resources
def test_outcomes_are_shown_and_kept_and_the_same_command_has_nothing_left_to_do(
    model: Path, data: Path, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["--model", model, "--data", data, "--out", tmp_path / "out", *parts]
    first = attack(*command)
    assert first.exit_code == 0, first.output
    (table,) = (tmp_path / "out").glob("*.parquet")
    assert re.fullmatch(r"textfooler-[0-9a-f]{12}\.parquet", table.name)
    rows, before = read_attack(table), table.read_bytes()
    assert len(rows) == 12
    for outcome in ("skipped", "survived", "flipped", "budget", "error"):
        count = sum(row.outcome == outcome for row in rows)
        assert re.search(rf"^{outcome} +{count}\b", first.output, re.MULTILINE)
    survived = sum(row.outcome == "survived" for row in rows) / 12
    assert f"Accuracy under attack    {100 * survived:.1f} %" in first.output
    assert all(row.perturbed and row.perturbed != row.original for row in rows if row.outcome == "flipped")
    assert f"{sum(row.queries for row in rows)} queries, " in first.output
    assert str(table) in first.output.replace("\n", "")

    def unasked(*_: object) -> None:
        raise AssertionError("a finished attack asks nothing")

    monkeypatch.setattr(AttackDisplay, "__call__", unasked)
    assert attack(*command).exit_code == 0
    assert table.read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.resources
def test_interrupted_it_says_what_is_kept_and_goes_on_from_there(
    model: Path, data: Path, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ["--model", model, "--data", data, "--out", tmp_path / "whole", *parts]
    assert attack(*whole).exit_code == 0
    shown = AttackDisplay.__call__

    def interrupted(self: AttackDisplay, row: object, done: int, total: int) -> None:
        shown(self, row, done, total)  # type: ignore[arg-type]
        if done == 5:
            raise KeyboardInterrupt

    command = ["--model", model, "--data", data, "--out", tmp_path / "cut", *parts]
    with monkeypatch.context() as patch:
        patch.setattr(AttackDisplay, "__call__", interrupted)
        stopped = attack(*command)
    assert stopped.exit_code == 130
    assert "5 of 12 examples are kept in" in stopped.output
    assert "the same command resumes there" in stopped.output
    assert not list((tmp_path / "cut").glob("*.parquet"))
    assert attack(*command).exit_code == 0
    tables = [next((tmp_path / folder).glob("*.parquet")) for folder in ("whole", "cut")]
    assert tables[0].name == tables[1].name
    assert tables[0].read_bytes() == tables[1].read_bytes()


@pytest.mark.slow
@pytest.mark.resources
def test_another_attack_model_or_limit_has_a_table_of_its_own(
    model: Path, data: Path, parts: list[str], tmp_path: Path
) -> None:
    command = ["--model", model, "--data", data, "--out", tmp_path / "out", *parts]
    for extra in ([], ["--limit", "6"], ["--parameter", "candidates=1"]):
        assert attack(*command, *extra).exit_code == 0
    lengths = sorted(len(read_attack(path)) for path in (tmp_path / "out").glob("*.parquet"))
    assert lengths == [6, 12, 12]


@pytest.mark.slow
@pytest.mark.resources
def test_of_pairs_the_second_text_is_attacked(model: Path, parts: list[str], tmp_path: Path) -> None:
    lines = [f"this story was good,{text},{label}" for text, label in sentences(6, seed=4)]
    (tmp_path / "pairs.csv").write_text("premise,hypothesis,label\n" + "\n".join([*lines, "a,b,-1"]) + "\n")
    done = attack("--model", model, "--data", tmp_path / "pairs.csv", "--out", tmp_path / "out", *parts)
    assert done.exit_code == 0, done.output
    assert "note: left out: 1 row without a label." in done.output
    (table,) = (tmp_path / "out").glob("*.parquet")
    assert {row.original for row in read_attack(table)} == {text for text, _ in sentences(6, seed=4)}


@pytest.mark.slow
@pytest.mark.resources
def test_names_and_numbers_of_classes_give_one_table_and_texts_as_csv(
    named_model: Path, parts: list[str], tmp_path: Path
) -> None:
    rows = sentences(12, seed=9)
    for name, labels in (("names", ("negative", "positive")), ("numbers", ("0", "1.0"))):
        lines = [f"{text},{labels[label]}" for text, label in rows]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join([*lines, " ,0", ",1"]) + "\n")
        path = tmp_path / f"{name}.csv"
        done = attack(
            "--model", named_model, "--data", path, "--out", tmp_path / name, "--csv", tmp_path / "t.csv", *parts
        )
        assert done.exit_code == 0, done.output
        assert "note: left out: 2 rows without a text." in done.output
        assert f"Texts: {tmp_path / 't.csv'}" in done.output
    tables = [next((tmp_path / folder).glob("*.parquet")) for folder in ("names", "numbers")]
    assert tables[0].name == tables[1].name
    with (tmp_path / "t.csv").open(newline="") as stream:
        written = list(csv.DictReader(stream))
    attacked = read_attack(tables[0])
    assert [row["original"] for row in written] == [row.original for row in attacked]
    assert [row["perturbed"] for row in written] == [row.perturbed or "" for row in attacked]
    for row in written:
        assert {row["label"], row["before"]} <= {"negative", "positive"}
        assert (row["before"] == row["label"]) == (row["outcome"] != "skipped")
        assert (row["after"] not in {"", row["label"]}) == (row["outcome"] == "flipped")


@pytest.mark.slow
@pytest.mark.resources
def test_labels_that_are_swapped_are_suspected(named_model: Path, parts: list[str], tmp_path: Path) -> None:
    model = load_classifier(named_model).eval()
    texts = [(text,) for text, _ in sentences(8, seed=9)]
    wrong = 1 - predict_logits(model, texts).argmax(axis=1)
    lines = [f"{text},{label}" for (text,), label in zip(texts, wrong, strict=True)]
    (tmp_path / "data.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    done = attack("--model", named_model, "--data", tmp_path / "data.csv", "--out", tmp_path / "out", *parts)
    assert "note: no example is right before the attack, so nothing was attacked." in done.output
    assert "the classes of the model are 0 negative, 1 positive." in done.output


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.usefixtures("_preloaded_workers")
def test_the_command_itself_with_two_workers(model: Path, data: Path, parts: list[str], tmp_path: Path) -> None:
    command = ["attack", "--attack", "textfooler"]
    common = ["--model", model, "--data", data, *parts]
    one = attack(*common, "--out", tmp_path / "one")
    two = temper(*command, *common, "--out", tmp_path / "two", "--workers", 2)
    assert (one.exit_code, two.returncode) == (0, 0), two.stderr
    assert "Accuracy under attack" in two.stdout
    tables = [next((tmp_path / folder).glob("*.parquet")).read_bytes() for folder in ("one", "two")]
    assert tables[0] == tables[1]
    wrong = temper(*command, "--model", model, "--data", "absent.csv")
    assert (wrong.returncode, wrong.stderr) == (2, "temper: File not found: absent.csv.\n")


def test_every_attack_is_listed_with_its_paper() -> None:
    shown = CliRunner().invoke(app, ["list", "--attacks"], env={"COLUMNS": "1000"}).output
    for name in ATTACKS:
        assert re.search(rf"^{name} ", shown, re.MULTILINE)
    assert re.search(r"^textfooler +Jin et al\., 2020 +TextFooler ", shown, re.MULTILINE)
    assert "Suites" not in shown
