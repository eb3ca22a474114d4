"""Means, intervals, p-values and their correction."""

import itertools
import math
import random
import statistics

import numpy as np
import pytest

from leaderboard.intervals import (
    holm,
    leaves_out_zero,
    mean,
    over_seeds,
    p_value,
    percentile_interval,
    upper_p_value,
)
from leaderboard.ranking import LEVEL


def student_cdf(t, freedom, steps=2000):
    """Simpson's rule over the density of Student's t, from its middle."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def density(x):
        return scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2)

    inner = sum((4 if k % 2 else 2) * density(t * k / steps) for k in range(1, steps))
    return 0.5 + t / (3 * steps) * (density(0) + inner + density(t))


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 8, 20, 31, 32, 46, 101])
def test_interval_over_seeds_leaves_2_5_percent_above_it(seeds):
    values = [0.8 + 0.01 * (-1) ** number for number in range(seeds)]
    estimate = over_seeds(list(enumerate(values)))
    t = (estimate.high - estimate.value) / (statistics.stdev(values) / math.sqrt(seeds))
    assert student_cdf(t, seeds - 1) == pytest.approx(0.975, abs=2e-7)


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


def test_holm_counts_the_smallest_most():
    # Worked by hand: 4 x 0.01, 3 x 0.015, then never less than the one before, then the rest.
    assert holm([0.03, 0.01, 0.015, 0.5]) == pytest.approx([0.06, 0.04, 0.045, 0.5])
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_p_value_counts_both_sides_and_is_never_zero():
    assert p_value(np.full(1999, 1.0)) == pytest.approx(2 / 2000)
    assert p_value(np.full(1999, -1.0)) == pytest.approx(2 / 2000)
    assert p_value(np.zeros(10)) == 1.0
    assert p_value(np.array([-1.0] * 49 + [1.0] * 950)) == pytest.approx(2 * 50 / 1000)


def test_a_star_needs_a_p_value_below_the_level_whatever_the_draws():
    """The bound is above the p-values that 1,000 other sets of draws give for the same chance."""
    generator = np.random.default_rng(0)
    for chance in (0.001, 0.01, 0.02):
        counted = generator.binomial(20_000, chance, size=1000)
        assert (upper_p_value(2 * chance, 20_000) > 2 * counted / 20_000).mean() > 0.999
    assert upper_p_value(0.02, 20_000) < 0.03


def test_holm_holds_the_error_over_many_leaderboards_without_any_difference():
    generator, wrong = random.Random(1), 0
    for _ in range(400):
        wrong += min(holm([generator.random() for _ in range(10)])) < LEVEL
    assert wrong / 400 < 0.09


def test_only_draws_that_surely_leave_out_zero_do():
    assert leaves_out_zero(np.array([1.0] * 19_600 + [-1.0] * 400))
    assert not leaves_out_zero(np.array([1.0] * 19_540 + [-1.0] * 460))
