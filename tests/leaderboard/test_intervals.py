"""Means, intervals, p-values and their correction."""

import itertools
import math
import random
import statistics

import numpy as np
import pytest
from scipy.special import stdtrit

from leaderboard.intervals import (
    detectable_difference,
    holm,
    leaves_out_zero,
    lies_within,
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


def test_percentile_interval_cuts_equally():
    assert percentile_interval(np.arange(2000.0)[::-1]) == (50.0, 1949.0)


def test_holm_counts_the_smallest_most():
    # Worked by hand: 4 x 0.01, 3 x 0.015, then never less than the one before, then the rest.
    assert holm([0.03, 0.01, 0.015, 0.5]) == pytest.approx([0.06, 0.04, 0.045, 0.5])
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_agrees_with_statsmodels():
    """`multipletests(p, method="holm")[1]` of statsmodels 0.15.0, computed once, because it is not a dependency."""
    p = [0.0001, 0.0213, 0.04, 0.012, 0.3, 0.012, 0.9, 0.0051]
    assert holm(p) == pytest.approx([0.0008, 0.0852, 0.12, 0.072, 0.6, 0.072, 0.9, 0.0357], abs=1e-12)


def test_equivalence_needs_the_90_percent_interval_within_the_margin():
    draws = np.linspace(-0.012, 0.008, 20_000)
    assert not lies_within(draws, 0.01)
    assert lies_within(np.linspace(-0.0102, 0.0102, 20_000), 0.01)
    # 4.9 % of the draws outside: other random numbers could give more than 5 %.
    draws = np.zeros(20_000)
    draws[:980] = 0.02
    assert not lies_within(draws, 0.01)
    draws[200:] = 0.0
    assert lies_within(draws, 0.01)


@pytest.mark.parametrize(("seeds", "points"), [(3, 10.12), (5, 5.21), (10, 3.09), (20, 2.05)])
def test_detectable_difference_has_the_power_of_the_t_test(seeds, points):
    """Differences that spread by 3.1 points; simulated power is 80 %."""
    difference = detectable_difference(3.1**2 / seeds, seeds)
    assert difference == pytest.approx(points, abs=0.01)
    sample = np.random.default_rng(seeds).normal(difference, 3.1, (20_000, seeds))
    t = sample.mean(axis=1) / (sample.std(axis=1, ddof=1) / math.sqrt(seeds))
    assert (t > stdtrit(seeds - 1, 0.975)).mean() == pytest.approx(0.8, abs=0.01)


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
