"""Means and 95 % intervals: the same bits on every machine and every Python version.

`math.fsum` is used throughout, because `sum` adds floats differently since Python 3.12.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
_T_TABLE = (
    12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818, 2.4469119, 2.3646243, 2.3060041, 2.2621572, 2.2281389,
    2.2009852, 2.1788128, 2.1603687, 2.1447867, 2.1314495, 2.1199053, 2.1098156, 2.1009220, 2.0930241, 2.0859634,
    2.0796138, 2.0738731, 2.0686576, 2.0638986, 2.0595386, 2.0555294, 2.0518305, 2.0484071, 2.0452296, 2.0422725,
)  # fmt: skip
NORMAL = 1.959963985


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and the seeds it comes from, or the reason why there is none.

    Attributes:
        value: in the metric's own unit (a fraction is 0 to 1); None when undefined.
        low: lower end of the 95 % interval, None when there is no interval.
        high: upper end.
        points: (seed, value) for each seed, by seed; -1 stands for the unknown seed of a published number.
        reason: why there is no value, or no interval where one could be expected; may be empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    points: tuple[tuple[int, float], ...] = ()
    reason: str = ""


def mean(values: Sequence[float]) -> float:
    """Average at least one number; the order of the numbers does not matter."""
    return math.fsum(values) / len(values)


def t_quantile(freedom: int) -> float:
    """Give the two-sided 95 % quantile of Student's t for at least one degree of freedom, to 2e-6."""
    if freedom <= len(_T_TABLE):
        return _T_TABLE[freedom - 1]
    z, v = NORMAL, freedom
    first = (z**3 + z) / (4 * v)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return z + first + second + third


def over_seeds(points: Sequence[tuple[int, float]], reason: str = "") -> Estimate:
    """Average over seeds, with a 95 % t-interval where there are at least two; `reason` is for no seed at all."""
    if not points:
        return Estimate(None, reason=reason)
    values = [value for _, value in points]
    centre = mean(values)
    if len(values) < 2:
        return Estimate(centre, points=tuple(points))
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    half = t_quantile(len(values) - 1) * math.sqrt(variance / len(values))
    return Estimate(centre, centre - half, centre + half, tuple(points))


def outside(count: int) -> int:
    """Say how many of `count` draws lie outside a 95 % percentile interval on either side."""
    return count // 40


def settled(count: int) -> int:
    """Say how many of `count` draws may contradict a decision at the 5 % level, two-sided.

    That is 2.5 % less four standard errors of such a count, so that other random numbers give the same decision: what
    the number of draws leaves open counts as no difference. With fewer than some 600 draws nothing is decided.
    """
    return math.floor(0.025 * count - 4 * math.sqrt(count * 0.025 * 0.975))


def leaves_out_zero(draws: NDArray[np.float64]) -> bool:
    """Whether the 95 % percentile interval of some draws surely lies on one side of 0; see `settled`."""
    return min(int((draws <= 0).sum()), int((draws >= 0).sum())) <= settled(len(draws))


def percentile_interval(draws: NDArray[np.float64]) -> tuple[float, float] | None:
    """Cut 2.5 % of the draws off either side; None when an end is infinite."""
    ordered = np.sort(draws)
    cut = outside(len(ordered))
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
