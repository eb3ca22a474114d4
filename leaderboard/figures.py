"""Format the numbers of the leaderboard as text."""

import math
from dataclasses import dataclass

from leaderboard.intervals import Estimate

# A metric's unit -> factor, decimals, and the label of the unit as shown.
_UNITS = {"fraction": (100.0, 2, "%"), "score": (1.0, 3, ""), "nats": (1.0, 3, "nats"), "count": (1.0, 1, "")}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as shown, the same in every file; all texts are plain decimals with an ASCII minus, or empty.

    Attributes:
        text: the value; empty when there is none.
        low: lower end of the 95 % interval.
        high: upper end.
        spread: half the width of the interval of a metric.
        change: gain over vanilla in the unit of the value, in points for a percentage, signed so that up is better.
        significant: whether the 95 % bootstrap interval of the gain excludes 0; only perspectives have one.
        points: (seed, value) of each seed; the seed is empty for a published number.
        star: whether the value differs significantly from vanilla's; only Overall has one.
        reason: why the value, or an expected interval, is missing.
    """

    text: str
    low: str = ""
    high: str = ""
    spread: str = ""
    change: str = ""
    significant: bool = False
    points: tuple[tuple[str, str], ...] = ()
    star: bool = False
    reason: str = ""


def decimal(value: float, decimals: int, *, signed: bool = False) -> str:
    """Format a finite number with fixed decimals; zero has no sign."""
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text[1:] if text[0] in "+-" and float(text) == 0 else text


def unit_label(unit: str) -> str:
    """Return the label of a unit as shown; a fraction is shown in percent."""
    return _UNITS[unit][2]


def metric_figure(estimate: Estimate, unit: str, gain: float | None = None, *, significant: bool = False) -> Figure:
    """Format a metric in its unit, with half the width of its interval and its gain over vanilla."""
    factor, decimals, _ = _UNITS[unit]

    def show(value: float | None) -> str:
        return "" if value is None else decimal(factor * value, decimals)

    # Clip the interval of a fraction to [0, 1].
    least, most = (0.0, 1.0) if unit == "fraction" else (-math.inf, math.inf)
    half = None if estimate.low is None or estimate.high is None else (estimate.high - estimate.low) / 2
    return Figure(
        text=show(estimate.value),
        low=show(None if estimate.low is None else max(estimate.low, least)),
        high=show(None if estimate.high is None else min(estimate.high, most)),
        spread=show(half),
        change="" if gain is None else decimal(factor * gain, 1 if unit == "fraction" else decimals, signed=True),
        significant=significant,
        points=tuple(("" if seed < 0 else str(seed), show(value)) for seed, value in estimate.points),
        reason=estimate.reason,
    )


def points_figure(estimate: Estimate, *, star: bool = False, significant: bool = False) -> Figure:
    """Format a difference or a relative change: times 100 with its sign, and the ends of its interval."""

    def show(value: float | None) -> str:
        return "" if value is None else decimal(100 * value, 2, signed=True)

    low, high = show(estimate.low), show(estimate.high)
    return Figure(show(estimate.value), low, high, star=star, significant=significant, reason=estimate.reason)


def share_figure(value: float | None) -> Figure:
    """Format a probability in percent."""
    return Figure("" if value is None else decimal(100 * value, 1))


def cost_figure(estimate: Estimate) -> Figure:
    """Format a cost as a multiple of vanilla's."""
    return Figure("" if estimate.value is None else decimal(estimate.value, 2), reason=estimate.reason)


def true_minus(text: str) -> str:
    """Replace hyphens before digits by minus signs; hyphens in words stay."""
    return text.replace("-", "−") if text.lstrip("-").replace(".", "", 1).isdecimal() else text.replace(" - ", " − ")
