"""An evaluation task with missing data is a gap with its reason, and the same command fills it later."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.execution.local import RunReport, run_rows
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload, materialise
from benchmark.schema import IntegrityError, UnavailableError, read_records, read_results, read_suite_card
from benchmark.suites import load_suite
from leaderboard import load_board
from tests.support.rows import row_of
from tests.support.tiny import sentences
from tests.support.tiny_suite import write_tiny_suite

FAR = """
[[tasks]]
id = "far"
version = 1
perspective = "shift"
title = "Far"
description = "A set of the Hub."
rows = 12

[tasks.data]
source = "mirror"
repository = "someone/far"
split = "test"
rows = 12
text = ["text"]
label = { column = "label" }
"""

ATTACK = """
[[attacks]]
id = "pwws"
version = 1
title = "PWWS"
description = "Synonyms."
on = "far"
subset = 4
recipe = "pwws"
"""


@pytest.fixture
def suite(tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "suite").mkdir()
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("TEMPER_MIRROR", str(tmp_path / "mirror"))
    path = write_tiny_suite(tmp_path / "suite", tiny_backbone)
    path.write_text(path.read_text() + FAR)
    return path


def mirror(root: Path, rows: int, seed: int = 11) -> None:
    texts, labels = zip(*sentences(rows, seed), strict=True)
    folder = root / "mirror/someone/far"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": list(texts), "label": list(labels)})
    pq.write_table(table, folder / "test-00000-of-00001.parquet")


def run(suite: Path, out: Path, seed: int = 0) -> tuple[RunReport, Workload]:
    work = materialise(load_suite(str(suite)))
    return run_rows([row_of(work, seed=seed)], work, Store(out / "store"), out / "results", Quiet()), work


def of_far(out: Path, seed: int = 0) -> list[dict]:
    (path,) = out.glob(f"results/tiny@1/vanilla/*/seed-{seed}.jsonl")
    return [record for record in read_records(path) if record["task"]["id"] == "far"]


def test_the_gap_has_its_reason_and_the_same_command_fills_it_and_nothing_else(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report, work = run(suite, out)
    assert (report.computed, report.failures) == (8, [])
    assert list(work.missing) == ["far"]
    assert "does not hold someone/far test" in work.missing["far"].here
    gap = of_far(out)
    assert len(gap) == 7
    assert {record["status"] for record in gap} == {"unavailable"}
    (reason,) = {record["reason"] for record in gap}
    command = 'hf download --repo-type dataset someone/far --local-dir "$TEMPER_MIRROR/someone/far"'
    assert reason == (
        f"The data, someone/far test with its 12 rows, is missing. Get it (`{command}`), then rerun the same command."
    )
    assert all(
        (r["task"]["data"], r["task"]["n"], r["table"], set(r["keys"])) == (None, 12, None, {"train"}) for r in gap
    )
    before = read_suite_card(out / "results/tiny@1/suite.json")
    assert [entry["task"] for entry in before["overlap"]] == ["away", "foreign", "home"]
    assert run(suite, out)[0].computed == 0

    mirror(tmp_path, 12)
    report, work = run(suite, out)
    assert (report.computed, report.reused) == (2, 8)
    filled = of_far(out)
    assert {record["status"] for record in filled} == {"ok"}
    assert {record["task"]["data"] for record in filled} == {work.tasks["far"].content_hash}
    assert {record["suite"]["fingerprint"] for record in filled} == {gap[0]["suite"]["fingerprint"]}
    card = read_suite_card(out / "results/tiny@1/suite.json")
    assert {**before, "overlap": []} == {**card, "overlap": []}
    assert {entry["data"] for entry in card["tasks"] if entry["id"] == "far"} == {None}
    assert [entry["task"] for entry in card["overlap"]] == ["away", "far", "foreign", "home"]


def test_a_mirror_with_fewer_rows_is_a_gap_and_one_with_more_is_another_data_set(suite: Path, tmp_path: Path) -> None:
    mirror(tmp_path, 9)
    work = materialise(load_suite(str(suite)))
    assert "has 9 rows here, but the suite declares 12" in work.missing["far"].here
    mirror(tmp_path, 13)
    with pytest.raises(IntegrityError, match="has 13 rows here, but the suite declares 12"):
        materialise(load_suite(str(suite)))


def test_rows_of_both_kinds_of_machine_share_a_card_that_keeps_its_overlaps(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mirror(tmp_path, 12)
    run(suite, out)
    whole = (out / "results/tiny@1/suite.json").read_text()
    for path in (tmp_path / "mirror").rglob("*.parquet"):
        path.unlink()
    run(suite, out, seed=1)
    assert (out / "results/tiny@1/suite.json").read_text() == whole
    (folder,) = read_results(out / "results")
    states = Counter((r.record["seed"], r.record["status"]) for r in folder.records if r.record["task"]["id"] == "far")
    assert states == {(0, "ok"): 7, (1, "unavailable"): 7}


def test_the_board_shows_the_gap_and_does_not_rank_the_row(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(suite, out)
    (section,) = load_board(out / "results").sections
    (row,) = section.rows
    assert row.group == "apart"
    assert any(
        note.startswith("accuracy of far (shift), seed 0: unavailable, The data, someone/far") for note in row.notes
    )
    assert not row.figures["shift/far/accuracy"].text


def test_the_board_refuses_two_data_sets_under_one_task(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mirror(tmp_path, 12)
    run(suite, out)
    mirror(tmp_path, 12, seed=12)
    run(suite, out, seed=1)
    with pytest.raises(
        IntegrityError, match=r"seed-1\.jsonl:\d+: /task/data: is sha256:\w+, but sha256:\w+ in tiny@1/"
    ):
        read_results(out / "results")


def test_missing_training_data_and_missing_files_of_the_suite_stop_the_run(suite: Path) -> None:
    away = suite.parent / "away.jsonl"
    away.rename(away.with_suffix(".gone"))
    with pytest.raises(UnavailableError, match=r"Data file not found: .*away\.jsonl"):
        materialise(load_suite(str(suite)))
    away.with_suffix(".gone").rename(away)
    text = suite.read_text().replace(
        'source = "file", path = "train.jsonl", format = "jsonl"',
        'source = "mirror", repository = "a/b", split = "train", rows = 160',
    )
    suite.write_text(text)
    with pytest.raises(UnavailableError, match="does not hold a/b train"):
        materialise(load_suite(str(suite)))


def test_foreign_texts_and_attacks_wait_for_the_task_that_they_need(suite: Path) -> None:
    text = suite.read_text().replace(FAR, "") + ATTACK
    home, rest = text.split('id = "home"')
    far = FAR.replace("[[tasks]]\n", "").replace('"shift"', '"in-distribution"')
    suite.write_text(home + far.strip() + "\n\n[[tasks]]\n" + 'id = "home"' + rest)
    work = materialise(load_suite(str(suite)))
    assert list(work.tasks) == ["home", "away"]
    assert set(work.missing) == {"far", "foreign", "pwws"}
    assert work.missing["pwws"].reason.startswith(
        "It needs far. The data, someone/far test with its 12 rows, is missing"
    )
    assert work.missing["foreign"].here == "it needs far"
