"""Progress on a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from benchmark.cli import display
from benchmark.cli.display import AttackDisplay, ByteDisplay, CellDisplay, fitted


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, soft_wrap=True)
    monkeypatch.setattr(display, "console", screen)
    return screen


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_bar_without_a_known_end_says_nothing_of_it(screen: Console) -> None:
    cells, attack, fetched = CellDisplay(), AttackDisplay("textfooler on reviews.csv"), ByteDisplay()
    cells.begin("vanilla, seed 0: train")
    cells.close()
    attack.begin()
    attack.close()
    fetched.start("fetching minilm", 0)
    fetched.finish()
    assert "train" in shown(screen)
    assert "None" not in shown(screen)
    assert "left" not in shown(screen)


def test_a_bar_fits_its_line_with_whole_words(screen: Console) -> None:
    cells = CellDisplay()
    cells.begin("roast:variant=released, seed 0: attack textfooler")
    cells.advance(12, 3000)
    cells.close()
    assert "roast:variant=released, seed 0: attack textfooler" in shown(screen)
    assert "12/3000" in shown(screen)
    assert "…" not in shown(screen)


def test_a_sentence_is_broken_between_words_on_a_terminal_only(screen: Console) -> None:
    path = "a/" * 60
    lines = fitted(f"{'some words ' * 9}and then {path} ends.\nA second line.", screen).plain.split("\n")
    assert path in lines
    assert max(len(line) for line in lines if line != path) <= 80
    assert lines[-1] == "A second line."
    assert fitted("word " * 40, Console(file=io.StringIO())).plain == "word " * 40
