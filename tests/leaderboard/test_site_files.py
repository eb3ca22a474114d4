"""Building and checking a site."""

import json
import re
from dataclasses import replace

import pytest

import leaderboard
from benchmark.schema import IntegrityError, UsageError, atomic_io
from leaderboard import site_files
from leaderboard.render.tables import csv_table
from tests.leaderboard.synthetic import (
    Method,
    card,
    published,
    records,
    write_card,
    write_published,
    write_records,
    write_results,
)

FILES = ["board.csv", "board.json", "board.md", "board.tex", "index.html"]


def test_build_reports_files_rows_and_what_was_dropped(full_results, tmp_path):
    (full_results / "toy@1" / "notes.txt").write_text("hello")
    report = leaderboard.build(full_results, tmp_path / "site")
    assert sorted(path.name for path in report.files) == sorted(path.name for path in report.changed) == FILES
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == FILES
    assert [(drop.where, drop.reason) for drop in report.dropped] == [("toy@1/notes.txt", "not a record file")]
    apart = [row for row in report.rows if row.group == "apart"]
    assert [(row.section, row.method) for row in apart] == [("Toy sentiment (toy@1, minilm)", "rift")]
    assert apart[0].notes == ("1 seed complete and shared with vanilla; the suite asks for 2",)


def test_many_rows_are_split_into_a_page_per_section(shared_results, tmp_path, monkeypatch):
    monkeypatch.setattr(site_files, "PAGE_ROWS", 9)
    board = leaderboard.build(shared_results, tmp_path).board
    pages = {path.name: path.read_text("utf-8") for path in tmp_path.glob("*.html")}
    assert sorted(pages) == ["demo-1-minilm.html", "index.html", "toy-1-minilm.html", "toy-1-roberta.html"]
    for section in board.sections:
        own = f"{section.anchor}.html"
        cards = [f'<div class="target" id="{row.anchor}">' for row in section.rows]
        assert {name for name, text in pages.items() for card in cards if card in text} == {own}
        assert all(f'<li id="{row.anchor}">' in pages["index.html"] for row in section.rows)
        assert '<a href="index.html">' in pages[own]
        exported = re.search('<script type="application/json" id="exports">(.*?)</script>', pages[own], re.DOTALL)
        copied = "\n".join(json.loads(exported[1])["board.csv"])
        assert copied == csv_table(replace(board, sections=(section,)))
    for name, text in pages.items():
        for target in re.findall(r'href="([^"]*)"', text):
            file, _, anchor = target.partition("#")
            assert (tmp_path / (file or name)).is_file(), target
            assert not anchor or f'id="{anchor}"' in pages[file or name], target
    (tmp_path / "own.html").write_text("<title>My page</title>")
    monkeypatch.setattr(site_files, "PAGE_ROWS", 10)
    assert "--- toy-1-roberta.html (of no section in the records)\n" in leaderboard.check(shared_results, tmp_path)
    leaderboard.build(shared_results, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["index.html", "own.html"]
    assert leaderboard.check(shared_results, tmp_path) == ""


def test_a_site_among_the_records_is_refused(results):
    before = sorted(results.rglob("*"))
    for site in (results, results / "site"):
        with pytest.raises(UsageError, match=f"{site} is in the results folder {results}; name another folder"):
            leaderboard.build(results, site)
    assert sorted(results.rglob("*")) == before


def test_second_build_changes_nothing(results, tmp_path):
    leaderboard.build(results, tmp_path / "site")
    assert leaderboard.build(results, tmp_path / "site").changed == ()


def test_dropped_record_is_on_the_page_with_its_reason(results, tmp_path):
    suite = card()
    extra = records(suite, Method("worddrop"), 0)
    extra[0]["metric"]["id"] = "f1"
    write_records(results, extra)
    report = leaderboard.build(results, tmp_path / "site")
    assert [drop.reason for drop in report.dropped] == ["the suite card does not list f1 for reviews"]
    assert "the suite card does not list f1 for reviews" in (tmp_path / "site" / "index.html").read_text("utf-8")


def test_refused_record_leaves_the_old_site_alone(results, tmp_path):
    leaderboard.build(results, tmp_path / "site")
    before = (tmp_path / "site" / "index.html").read_bytes()
    path = results / "toy@1" / "roast" / "minilm" / "seed-0.jsonl"
    path.write_text(path.read_text("utf-8").replace('"suite":{', '"suit":{', 1), encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"seed-0\.jsonl:1: /suite: is missing"):
        leaderboard.build(results, tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_bytes() == before


def test_interrupted_write_leaves_the_old_file_and_no_partial_one(results, tmp_path, monkeypatch):
    site = tmp_path / "site"
    leaderboard.build(results, site)
    before = (site / "board.md").read_bytes()
    (results / "toy@1" / "roast" / "minilm" / "seed-0.jsonl").unlink()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_io.os, "fsync", full)
    with pytest.raises(UsageError, match=r"cannot be written to .*No space left on device"):
        leaderboard.build(results, site)
    assert (site / "board.md").read_bytes() == before
    assert sorted(path.name for path in site.iterdir()) == FILES


def test_folder_without_suites_and_suite_without_records(tmp_path):
    (tmp_path / "results").mkdir()
    leaderboard.build(tmp_path / "results", tmp_path / "site")
    assert "No suite has results yet." in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert leaderboard.text_tables(leaderboard.load_board(tmp_path / "results")) == ()
    write_card(tmp_path / "results", card())
    leaderboard.build(tmp_path / "results", tmp_path / "site")
    assert "No records yet." in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "Log loss" in (tmp_path / "site" / "index.html").read_text("utf-8")


def test_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="There is no folder"):
        leaderboard.check(tmp_path / "none", tmp_path)


