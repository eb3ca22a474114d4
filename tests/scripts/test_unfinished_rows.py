"""Tests that a method without results is on the leaderboard with a reason, and that results are kept."""

import json
from pathlib import Path

from benchmark.schema import read_records
from leaderboard import load_board
from scripts.unfinished_rows import write_unfinished
from tests.support.tiny_suite import write_tiny_suite

REASON = "Not run: too dear."


def test_a_row_says_why_it_is_empty(tiny_backbone: Path, tmp_path: Path) -> None:
    suite, results = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "results"
    files = write_unfinished(suite, ["worddrop"], 2, REASON, results)
    assert [path.name for path in files] == ["seed-0.jsonl", "seed-1.jsonl"]
    records = [record for path in files for record in read_records(path)]
    assert {(r["status"], r["reason"], r["value"], json.dumps(r["keys"])) for r in records} == {
        ("unavailable", REASON, None, "{}")
    }
    (row,) = load_board(results).sections[0].rows
    assert (row.method, row.overall.text) == ("worddrop", "")
    assert any(REASON in note for note in row.notes)
    assert row.summary.startswith("Train on clean inputs")


def test_a_seed_that_was_run_is_left_alone(tiny_backbone: Path, tmp_path: Path) -> None:
    suite, results = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "results"
    (first,) = write_unfinished(suite, ["vanilla"], 1, "Earlier.", results)
    before = first.read_bytes()
    made = write_unfinished(suite, ["vanilla"], 2, REASON, results)
    assert [path.name for path in made] == ["seed-1.jsonl"]
    assert first.read_bytes() == before
