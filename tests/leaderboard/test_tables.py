"""Files of a leaderboard of two methods; any change of their format must be deliberate."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from leaderboard import load_board
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import Method, card, records, write_records, write_results

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["board.md", "board.csv", "board.tex", "board.json"])
def test_two_methods_render_as_they_always_did(results, name):
    assert render_all(load_board(results))[name] == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.fixture(params=["results", "full_results"])
def board(request):
    return load_board(request.getfixturevalue(request.param))


def all_figures(board):
    for section in board.sections:
        for row in section.rows:
            yield row, section, [row.figures[column.key] for column in (*section.perspectives, *section.tasks)]


def test_numbers_are_equal_in_every_file(board):
    texts = render_all(board)
    rows = list(csv.DictReader(io.StringIO(texts["board.csv"])))
    sections = json.loads(texts["board.json"])["sections"]
    parsed = [(section, row) for section in sections for row in section["rows"]]
    page = texts["index.html"].replace("−", "-")
    for (row, section, figures), line, (_, item) in zip(all_figures(board), rows, parsed, strict=True):
        assert (line["method"], line["overall_points"]) == (row.method, row.overall.text)
        assert item["overall"]["value"] == (float(row.overall.text) if row.overall.text else None)
        for column, figure in zip([*section.perspectives, *section.tasks], figures, strict=True):
            unit = "percent" if column.unit == "%" else column.unit
            assert line[f"{column.key}_{unit}"] == figure.text
            both = item["perspectives"] | item["tasks"]
            assert both[column.key]["value"] == (float(figure.text) if figure.text else None)
            if figure.text:
                spread = f" ±{figure.spread}" if figure.spread else ""
                assert f" {figure.text}{spread} |" in texts["board.md"]
                assert figure.text + spread.replace("±", r"$\pm$") + " " in texts["board.tex"]
                assert f'data-sort="{figure.text}"><span class="value">{figure.text}<' in page


def test_a_note_that_is_a_sentence_loses_its_full_stop_before_another_note(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        lost = {"value": None, "replicates": None, "status": "failed", "reason": "It diverged."}
        write_records(tmp_path, [record | (lost if seed else {}) for record in records(suite, Method("roast"), seed)])
    texts = render_all(load_board(tmp_path))
    for name in ("board.md", "board.csv"):
        (line,) = [line for line in texts[name].splitlines() if "It diverged" in line]
        assert "failed, It diverged; 1 seed complete" in line
        assert ".;" not in line


def test_every_number_of_the_page_is_a_figure_of_the_board(board):
    known = {"", *(figure.text for _, _, figures in all_figures(board) for figure in figures)}
    known |= {figure.text for row, _, _ in all_figures(board) for figure in (row.overall, row.cost)}
    known |= {figure.text for row, _, _ in all_figures(board) for figure in (row.better, row.relative)}
    known |= {row.rank for row, _, _ in all_figures(board)} | {str(len(row.seeds)) for row, _, _ in all_figures(board)}
    page = render_all(board)["index.html"]
    assert set(re.findall(r'<td class="number[^"]*" data-sort="([^"]*)"', page)) <= known
