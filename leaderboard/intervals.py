"""Means, 95 % intervals and p-values: the same bits on every machine and every Python version.

Means use `math.fsum`, which rounds once whatever the order, because `sum` adds floats differently since Python 3.12.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtrit

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


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Average at least one number; equal weights give exactly `mean`."""
    if len(set(weights)) == 1:
        return mean(values)
    products = [value * weight for value, weight in zip(values, weights, strict=True)]
    return math.fsum(products) / math.fsum(weights)


def variance(values: Sequence[float]) -> float:
    """Estimate the variance of at least two numbers, divided by their number less one."""
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def over_seeds(points: Sequence[tuple[int, float]], reason: str = "") -> Estimate:
    """Average over seeds, with a 95 % t-interval from at least two; `reason` is used without any seed."""
    if not points:
        return Estimate(None, reason=reason)
    values = [value for _, value in points]
    centre = mean(values)
    if len(values) < 2:
        return Estimate(centre, points=tuple(points))
    half = float(stdtrit(len(values) - 1, 0.975)) * math.sqrt(variance(values) / len(values))
    return Estimate(centre, centre - half, centre + half, tuple(points))


def mean_draws(columns: Sequence[Draws]) -> Draws:
    """Average columns per draw, added in order so that the bits are the same on every machine."""
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    total /= len(columns)
    return total


def percentile_interval(draws: Draws) -> tuple[float, float]:
    """Return the interval without 2.5 % of the draws on either side."""
    cut = len(draws) // 40
    ordered = np.partition(draws, (cut, len(draws) - 1 - cut))
    return float(ordered[cut]), float(ordered[-1 - cut])


def contradictions(count: int, tail: float = 0.025) -> int:
    """Compute how many of `count` draws may contradict a decision with that error on one side.

    That is the tail less four standard errors of such a count, so that other random numbers give the same decision.
    An open decision counts as no difference. With few draws (600 for 2.5 %), every decision is open.
    """
    return math.floor(tail * count - 4 * math.sqrt(count * tail * (1 - tail)))


def leaves_out_zero(draws: Draws) -> bool:
    """Return whether the 95 % percentile interval lies on one side of 0 for any random numbers."""
    return _rarer_side(draws) <= contradictions(len(draws))


def lies_within(draws: Draws, margin: float) -> bool:
    """Return whether the 90 % percentile interval lies within a margin around 0 for any random numbers."""
    outside = max(np.count_nonzero(draws >= margin), np.count_nonzero(draws <= -margin))
    return bool(outside <= contradictions(len(draws), 0.05))


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


def detectable_difference(spread: float, seeds: int, power: float = 0.8) -> float:
    """Compute the smallest difference that a two-sided paired t-test at 5 % detects with a power.

    Args:
        spread: The variance of the mean difference.
        seeds: The number of seeds, at least 2.
        power: The probability of a significant difference.
    """
    freedom = seeds - 1
    return float(nctdtrinc(freedom, 1 - power, stdtrit(freedom, 0.975))) * math.sqrt(spread)
