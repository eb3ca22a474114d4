"""Sentences and tables in the width of a terminal: words stay whole, and nothing is left out."""

import io

import pytest
from rich.console import Console

from benchmark.cli.display import fitted, table_lines, width_of

LEADERBOARD = ("Rank", "Method", "Overall % ↑", "In-distribution % ↑", "Shift % ↑", "Adversarial % ↑", "Seeds")
ROW = ("1 (1 to 8)", "rose-ensemble", "-12.17 [-21.80, +18.90]", "75.13 ±16.70", "64.20 ±28.11", "45.23 ±22.81", "3")


def lines(headings: tuple[str, ...], *rows: tuple[str, ...], width: int | None, **options) -> list[str]:
    return [line for line, _ in table_lines(headings, rows, width, **options)]


def test_a_table_that_is_too_wide_is_printed_in_parts_with_the_key_column() -> None:
    shown = lines(LEADERBOARD, ROW, width=80, key=1, right=LEADERBOARD[2:])
    assert max(map(len, shown)) <= 80
    blank = shown.index("")
    assert "rose-ensemble" in shown[blank - 1]
    assert shown[-1].startswith("rose-ensemble  ")
    text = "\n".join(shown)
    assert all(cell in text for cell in ROW)
    assert all(word in text.split() for heading in LEADERBOARD for word in heading.split())


def test_headings_wrap_before_a_table_is_divided() -> None:
    headings, row = ("Method", "Adversarial % ↑", "Calibration % ↓"), ("roast", "45.2", "11.3")
    assert lines(headings, row, width=32, right=headings[1:]) == [
        "Method  Adversarial  Calibration",
        "                % ↑          % ↓",
        "roast          45.2         11.3",
    ]


def test_sentences_wrap_between_words_and_move_below_where_they_have_no_room() -> None:
    headings = ("Name", "State", "What it does")
    row = ("counterfitted-glove-wordnet", "present", "substitutes for the words of a text, from GloVe")
    shown = lines(headings, row, width=60, prose=("What it does",))
    assert shown[1:] == [
        "counterfitted-glove-wordnet  present  substitutes for the",
        "                                      words of a text, from",
        "                                      GloVe",
    ]
    assert lines(headings, row, width=40, prose=("What it does",)) == [
        "Name                         State",
        "counterfitted-glove-wordnet  present",
        "    What it does: substitutes for the",
        "      words of a text, from GloVe",
    ]


def test_a_word_longer_than_the_terminal_is_not_cut() -> None:
    digest = "sha256:" + 64 * "a"
    assert lines(("Name", "Hash"), ("minilm", digest), width=60)[-1] == f"minilm  {digest}"
    assert lines(("Name", "Hash"), ("minilm", digest), width=60, prose=("Hash",))[-1] == f"      {digest}"


def test_a_pipe_gets_whole_lines_and_no_trailing_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(Console(file=io.StringIO())) is None
    assert width_of(Console(file=io.StringIO(), force_terminal=True, width=90)) == 90
    shown = lines(LEADERBOARD, ROW, ("-", "x", *5 * ("",)), width=None, right=LEADERBOARD[2:])
    assert len(shown) == 3
    assert all(line == line.rstrip() for line in shown)
    monkeypatch.setenv("COLUMNS", "72")
    assert width_of(Console(file=io.StringIO())) == 72


def test_a_sentence_is_broken_between_words_on_a_terminal_only() -> None:
    path = "a/" * 60
    wrapped = fitted(f"{'some words ' * 9}and then {path} ends.\n  A second line.", 80).split("\n")
    assert path in wrapped
    assert max(len(line) for line in wrapped if line != path) <= 80
    assert wrapped[-1] == "  A second line."
    assert fitted("  one two three", 10).split("\n") == ["  one two", "  three"]
    assert fitted("word " * 40, None) == "word " * 40
