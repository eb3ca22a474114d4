"""Means, t-intervals and percentile intervals."""

import itertools
import math
import statistics

import numpy as np
import pytest

from leaderboard.intervals import mean, over_seeds, percentile_interval, t_quantile


def student_cdf(t, freedom, steps=2000):
    """Simpson's rule over the density of Student's t, from its middle."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def density(x):
        return scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2)

    inner = sum((4 if k % 2 else 2) * density(t * k / steps) for k in range(1, steps))
    return 0.5 + t / (3 * steps) * (density(0) + inner + density(t))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 19, 30, 31, 45, 100, 1000])
def test_t_quantile_leaves_2_5_percent_above_it(freedom):
    assert student_cdf(t_quantile(freedom), freedom) == pytest.approx(0.975, abs=2e-7)


def test_interval_over_seeds_is_students():
    values = [0.81, 0.83, 0.79]
    estimate = over_seeds(list(enumerate(values)))
    half = 4.3026527 * statistics.stdev(values) / math.sqrt(3)
    assert estimate.value == pytest.approx(0.81)
    assert (estimate.low, estimate.high) == (pytest.approx(0.81 - half), pytest.approx(0.81 + half))
    assert estimate.points == ((0, 0.81), (1, 0.83), (2, 0.79))


def test_one_seed_has_no_interval_and_none_has_a_reason():
    assert over_seeds([(4, 0.5)]).low is None
    nothing = over_seeds([], "no record")
    assert (nothing.value, nothing.reason) == (None, "no record")


def test_equal_seeds_have_an_interval_of_no_width():
    estimate = over_seeds([(0, 0.1), (1, 0.1), (2, 0.1)])
    assert estimate.high - estimate.low == pytest.approx(0.0, abs=1e-12)


def test_mean_does_not_depend_on_the_order():
    values = [1e16, 1.0, -1e16, 0.1]
    assert {mean(order) for order in itertools.permutations(values)} == {1.1 / 4}


def test_percentile_interval_cuts_equally_and_refuses_infinite_ends():
    draws = np.arange(2000.0)
    assert percentile_interval(draws[::-1]) == (50.0, 1949.0)
    few = np.concatenate([np.full(50, math.inf), draws[: 2000 - 50]])
    assert percentile_interval(few) == (50.0, 1949.0)
    assert percentile_interval(np.concatenate([np.full(51, math.inf), draws[: 2000 - 51]])) is None
