"""Progress on a terminal of 80 columns, and once per minute elsewhere."""

import io

import pytest
from rich.console import Console

from benchmark.cli import display, progress
from benchmark.cli.progress import AttackDisplay, ByteDisplay, CellDisplay


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def screen_of(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> Console:
    screen = Console(
        file=io.StringIO(), force_terminal=terminal, width=80, color_system=None, soft_wrap=True, highlight=False
    )
    for module in (display, progress):
        monkeypatch.setattr(module, "console", screen)
    monkeypatch.delenv("COLUMNS", raising=False)
    return screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    return screen_of(monkeypatch, terminal=True)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Console:
    return screen_of(monkeypatch, terminal=False)


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_bar_without_a_known_end_says_nothing_of_it(terminal: Console) -> None:
    cells, attack, fetched = CellDisplay(), AttackDisplay("textfooler on reviews.csv"), ByteDisplay()
    cells.begin("vanilla, seed 0: train")
    cells.close()
    attack.begin()
    attack.close()
    fetched.start("fetching minilm", 0)
    fetched.finish()
    assert "train" in shown(terminal)
    assert "None" not in shown(terminal)
    assert "left" not in shown(terminal)


def test_a_bar_fits_its_line_with_whole_words(terminal: Console) -> None:
    cells = CellDisplay()
    cells.begin("roast:variant=released, seed 0: attack textfooler")
    cells.advance(12, 3000)
    cells.close()
    assert "roast:variant=released, seed 0: attack textfooler" in shown(terminal)
    assert "12/3000" in shown(terminal)
    assert "…" not in shown(terminal)


def test_without_a_terminal_a_line_is_printed_once_a_minute_with_the_time_left(pipe: Console) -> None:
    clock = Clock()
    cells = CellDisplay(clock)
    cells.begin("roast, seed 0: train")
    clock.seconds = 100  # loading: the resumed run reports its first step late
    cells.advance(500, 1000)
    for _ in range(400):
        clock.seconds += 0.5
        cells.advance(round(500 + (clock.seconds - 100)), 1000)
    cells.end("roast, seed 0: train", clock.seconds)
    assert shown(pipe).splitlines() == [
        "  roast, seed 0: train: 500/1000",
        "  roast, seed 0: train: 560/1000, about 0:07:20 left",
        "  roast, seed 0: train: 620/1000, about 0:06:20 left",
        "  roast, seed 0: train: 680/1000, about 0:05:20 left",
        "  roast, seed 0: train  0:05:00",
    ]


def test_a_short_stage_prints_its_end_only(pipe: Console) -> None:
    clock = Clock()
    cells = CellDisplay(clock)
    for label in ("predict tweets", "predict nyt"):
        cells.begin(label)
        for step in range(59):
            clock.seconds += 1
            cells.advance(step, 59)
        cells.end(label, 59)
    assert shown(pipe).splitlines() == ["  predict tweets  0:00:59", "  predict nyt  0:00:59"]


def test_a_download_and_an_attack_print_lines_too(pipe: Console) -> None:
    clock = Clock()
    fetched = ByteDisplay(clock)
    fetched.start("fetching minilm", 80_000_000)
    for _ in range(4):
        clock.seconds += 30
        fetched.advance(10_000_000)
    fetched.finish()
    assert shown(pipe).splitlines() == [
        "  fetching minilm",
        "  fetching minilm: 20.0 MB of 80.0 MB, about 0:03:00 left",
        "  fetching minilm: 40.0 MB of 80.0 MB, about 0:02:00 left",
    ]
    attack = AttackDisplay("textfooler on reviews.csv", clock)
    attack.begin()
    for done in (1, 2, 3):
        clock.seconds += 45
        attack(Row(), done, 10)  # type: ignore[arg-type]
    attack.close()
    assert shown(pipe).splitlines()[3:] == [
        "  textfooler on reviews.csv: 2/10, about 0:06:00 left",
        "  textfooler on reviews.csv  270 queries, 2 per second, 0:02:15",
    ]


@pytest.mark.parametrize("screen", ["terminal", "pipe"])
def test_a_label_controls_no_terminal(screen: str, request: pytest.FixtureRequest) -> None:
    console, label = request.getfixturevalue(screen), "pwws on \x1b]0;title\x07[red].csv"
    attack, cells, fetched = AttackDisplay(label), CellDisplay(), ByteDisplay()
    attack.begin()
    attack(Row(), 1, 2)  # type: ignore[arg-type]
    attack.close()
    cells.begin(label)
    cells.end(label, 1)
    fetched.start(label, 0)
    fetched.finish()
    assert "\x1b]" not in shown(console)
    assert "\x07" not in shown(console)
    assert shown(console).count("pwws on <U+001B>]0;title<U+0007>[red].csv") >= 3


class Row:
    queries = 90
