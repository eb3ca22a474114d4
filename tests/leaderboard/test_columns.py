"""A new column is one entry of `COLUMNS`, and every file has it."""

import csv
import io
import json

import pytest

from leaderboard import load_board, text_tables
from leaderboard.columns import COLUMNS, Column
from leaderboard.figures import Figure
from leaderboard.site_files import render_all


@pytest.fixture
def entries():
    """Add a figure and a text in front of the notes."""
    added = [
        Column("swing", "Swing", lambda row: Figure("1.25", "0.50", "2.00"), "nats", "down", "How far it swings."),
        Column("colour", "Colour", lambda row: f"{row.method}-ish", definition="Of the method.", kind="text"),
    ]
    COLUMNS[-1:-1] = added
    yield added
    for column in added:
        COLUMNS.remove(column)


def test_a_new_entry_is_in_every_file(entries, full_results):
    board = load_board(full_results)
    texts = render_all(board)
    count = sum(len(section.rows) for section in board.sections)
    assert texts["board.md"].count("1.25 [0.50, 2.00] | roast-ish |") == 5
    assert texts["board.md"].count("| Swing nats ↓ | Colour | Notes |") == 5
    assert texts["board.tex"].count(r"Swing nats $\downarrow$ & Colour \\") == 3
    assert texts["board.tex"].count(r"1.25 [0.50, 2.00] & vanilla-ish \\") == 3
    lines = list(csv.DictReader(io.StringIO(texts["board.csv"])))
    assert {(line["swing_nats"], line["swing_nats_low"], line["swing_nats_high"]) for line in lines} == {
        ("1.25", "0.50", "2.00")
    }
    assert all(line["colour"] == f"{line['method']}-ish" for line in lines)
    rows = [row for section in json.loads(texts["board.json"])["sections"] for row in section["rows"]]
    assert [row["swing"] for row in rows] == [{"value": 1.25, "low": 0.5, "high": 2.0}] * count
    assert all(row["colour"] == f"{row['method']}-ish" for row in rows)
    page = texts["index.html"]
    assert page.count('title="How far it swings."><span>Swing</span> <span class="unit">nats ↓') == 3
    assert page.count('<td class="number" data-sort="1.25">1.25</td>') == count
    assert page.count('<td class="text colour" data-sort="recadam-ish">recadam-ish</td>') == 1
    for table in text_tables(board):
        place = table.columns.index("Swing nats ↓")
        assert {row[place] for row in table.rows} == {"1.25 [0.50, 2.00]"}


def test_sorting_finds_the_cells_of_a_new_column(entries, results):
    page = render_all(load_board(results))["index.html"]
    start = page.index('<tr data-row="', page.index('<table class="board'))
    cells = page[start : page.index("</tr>", start)].split("<t")[2:]
    place = int(page.split("<span>Swing</span>")[0].rsplit('data-column="', 1)[1].split('"')[0])
    assert 'data-sort="1.25"' in cells[place]
