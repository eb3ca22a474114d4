"""Tests that the leaderboard names the methods without a row, until they have one."""

import shutil
from pathlib import Path

from benchmark.schema import read_suite_card
from benchmark.suites import load_suite
from leaderboard import load_board
from scripts.methods_page import BACKBONE, SUITE
from scripts.missing_rows import RESULTS, write_missing


def test_methods_without_a_row_are_named_until_they_have_one(tmp_path: Path) -> None:
    name = load_suite(SUITE).full_name
    for row in ("vanilla@tuned", "constant"):
        shutil.copytree(RESULTS / name / row, tmp_path / name / row)
    shutil.copyfile(RESULTS / name / "suite.json", tmp_path / name / "suite.json")
    hours = write_missing(tmp_path)
    assert read_suite_card(tmp_path / name / "suite.json")["not_run"] == {BACKBONE: hours}
    assert "vanilla" not in hours
    assert (hours["mvp+roast"], hours["soup"]) == (None, None)
    assert 3 < hours["rift"] < 4
    (section,) = load_board(tmp_path).sections
    assert section.below[-1] == section.not_run
    assert f"rift ({hours['rift']:.1f}), roast (" in section.not_run
    shutil.copytree(RESULTS / name / "roast@tuned", tmp_path / name / "roast@tuned")
    (section,) = load_board(tmp_path).sections
    assert "mvp+roast" in section.not_run
    assert ", roast (" not in section.not_run
