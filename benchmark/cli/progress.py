"""Progress on standard error: a live bar on a terminal; elsewhere a line about once per minute, with the time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from benchmark.cli.display import console, say
from benchmark.cli.options import INTERRUPTED
from benchmark.schema.errors import visible

if TYPE_CHECKING:
    from benchmark.schema.attack_outcome import AttackRow

SECONDS_BETWEEN_LINES = 60.0

Clock = Callable[[], float]


@contextmanager
def resumable(what: str = "stages") -> Iterator[None]:
    """Exit at Ctrl-C in the block, and say that finished `what` are kept."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"Interrupted. Finished {what} and checkpoints are kept; rerun the same command to resume.")
        raise typer.Exit(INTERRUPTED) from None


def _shown(label: str) -> str:
    """Write a label as markup that shows every character of it; it may hold a file's name."""
    return escape(visible(label))


class _Count(ProgressColumn):
    """The number of finished steps and of all steps; empty until the latter is known."""

    def render(self, task: Task) -> Text:
        """Write the count of a bar."""
        return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")


class _TimeLeft(TimeRemainingColumn):
    """The time left; empty until it can be estimated."""

    def render(self, task: Task) -> Text:
        """Write the time left of a bar."""
        known = task.total is not None and task.time_remaining is not None
        return Text.assemble(super().render(task), " left") if known else Text("")


class _Bar:
    """One task in progress.

    Outside a terminal, a line is due a minute after the last one. The time left is estimated from the first
    reported step on, so that loading a model and resumed steps do not count.
    """

    def __init__(
        self, label: str, *columns: ProgressColumn, transient: bool = False, clock: Clock, live: bool = True
    ) -> None:
        self._label, self._clock = label, clock
        self._last = clock()
        self._first: tuple[float, float] | None = None
        self._live: Progress | None = None
        if live and console.is_terminal:
            parts = (TextColumn("  {task.description}"), BarColumn(bar_width=None), *columns, _TimeLeft())
            self._live = Progress(*parts, console=console, transient=transient)
            self._live.start()
            self._task = self._live.add_task(_shown(label), total=None, rate=0.0)

    def advance(self, done: float, total: float, *, text: str = "", rate: float = 0.0) -> None:
        """Move the bar, or print a line if one is due; `text` replaces the count."""
        if self._live is not None:
            self._live.update(self._task, completed=done, total=total or None, rate=rate)
            return
        now = self._clock()
        if self._first is None:
            self._first = (done, now)
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        before, since = self._first
        left = ""
        if total and done > before:
            seconds = (now - since) / (done - before) * (total - done)
            left = f", about {timedelta(seconds=round(seconds))} left"
        say(f"  {self._label}: {text or f'{done:.0f}/{total:.0f}'}{left}")

    def close(self) -> None:
        """Remove or freeze the live bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class CellDisplay:
    """Shows the cells of a run; an `Observer`. Processes that share a terminal show lines instead of a live bar."""

    def __init__(self, clock: Clock = time.monotonic, *, live: bool = True) -> None:
        self._clock, self._live = clock, live
        self._bar: _Bar | None = None

    def begin(self, label: str) -> None:
        """Open a bar for a cell; its length is unknown until the first step."""
        self._bar = _Bar(label, _Count(), transient=True, clock=self._clock, live=self._live)

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(done, total)

    def end(self, label: str, seconds: float) -> None:
        """Close the bar and leave one line."""
        self.close()
        console.print(f"  {_shown(label)}  [dim]{timedelta(seconds=round(seconds))}[/dim]")

    def note(self, sentence: str) -> None:
        """Print a sentence."""
        say(f"note: {sentence}")

    def close(self) -> None:
        """Remove the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ByteDisplay:
    """Shows downloads and verification; a `benchmark.resources.Progress`."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._bar: _Bar | None = None
        self._done = self._total = 0

    def start(self, task: str, total: int) -> None:
        """Open a bar of `total` bytes, 0 if that is unknown; outside a terminal, print a line."""
        if not console.is_terminal:
            say(f"  {task}")
        self._bar = _Bar(task, DownloadColumn(), clock=self._clock)
        self._done, self._total = 0, total
        self.advance(0)

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._done += amount
        if self._bar is not None:
            total = f" of {decimal(self._total)}" if self._total else ""
            self._bar.advance(self._done, self._total, text=f"{decimal(self._done)}{total}")

    def finish(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class AttackDisplay:
    """Shows an attack: examples done, queries per second, and the time left."""

    def __init__(self, label: str, clock: Clock = time.monotonic) -> None:
        self.done = 0
        self._label, self._clock = label, clock
        self._queries = 0
        self._started = clock()
        self._bar: _Bar | None = None

    def begin(self) -> None:
        """Open a bar; its length is unknown until the first row."""
        rate = TextColumn("{task.fields[rate]:.0f} queries/s")
        self._bar = _Bar(self._label, _Count(), rate, clock=self._clock)

    def __call__(self, row: "AttackRow", done: int, total: int) -> None:
        """Count a row that was just written."""
        self.done = done
        self._queries += row.queries
        if self._bar is not None:
            self._bar.advance(done, total, rate=self._rate)

    def close(self) -> None:
        """Remove the bar and leave one line, also after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if not self.done:
            return
        taken = timedelta(seconds=round(self._clock() - self._started))
        rate = f"{self._queries} queries, {self._rate:.0f} per second, {taken}"
        console.print(f"  {_shown(self._label)}  [dim]{rate}[/dim]")

    @property
    def _rate(self) -> float:
        """Return the queries per second since the start."""
        return self._queries / max(self._clock() - self._started, 1e-9)
