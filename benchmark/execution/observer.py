"""The interface through which a run reports its progress."""

from typing import Protocol


class Observer(Protocol):
    """Receives the progress of computed cells, one at a time and in order."""

    def begin(self, label: str) -> None:
        """Start a cell."""

    def advance(self, done: int, total: int) -> None:
        """Report how many of the cell's steps, texts or examples are done."""

    def end(self, label: str, seconds: float) -> None:
        """Finish a cell."""

    def note(self, sentence: str) -> None:
        """Report a note to the user that does not stop the run."""


class Quiet:
    """An `Observer` that shows nothing."""

    def begin(self, label: str) -> None:
        """Show nothing."""

    def advance(self, done: int, total: int) -> None:
        """Show nothing."""

    def end(self, label: str, seconds: float) -> None:
        """Show nothing."""

    def note(self, sentence: str) -> None:
        """Show nothing."""
