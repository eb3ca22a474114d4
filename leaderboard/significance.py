"""Whether a row differs from vanilla when many rows are compared at once: bootstrap p-values, corrected by Holm."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A row has a star when its corrected p-value is surely below this.
LEVEL = 0.05


def p_value(draws: NDArray[np.float64]) -> float:
    """Two-sided bootstrap p-value of a score that is 0 when there is no difference, never below 2 / (draws + 1)."""
    rarer = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (len(draws) + 1))


def upper_p_value(p: float, draws: int) -> float:
    """Bound a p-value of `p_value` from above: four standard errors of the share of draws that it counts."""
    share = p / 2
    return min(1.0, p + 8 * math.sqrt(share * (1 - share) / draws))


def holm(values: Sequence[float]) -> list[float]:
    """Correct p-values for how many there are (Holm, 1979): the smallest counts len times, the next len - 1 times."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected = [0.0] * len(values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - place) * values[index]))
        corrected[index] = highest
    return corrected
