"""How a run tells a display what it does, without knowing any display."""

from typing import Protocol


class Observer(Protocol):
    """Told of every cell that is computed, in order; one at a time."""

    def begin(self, label: str) -> None:
        """A cell's work starts."""

    def advance(self, done: int, total: int) -> None:
        """So many of its steps, texts or examples are done."""

    def end(self, label: str, seconds: float) -> None:
        """A cell is finished."""

    def note(self, sentence: str) -> None:
        """Something that the user should know and that stops nothing."""


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
