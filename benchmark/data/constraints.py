"""What a key of a suite file may hold, said beside its type: ranges, patterns, lengths, and a line for the reference.

They stand in ``Annotated[...]`` of the dataclasses that suite files are read into. The loader checks them, and
docs/suites.md is written from them, so a rule is stated once.
"""

import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Constraint(Protocol):
    """A rule for one value of the right type."""

    @property
    def rule(self) -> str:
        """The rule in words, to stand after "it must"."""
        ...

    def allows(self, value: object) -> bool:
        """Whether the value keeps the rule."""
        ...


@dataclass(frozen=True, slots=True)
class Doc:
    """What a key means, in a sentence or two; `default` says what an absent key stands for, where that is computed."""

    text: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class ClassIndex:
    """Marks an integer that a suite file may also write as the name of one of the training task's classes."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two ends; an end that is None is open to infinity, `open_*` excludes the end itself."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    @property
    def rule(self) -> str:
        """For example ``be more than 0 and at most 1``."""
        low = "" if self.low is None else f"{'more than' if self.open_low else 'at least'} {self.low:g}"
        high = "" if self.high is None else f"{'less than' if self.open_high else 'at most'} {self.high:g}"
        return "be " + " and ".join(filter(None, (low, high)))

    def allows(self, value: object) -> bool:
        """Whether `value` is a number in the range."""
        if not isinstance(value, int | float):
            return False
        above = self.low is None or value > self.low or (value == self.low and not self.open_low)
        below = self.high is None or value < self.high or (value == self.high and not self.open_high)
        return above and below


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that a regular expression matches in full; `rule` says in words what it must be."""

    expression: str
    rule: str

    def allows(self, value: object) -> bool:
        """Whether `value` is a text of that shape."""
        return isinstance(value, str) and re.fullmatch(self.expression, value) is not None


@dataclass(frozen=True, slots=True)
class Length:
    """A list or table with a number of entries between two ends (both included)."""

    low: int
    high: int | None = None

    @property
    def rule(self) -> str:
        """For example ``be 1 to 2 entries long``."""
        if self.high is None:
            return f"be {self.low} {'entry' if self.low == 1 else 'entries'} long or more"
        return f"be {self.low} to {self.high} entries long"

    def allows(self, value: object) -> bool:
        """Whether the number of entries of `value` lies between the ends."""
        return isinstance(value, Sized) and self.low <= len(value) and (self.high is None or len(value) <= self.high)


NONEMPTY = Pattern(r"(?s).*\S.*", "not be empty")
IDENTIFIER = Pattern(
    r"[a-z0-9]+(-[a-z0-9]+)*", "be lower-case letters, digits and single hyphens, such as 'rotten-tomatoes'"
)
SHA256 = Pattern(r"sha256:[0-9a-f]{64}", "be 'sha256:' and 64 hexadecimal digits")
