"""`temper reproduce` and `temper published import` as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.evaluation.metrics.calibration import ece_roast_draws
from benchmark.evaluation.parquet import read_predictions
from benchmark.execution.workload import materialise
from benchmark.schema import IntegrityError, TemperError, UsageError
from benchmark.suites import load_suite
from tests.leaderboard.synthetic import card, published, write_published
from tests.reproduction.conftest import packaged

__all__ = ["packaged"]


def temper(*arguments: str, code: int = 0) -> str:
    """Standard output; an error of Temper's own is raised as `main` sees it."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def reproduce(packaged: Path, tiny_backbone: Path, tmp_path: Path):
    base = ["reproduce", "tiny-table", "--backbone", str(tiny_backbone), "--out", str(tmp_path / "runs"), "--yes"]
    return lambda *more, code=0: temper(*base, *more, code=code)


def test_a_table_is_run_resumed_and_printed_with_gaps(reproduce, tmp_path: Path, tiny_backbone: Path) -> None:
    shown = reproduce("--seeds", "2")
    assert shown.splitlines()[0].startswith(f"Tiny, {tiny_backbone.name}")
    for text in ("Vanilla", "RoAST", "measured", "published", "difference", "inD % ↑", "ooD % ↑", "±", "A note."):
        assert text in shown
    assert "[1] a mean over 1 of the paper's 2 sets, without poem" in shown
    assert "poem: exists as the authors' file only" in shown
    store = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/store").rglob("spec.json")}
    assert reproduce("--seeds", "2") == shown
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/store").rglob("spec.json")} == store
    assert not (tmp_path / "runs/results").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_preloaded_workers")
def test_two_jobs_print_the_table_of_one(reproduce, tmp_path: Path) -> None:
    limits = ["--seeds", "1", "--limit", "20"]
    shown = reproduce(*limits, "--jobs", "2")
    assert reproduce(*limits, "--out", str(tmp_path / "one")) == shown


def test_a_cut_table_says_in_its_title_what_was_cut(reproduce, tmp_path: Path) -> None:
    shown = reproduce("--seeds", "1", "--limit", "20", "--methods", "vanilla")
    title = shown.splitlines()[0]
    for words in ("cut down", "at most 20 examples in training and in each set", "1 of 2 rows", "1 of 2 seeds"):
        assert words in title
    assert "RoAST" not in shown
    (folder,) = (tmp_path / "runs/reproductions").iterdir()
    assert folder.name == "tiny-without-textfooler-limit-20@1"


def test_a_published_value_and_the_difference_stand_below_the_measured_one(
    reproduce, tmp_path: Path, tiny_backbone: Path
) -> None:
    record = published(card(name="tiny"), "vanilla", "A. Author (2020)", "reviews", 0.5)
    record["task"]["id"] = "home"
    record["source"]["row"] = "Vanilla"
    record["backbone"]["name"] = tiny_backbone.name
    write_published(tmp_path / "printed", [record])
    arguments = ("--seeds", "1", "--methods", "vanilla", "--published", str(tmp_path / "printed"))
    cell = json.loads(reproduce(*arguments, "--format", "json"))["rows"][0]["cells"][0]
    assert (cell["published"], cell["difference"]) == (0.5, cell["measured"] - 0.5)
    lines = reproduce(*arguments, "--format", "csv").splitlines()
    assert lines[2].split(",")[1:3] == ["published", "50.00"]


ECE_COLUMN = """
[[columns]]
label = "ECE"
suite = "tiny"
perspective = "calibration"
metric = "ece_roast"
tasks = ["home", "away"]
"""


def test_the_tuned_ece_is_printed_with_what_other_folds_would_give(reproduce, packaged: Path, tmp_path: Path) -> None:
    """The note next to the number is that of the stored prediction tables, averaged as the cell is."""
    path = packaged / "papers/tiny-table.toml"
    path.write_text(path.read_text().replace("[[rows]]", f"{ECE_COLUMN}\n[[rows]]", 1))
    cells = json.loads(reproduce("--seeds", "2", "--methods", "vanilla", "--format", "json"))["rows"][0]["cells"]
    tasks = materialise(load_suite("tiny")).tasks
    data_of = {tuple(example.id for example in tasks[name].examples): tasks[name] for name in ("home", "away")}
    tables = [read_predictions(path) for path in (tmp_path / "runs/store/predict").rglob("predictions.parquet")]
    drawn = [
        ece_roast_draws(table.logits, table.labels, seed_text=data_of[table.ids].content_hash)
        for table in tables
        if table.ids in data_of
    ]
    assert len(drawn) == 4
    values = np.mean(drawn, axis=0)
    low, high = np.quantile(values, [0.025, 0.975])
    assert values.shape == (100,)
    (note,) = cells[2]["notes"]
    assert f"the mean over 100 others is {100 * values.mean():.2f}" in note
    assert f"95 % of them give {100 * low:.2f} to {100 * high:.2f}" in note
    assert not any("permutation" in note for cell in cells[:2] for note in cell["notes"])
    shown = reproduce("--seeds", "2", "--methods", "vanilla")
    (line,) = (line for line in shown.splitlines() if note in line)
    assert f" {line.split()[0]}" in next(row for row in shown.splitlines() if "measured" in row)


