"""Protocol options: each changes the cells that it is about and no others, is recorded, and makes a row of its own."""

from pathlib import Path

import pytest

from benchmark.execution.cells import Cell, Row, cells_of, train_spec
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema import UsageError, read_records, read_results
from benchmark.schema.protocol import OPTIONS, parse_protocol
from benchmark.suites import load_suite
from leaderboard import load_board
from tests.support.tiny_suite import write_tiny_suite

MERGED = 'id = "away"\nversion = 1\nperspective = "shift"\nmerge = [1, 0]'


@pytest.fixture
def suite(tmp_path: Path, tiny_backbone: Path) -> Path:
    (tmp_path / "suite").mkdir()
    path = write_tiny_suite(tmp_path / "suite", tiny_backbone)
    path.write_text(path.read_text().replace('id = "away"\nversion = 1\nperspective = "shift"', MERGED))
    return path


def row_of(suite: Path, *protocol: str) -> tuple[Row, Workload]:
    loaded = load_suite(str(suite))
    method = configure(MethodRequest.parse("vanilla"))
    return Row(method, resolve_backbone(loaded.backbone), 0, protocol), materialise(loaded)


def run(suite: Path, out: Path, *protocol: str) -> list[Cell]:
    row, work = row_of(suite, *protocol)
    store = Store(out / "store")
    report = run_rows([row], work, store, out / "results", Quiet())
    assert report.failures == []
    return list(cells_of(row, work, store))


def test_without_options_nothing_says_protocol(suite: Path, tmp_path: Path) -> None:
    cells = run(suite, tmp_path / "out")
    assert not any("protocol" in (cell.spec or {}) for cell in cells)
    (path,) = (tmp_path / "out/results").rglob("seed-0.jsonl")
    assert not any("protocol" in record for record in read_records(path))


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ("ece-index-bug", {"score home", "score away"}),
        ("ece-unmerged", {"score away"}),
        ("merge-after-argmax", {"score away"}),
    ],
)
def test_an_option_of_scoring_trains_and_predicts_nothing_anew(
    suite: Path, tmp_path: Path, option: str, changed: set[str]
) -> None:
    plain = run(suite, tmp_path / "out")
    under = run(suite, tmp_path / "out", option)
    names = [f"{cell.kind} {cell.subject}" for cell in plain]
    assert {n for n, a, b in zip(names, plain, under, strict=True) if a.key != b.key} == changed
    assert all((cell.spec or {})["protocol"] == [option] for cell in under if f"{cell.kind} {cell.subject}" in changed)


def test_selection_on_the_reported_set_enters_the_trainings_key_with_that_sets_hash(suite: Path) -> None:
    row, work = row_of(suite, "select-on-reported")
    spec = train_spec(row, work)
    assert spec["protocol"] == ["select-on-reported"]
    assert spec["data"]["validation"] == work.tasks["home"].content_hash
    assert train_spec(row_of(suite)[0], work)["data"]["validation"] == work.splits.validation.content_hash
    assert train_spec(row_of(suite, "ece-index-bug")[0], work) == train_spec(row_of(suite)[0], work)


def test_selection_on_the_reported_set_chooses_the_epoch_that_is_best_there(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.training.loop import Trainer

    seen = []
    original = Trainer._validate

    def watch(trainer: Trainer) -> float:
        seen.append(trainer.validation)
        return original(trainer)

    monkeypatch.setattr(Trainer, "_validate", watch)
    run(suite, tmp_path / "out", "select-on-reported")
    _, work = row_of(suite)
    assert [data.content_hash for data in seen] == [work.tasks["home"].content_hash] * 2


def test_attended_padding_trains_another_model_that_remembers_it(suite: Path, tmp_path: Path) -> None:
    plain, under = run(suite, tmp_path / "out"), run(suite, tmp_path / "out", "padding-attended")
    assert {cell.kind for cell, other in zip(plain, under, strict=True) if cell.key == other.key} == set()
    models = [load_classifier(cells[1].reads["model"].folder / "model") for cells in (plain, under)]
    assert [model.attend_padding for model in models] == [False, True]


def test_rows_under_options_stand_apart_and_vanilla_is_the_one_without(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(suite, out)
    run(suite, out, "ece-index-bug", "merge-after-argmax")
    folders = {path.parent.parent.name for path in (out / "results").rglob("seed-0.jsonl")}
    assert folders == {"vanilla", "vanilla~~ece-index-bug,merge-after-argmax"}
    (folder,) = read_results(out / "results")
    assert {tuple(r.record.get("protocol", ())) for r in folder.records} == {
        (),
        ("ece-index-bug", "merge-after-argmax"),
    }
    (section,) = load_board(out / "results").sections
    plain, under = section.rows
    assert (plain.group, plain.configuration) == ("apart", "")
    assert "is not significantly above the share of the largest class" in plain.notes[0]
    assert (under.group, under.rank) == ("apart", "")
    assert under.configuration == "protocol ece-index-bug, merge-after-argmax"
    assert "measured under protocol options (ece-index-bug, merge-after-argmax), which" in under.notes[0]


def test_selection_on_a_reported_set_that_is_not_here_is_refused(suite: Path) -> None:
    row, work = row_of(suite, "select-on-reported")
    gone = Workload(work.suite, work.splits, {"away": work.tasks["away"]}, {})
    with pytest.raises(UsageError, match="the data of home is not here"):
        train_spec(row, gone)


def test_names_are_read_once_each_and_in_order() -> None:
    assert parse_protocol("") == ()
    assert parse_protocol(" merge-after-argmax, ece-index-bug,ece-index-bug ") == (
        "ece-index-bug",
        "merge-after-argmax",
    )
    with pytest.raises(UsageError, match=r"there is no option 'ece-index'. Did you mean 'ece-index-bug'\? Known: "):
        parse_protocol("ece-index")
    assert all(option.text.endswith(".") for option in OPTIONS.values())