def test_published_records_may_stand_in_a_folder_of_their_own(results, tmp_path):
    write_published(tmp_path / "printed", [published(card(), "roast", "A. Author (2020)", "stores", 0.86)])
    board = leaderboard.load_board(results, tmp_path / "printed")
    section = board.sections[0]
    row = section.rows[-1]
    assert (row.group, row.verification, row.seeds) == ("published", "published", ())
    assert [row.figures[column.key].text for column in section.tasks] == ["", "86.00", "", "", "", "", ""]
    assert row.figures["shift"].text == ""
    assert row.figures["shift"].reason == "accuracy of tweets (shift): no record"


def test_published_suite_without_results_and_files_beside_suites_are_reported(results, tmp_path):
    (results / "README.md").write_text("hello")
    write_published(tmp_path / "printed", [published(card(name="other"), "roast", "A. Author (2020)", "stores", 0.86)])
    (tmp_path / "printed/notes.txt").write_text("hello")
    report = leaderboard.build(results, tmp_path / "site", tmp_path / "printed")
    assert [(drop.where, drop.reason) for drop in report.dropped] == [
        ("README.md", "not in a suite's folder"),
        ("published/a-paper.jsonl:1", "a published number of other@1, which the results do not hold"),
        ("published/notes.txt", "not a file of published numbers"),
    ]


@pytest.mark.parametrize("suite", ["toy", "other"])
def test_one_changed_digit_of_a_published_row_is_drift(results, tmp_path, suite):
    """Also if the leaderboard shows no row of it, because the suite has no results."""
    printed, site = tmp_path / "printed", tmp_path / "site"
    write_published(printed, [published(card(name=suite), "roast", "A. Author (2020)", "stores", 0.86)])
    leaderboard.build(results, site, printed)
    assert not leaderboard.check(results, site, printed)
    path = printed / "a-paper.jsonl"
    path.write_text(path.read_text().replace("0.86", "0.87"))
    assert "published/a-paper.jsonl" in leaderboard.check(results, site, printed)


def test_a_mean_over_a_papers_own_sets_is_no_row_of_the_board(results, tmp_path):
    record = published(card(), "roast", "A. Author (2020)", "stores", 0.86)
    write_published(tmp_path / "printed", [record | {"task": record["task"] | {"id": "shift"}}])
    board = leaderboard.load_board(results, tmp_path / "printed")
    assert [drop.reason for drop in board.dropped] == ["a mean over the paper's own sets; `temper reproduce` shows it"]


def test_published_row_changes_no_measured_one(results, tmp_path):
    before = leaderboard.load_board(results).sections[0].rows
    write_published(tmp_path / "printed", [published(card(), "vanilla", "A. Author (2020)", "stores", 0.1)])
    after = leaderboard.load_board(results, tmp_path / "printed").sections[0].rows
    assert after[: len(before)] == before


def test_terminal_tables_hold_the_same_texts(shared_board):
    board = shared_board
    tables = leaderboard.text_tables(board, tasks=True)
    assert [table.title for table in tables[:2]] == [
        "Toy sentiment (toy@1, minilm)",
        "Toy sentiment (toy@1, minilm): evaluation tasks",
    ]
    first = tables[0]
    assert all(len(row) == len(first.columns) == len(first.left) for row in first.rows)
    assert first.rows[0][first.columns.index("Overall points ↑")].startswith(board.sections[0].rows[0].overall.text)
    assert any(note.startswith("rift: Not ranked: 1 seed") for note in first.row_notes)
    assert not {"Verification", "Notes"}.intersection(first.columns)
    demonstration = tables[-2]
    assert "Rank" not in demonstration.columns
    assert demonstration.rule == "Not a ranking: rows are ordered by Overall alone."


def test_one_metric_of_a_suite_of_its_own_version_never_meets_another_version(tmp_path):
    write_results(tmp_path, card(version=1), Method())
    write_results(tmp_path, card(version=2), Method("roast"))
    board = leaderboard.load_board(tmp_path)
    assert [section.suite for section in board.sections] == ["toy@2", "toy@1"]
    assert board.sections[0].rows[0].notes == ("there is no vanilla row on minilm to compare with",)