def test_the_plan_runs_nothing(reproduce, tmp_path: Path) -> None:
    shown = reproduce("--plan", "--seeds", "2")
    assert "tiny-without-textfooler@1" in shown
    assert "32 stages to do, about " in shown
    assert not (tmp_path / "runs").exists()


def test_on_a_terminal_somebody_is_asked_and_no_starts_nothing(
    packaged: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmark.cli.reproduction._on_terminal", lambda: True)
    arguments = ["reproduce", "tiny-table", "--backbone", str(tiny_backbone), "--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, arguments, input="n\n", catch_exceptions=False)
    assert done.exit_code == 0
    assert "measured" not in done.stdout
    assert "Nothing was started." in done.stderr
    assert not (tmp_path / "runs").exists()


def test_broken_published_numbers_are_told_before_anything_is_run(reproduce, tmp_path: Path) -> None:
    (tmp_path / "printed").mkdir()
    (tmp_path / "printed/a.jsonl").write_text("{")
    with pytest.raises(IntegrityError, match=r"a.jsonl:1"):
        reproduce("--published", str(tmp_path / "printed"))
    assert not (tmp_path / "runs").exists()


def test_an_interruption_says_that_it_goes_on(reproduce, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.execution.local.run_rows", interrupt)
    assert reproduce("--seeds", "1", code=130) == ""


def test_a_row_that_fails_is_a_gap_and_exit_code_1(reproduce, monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.roast import RoAST

    def fail(*_: object) -> None:
        raise ValueError("broken here")

    monkeypatch.setattr(RoAST, "loss", fail)
    shown = reproduce("--seeds", "1", code=1)
    assert "broken here" in shown


def test_nothing_to_run_on_is_a_table_of_gaps_and_exit_code_1(reproduce, packaged: Path) -> None:
    (packaged / "train.jsonl").unlink()
    shown = reproduce("--seeds", "1", code=1)
    assert "Data file not found: " in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reproduce", "roast-sst"], "There is no reproduction 'roast-sst'. Did you mean 'roast-sst2'?"),
        (["reproduce", "roast-sst2", "--methods", "raost"], "Did you mean 'roast'?"),
        (["reproduce", "roast-sst2", "--backbone", "minlm"], "Did you mean 'minilm'?"),
        (["reproduce", "roast-sst2", "--executor", "locale"], "There is no executor 'locale'. Did you mean 'local'?"),
        (["published", "import", "none.csv"], "none.csv cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_usage(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        temper(*arguments)
    assert sentence in str(caught.value)
    assert TemperError.exit_code != caught.value.exit_code == 2


def test_an_import_says_what_it_did_and_who_shows_it(tmp_path: Path) -> None:
    header = "paper,table,row,column,suite,backbone,method,task,metric,value\n"
    line = '"Raman et al., MVP, EMNLP 2023",Table 1,MVP,Clean,mvp-sst2,roberta-base,mvp,sst2,accuracy,90%\n'
    (tmp_path / "paper.csv").write_text(header + line)
    arguments = ["published", "import", str(tmp_path / "paper.csv"), "--published", str(tmp_path / "printed")]
    for count in ("1 numbers added, 0 were there", "0 numbers added, 1 were there"):
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert count in done.stderr
        assert "`temper reproduce mvp-sst2` shows" in done.stderr
    assert len((tmp_path / "printed/raman-et-al-mvp-emnlp-2023.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_roasts_table_is_printed_from_what_a_mirror_holds(
    shared: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from transformers import BertConfig, BertModel

    longer = Path(shutil.copytree(tiny_backbone, tmp_path / "longer"))
    BertModel(BertConfig.from_pretrained(longer, max_position_embeddings=128)).save_pretrained(longer)
    monkeypatch.setenv("TEMPER_MIRROR", str(shared / "hub"))
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    limits = ("--backbone", str(longer), "--limit", "16", "--seeds", "1", "--methods", "vanilla", "--yes")
    shown = json.loads(temper("reproduce", "roast-sst2", *limits, "--out", str(tmp_path / "runs"), "--format", "json"))
    (row,) = shown["rows"]
    cells = {cell["column"]: cell for cell in row["cells"]}
    assert list(cells) == ["inD", "ooD", "adv", "ECE", "AUROC"]
    assert [name for name, cell in cells.items() if cell["measured"] is None] == ["ooD"]
    assert "hf download" in cells["ooD"]["missing"]["yelp"]
    assert "a mean over 1 of the paper's 5 sets" in cells["adv"]["notes"][0]
    assert any("rows of nyu-mll/glue mnli validation_matched are here" in note for note in shown["notes"])
    assert "at most 16 examples in training and in each set" in shown["title"]
