"""Whether a row differs from vanilla when many rows are compared at once: bootstrap p-values, corrected by Holm."""

from collections.abc import Sequence

# A star stands beside Overall when the corrected p-value is below this.
LEVEL = 0.05


def p_value(draws: Sequence[float]) -> float:
    """Two-sided bootstrap p-value of a score that is 0 when there is no difference, never below 2 / (draws + 1)."""
    down = sum(draw <= 0 for draw in draws)
    up = sum(draw >= 0 for draw in draws)
    return min(1.0, 2 * (1 + min(down, up)) / (len(draws) + 1))


def holm(values: Sequence[float]) -> list[float]:
    """Correct p-values for how many there are (Holm, 1979): the smallest counts len times, the next len - 1 times."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected = [0.0] * len(values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - place) * values[index]))
        corrected[index] = highest
    return corrected
