"""Means, 95 % intervals and p-values: the same bits on every machine and every Python version.

Means use `math.fsum`, which rounds once whatever the order, because `sum` adds floats differently since Python 3.12.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Draws: TypeAlias = NDArray[np.float64]
"""One value per bootstrap draw, shape (draws,)."""

NORMAL = 1.959963985
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and seeds, or the reason why it is missing.

    Attributes:
        value: In the metric's own unit, where a fraction is from 0 to 1; None when undefined.
        low: Lower end of the 95 % interval, None when there is no interval.
        high: Upper end.
        points: (seed, value) of each seed, by seed; -1 is the unknown seed of a published number.
        reason: Why the value, or an expected interval, is missing; may be empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    points: tuple[tuple[int, float], ...] = ()
    reason: str = ""


def mean(values: Sequence[float]) -> float:
    """Average at least one number; the order of the numbers does not matter."""
    return math.fsum(values) / len(values)


def over_seeds(points: Sequence[tuple[int, float]], reason: str = "") -> Estimate:
    """Average over seeds, with a 95 % t-interval from at least two; `reason` is used without any seed."""
    if not points:
        return Estimate(None, reason=reason)
    values = [value for _, value in points]
    centre = mean(values)
    if len(values) < 2:
        return Estimate(centre, points=tuple(points))
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    half = float(stdtrit(len(values) - 1, 0.975)) * math.sqrt(variance / len(values))
    return Estimate(centre, centre - half, centre + half, tuple(points))


def percentile_interval(draws: Draws) -> tuple[float, float] | None:
    """Return the interval without 2.5 % of the draws on either side; None if an end is infinite."""
    cut = len(draws) // 40
    ordered = np.partition(draws, (cut, len(draws) - 1 - cut))
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def contradictions(count: int) -> int:
    """Compute how many of `count` draws may contradict a decision at the 5 % level, two-sided.

    That is 2.5 % less four standard errors of such a count, so that other random numbers give the same decision.
    An open decision counts as no difference. With fewer than about 600 draws, every decision is open.
    """
    return math.floor(0.025 * count - 4 * math.sqrt(count * 0.025 * 0.975))


def leaves_out_zero(draws: Draws) -> bool:
    """Return whether the 95 % percentile interval lies on one side of 0 for any random numbers."""
    return _rarer_side(draws) <= contradictions(len(draws))


def p_value(draws: Draws) -> float:
    """Compute the two-sided bootstrap p-value of a score that is 0 without a difference, at least 2 / (draws + 1)."""
    return min(1.0, 2 * (1 + _rarer_side(draws)) / (len(draws) + 1))


def upper_p_value(p: float, draws: int) -> float:
    """Bound a p-value of `p_value` from above: four standard errors of the share of draws that it counts."""
    share = p / 2
    return min(1.0, p + 8 * math.sqrt(share * (1 - share) / draws))


def holm(p_values: Iterable[float]) -> list[float]:
    """Correct p-values for multiple tests (Holm, 1979): multiply the smallest by len, the next by len - 1."""
    p = np.fromiter(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
    return [float(value) for value in corrected]


def _rarer_side(draws: Draws) -> int:
    """Count the draws at 0 or on the side of 0 with fewer draws."""
    return min(int(np.count_nonzero(draws <= 0)), int(np.count_nonzero(draws >= 0)))
