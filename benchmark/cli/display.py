"""Progress on standard error: a live bar with time left on a terminal, one line per task elsewhere."""

import os
import textwrap
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from benchmark.schema.attack_outcome import AttackRow

console = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table. Outside a terminal it gets all the width it needs, since 80 columns would cut words."""
    if output.is_terminal or "COLUMNS" in os.environ:
        output.print(table)
        return
    unbounded = output.options.update(width=10_000, max_width=10_000)
    Console(highlight=False, width=Measurement.get(output, unbounded, table).maximum).print(table)


def fitted(sentence: str, screen: Console = console) -> Text:
    """Wrap a sentence at the width of a terminal; outside a terminal, leave it on one line."""
    if not screen.is_terminal:
        return Text(sentence)
    lines = (
        textwrap.wrap(line, screen.width, break_long_words=False, break_on_hyphens=False)
        for line in sentence.split("\n")
    )
    return Text("\n".join("\n".join(line) for line in lines))


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


class CellDisplay:
    """Shows the cells of a run; an `Observer`."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def begin(self, label: str) -> None:
        """Open a bar for a cell; its length is unknown until the first step."""
        if console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(bar_width=None), _Count(), _TimeLeft())
            self._bar = Progress(*columns, console=console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(escape(label), total=None)

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def end(self, label: str, seconds: float) -> None:
        """Close the bar and leave one line."""
        self.close()
        console.print(f"  {escape(label)}  [dim]{timedelta(seconds=round(seconds))}[/dim]")

    def note(self, sentence: str) -> None:
        """Print a sentence."""
        console.print(f"[yellow]note:[/yellow] {escape(sentence)}")

    def close(self) -> None:
        """Remove the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class ByteDisplay:
    """Shows downloads and verification; a `benchmark.resources.Progress`."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def start(self, task: str, total: int) -> None:
        """Open a bar of `total` bytes."""
        if not console.is_terminal:
            console.print(f"  {escape(task)}")
            return
        columns = (TextColumn("  {task.description}"), BarColumn(bar_width=None), DownloadColumn(), _TimeLeft())
        self._bar = Progress(*columns, console=console)
        self._bar.start()
        self._task = self._bar.add_task(escape(task), total=total or None)

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def finish(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class AttackDisplay:
    """Shows an attack: examples done, queries per second, and the time left."""

    def __init__(self, label: str) -> None:
        self.done = 0
        self._label = escape(label)
        self._queries = 0
        self._started = time.monotonic()
        self._bar: Progress | None = None

    def begin(self) -> None:
        """Open a bar; its length is unknown until the first row."""
        if console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(bar_width=None), _Count())
            rate = TextColumn("{task.fields[rate]:.0f} queries/s")
            self._bar = Progress(*columns, rate, _TimeLeft(), console=console)
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=None, rate=0.0)

    def __call__(self, row: "AttackRow", done: int, total: int) -> None:
        """Count a row that was just written."""
        self.done = done
        self._queries += row.queries
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, rate=self._rate)

    def close(self) -> None:
        """Remove the bar and leave one line, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if not self.done:
            return
        taken = timedelta(seconds=round(time.monotonic() - self._started))
        console.print(f"  {self._label}  [dim]{self._queries} queries, {self._rate:.0f} a second, {taken}[/dim]")

    @property
    def _rate(self) -> float:
        """Return the queries per second since the start."""
        return self._queries / max(time.monotonic() - self._started, 1e-9)
