"""How long work tells a display what it does, without knowing any display."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """A display of one task at a time.

    Between `finish` and the next `start` the terminal belongs to others (pip draws its own bar there), so a
    live display should be up only from `start` to `finish`.
    """

    def start(self, task: str, total: int) -> None:
        """Begin a task of `total` bytes; 0 when its length is not known."""

    def advance(self, amount: int) -> None:
        """Report `amount` further bytes."""

    def finish(self) -> None:
        """End the task, done or failed."""


class Silent:
    """A `Progress` that shows nothing."""

    def start(self, task: str, total: int) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


@contextmanager
def task(progress: Progress, name: str, total: int) -> Iterator[None]:
    """Bracket a task, so that it also ends when it fails."""
    progress.start(name, total)
    try:
        yield
    finally:
        progress.finish()
