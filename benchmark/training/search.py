"""Search: the values of a hyper-parameter that tuning may try, as its field declares them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from benchmark.training.hyperparameters import Hyperparameter

POSITIONS = 2**32
"""Number of positions of a dimension: `Search.value` takes an integer from 0 to one less."""


@dataclass(frozen=True)
class Search:
    """The search space of one hyper-parameter: ``rho: Annotated[float, Gt(0), Search.log(0.01, 0.5, source=...)]``.

    Attributes:
        scale: How a range is covered: evenly, evenly in the logarithm, or as a list of choices.
        values: The two ends of a range, both included, or the choices. A range of integers gives integers.
        source: Where the range comes from: a paper's grid, or why it is ours.
    """

    scale: Literal["linear", "log", "choice"]
    values: "tuple[Hyperparameter, ...]"
    source: str

    @classmethod
    def linear(cls, low: float, high: float, *, source: str) -> "Search":
        """Cover a range evenly."""
        return cls("linear", (low, high), source)

    @classmethod
    def log(cls, low: float, high: float, *, source: str) -> "Search":
        """Cover a range of positive numbers evenly in the logarithm."""
        return cls("log", (low, high), source)

    @classmethod
    def choice(cls, *values: "Hyperparameter", source: str) -> "Search":
        """Try each of some values equally often."""
        return cls("choice", values, source)

    def value(self, position: int) -> "Hyperparameter":
        """Return the value at a position, from 0 to `POSITIONS` - 1.

        A number that is not an integer is rounded to three digits: it is easy to write, and the same on every platform.
        """
        if self.scale == "choice":
            return self.values[position * len(self.values) // POSITIONS]
        return self._number(position)

    def includes(self, value: "Hyperparameter") -> bool:
        """Return whether a value is one of the choices or lies in the range."""
        if self.scale == "choice":
            return value in self.values
        low, high = self._range
        return isinstance(value, int | float) and low <= value <= high

    def plain(self) -> dict[str, Any]:
        """Return scale and values as JSON."""
        if self.scale == "choice":
            return {"scale": "choice", "choices": list(self.values)}
        low, high = self.values
        return {"scale": self.scale, "low": low, "high": high}

    def problems(self, default: "Hyperparameter") -> Iterator[str]:
        """Yield what is wrong with the space itself, and with the default if the space leaves it out."""
        if not self.source.strip():
            yield "its search space has no source. Say where the range comes from."
        if self.scale == "choice":
            if len(set(self.values)) < max(2, len(self.values)):
                yield "its search space needs at least two different choices."
                return
        elif not all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values):
            yield "its search space has an end that is not a number."
            return
        elif not self._range[0] < self._range[1]:
            yield f"its search space begins at {self.values[0]} and ends at {self.values[1]}. Put the lower end first."
            return
        elif self.scale == "log" and self._range[0] <= 0:
            yield f"its search space begins at {self.values[0]}. A logarithmic range begins above 0."
            return
        if not self.includes(default):
            yield f"its search space leaves out the default {default}. Widen the range or change the default."

    def __str__(self) -> str:
        if self.scale == "choice":
            return ", ".join(map(str, self.values))
        return f"{self.values[0]} to {self.values[1]}, {self.scale}"

    @property
    def _range(self) -> tuple[Any, Any]:
        low, high = self.values
        return low, high

    @property
    def _is_integer(self) -> bool:
        return all(isinstance(value, int) for value in self.values)

    def _number(self, position: int) -> int | float:
        low, high = self._range
        fraction = (position + 0.5) / POSITIONS
        if self.scale == "log":
            number = low * (high / low) ** fraction
        elif self._is_integer:
            number = low + position * (high - low + 1) // POSITIONS
        else:
            number = low + (high - low) * fraction
        rounded: int | float = round(number) if self._is_integer else float(f"{number:.3g}")
        nearest: int | float = min(max(rounded, low), high)
        return nearest
