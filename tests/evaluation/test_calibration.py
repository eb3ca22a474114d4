"""Calibration metrics against hand computations, slow reference implementations and scikit-learn."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark.evaluation.metrics import calibration, fit_temperature
from benchmark.evaluation.metrics.probabilities import log_softmax, merged_log_probabilities
from benchmark.schema.errors import TemperError


def ece_by_loops(confidence, correct, bins):
    """The definition, one example and one bin at a time, with exact sums."""
    total = 0.0
    for b in range(bins):
        lo, hi = b / bins, (b + 1) / bins
        inside = [i for i, p in enumerate(confidence) if (lo < p <= hi) or (b == 0 and p == 0)]
        if inside:
            accuracy = math.fsum(correct[i] for i in inside) / len(inside)
            mean = math.fsum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


def adaptive_by_loops(confidence, correct, bins):
    groups = {}
    for i, p in enumerate(confidence):
        lower = sum(q < p for q in confidence)
        groups.setdefault(int(lower * bins / len(confidence)), []).append(i)
    gaps = [abs(sum(correct[i] for i in g) - sum(confidence[i] for i in g)) for g in groups.values()]
    return sum(gaps) / len(confidence)


def random_task(seed, examples=60, classes=3):
    random = np.random.default_rng(seed)
    return random.normal(0, 2, (examples, classes)), random.integers(0, classes, examples)


tasks = st.builds(random_task, st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 5))


def test_ece_by_hand():
    # One bin holds 0.7 (right) and 0.61 (wrong): |0.5 - 0.655|; the other holds 0.95 (right): 0.05.
    value = calibration.ece(np.array([0.7, 0.61, 0.95]), np.array([1.0, 0.0, 1.0]), bins=10)
    assert value == pytest.approx((2 * 0.155 + 0.05) / 3, abs=1e-15)


def test_bins_are_closed_on_the_right_and_zero_is_in_the_first():
    edges = np.array([0.0, 0.25, 0.5, 0.75, 1.0, np.nextafter(0.25, 1), 1.0 + 1e-15])
    assert calibration.equal_width_bins(edges, 4).tolist() == [0, 0, 1, 2, 3, 1, 3]


@given(tasks, st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_ece_equals_the_definition(task, bins):
    confidence, correct = calibration.top_label(log_softmax(task[0]), task[1])
    assert_allclose(calibration.ece(confidence, correct, bins), ece_by_loops(confidence, correct, bins), atol=1e-12)
    assert_allclose(
        calibration.ece_adaptive(confidence, correct, bins), adaptive_by_loops(confidence, correct, bins), atol=1e-12
    )


@given(tasks, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_order_of_examples_does_not_matter(task, random):
    logits, labels = task
    order = list(range(len(labels)))
    random.shuffle(order)
    for measure in (calibration.brier, calibration.nll):
        forward = measure(log_softmax(logits), labels)
        assert_allclose(measure(log_softmax(logits[order]), labels[order]), forward, rtol=1e-12)
    for measure in (calibration.ece, calibration.ece_adaptive):
        forward = measure(*calibration.top_label(log_softmax(logits), labels))
        assert_allclose(measure(*calibration.top_label(log_softmax(logits[order]), labels[order])), forward, atol=1e-12)


@given(tasks)
@settings(deadline=None, max_examples=30)
def test_bounds(task):
    table = log_softmax(task[0])
    top = calibration.top_label(table, task[1])
    assert 0 <= calibration.ece(*top) <= 1
    assert 0 <= calibration.ece_adaptive(*top) <= 1
    assert 0 <= calibration.brier(table, task[1]) <= 2
    assert calibration.nll(table, task[1]) >= 0
    assert calibration.ece(*top, bins=1) == pytest.approx(abs(top[0].mean() - top[1].mean()), abs=1e-12)


@pytest.mark.parametrize(("examples", "bins"), [(488, 10), (7, 3), (23, 10), (5, 10), (40, 10)])
def test_bins_of_equal_mass_start_at_the_next_whole_example(examples, bins):
    confidence = np.linspace(0.5, 1, examples)
    found = calibration.equal_mass_bins(confidence, bins)
    edges = [math.ceil(i * examples / bins) for i in range(bins + 1)]
    expected = np.concatenate([np.full(stop - start, i) for i, (start, stop) in enumerate(pairwise(edges))])
    assert found.tolist() == expected.tolist()
    assert (calibration.equal_mass_bins(confidence[::-1], bins)[::-1] == found).all()


def test_equal_confidences_share_a_bin_of_equal_mass():
    confidence = np.array([0.6, 0.9, 0.6, 0.6, 0.6, 0.8])
    assert calibration.equal_mass_bins(confidence, 3).tolist() == [0, 2, 0, 0, 0, 2]


def test_overconfidence_has_a_larger_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 50_000)
    correct = (random.uniform(size=50_000) < confidence).astype(float)
    assert calibration.ece(confidence, correct) < 0.01
    assert calibration.ece_adaptive(confidence, correct) < 0.01
    assert calibration.ece(confidence**0.25, correct) > 0.1


def test_brier_and_nll_by_hand_and_by_scikit_learn():
    from sklearn.metrics import brier_score_loss, log_loss

    table = np.log(np.array([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]]))
    labels = np.array([0, 2])
    assert calibration.brier(table, labels) == pytest.approx(((0.09 + 0.04 + 0.01) + (0.0625 + 0.25 + 0.5625)) / 2)
    assert calibration.nll(table, labels) == pytest.approx(-(math.log(0.7) + math.log(0.25)) / 2)
    logits, labels = random_task(1, 200, 4)
    table = log_softmax(logits)
    expected = brier_score_loss(labels, np.exp(table), labels=[0, 1, 2, 3], scale_by_half=False)
    assert calibration.brier(table, labels) == pytest.approx(expected, abs=1e-12)
    assert calibration.nll(table, labels) == pytest.approx(log_loss(labels, np.exp(table), labels=[0, 1, 2, 3]))


def test_nll_does_not_overflow():
    table = log_softmax(np.array([[1e30, -1e30], [-2000.0, 2000.0]]))
    assert calibration.nll(table, np.array([1, 0])) == pytest.approx((2e30 + 4000) / 2)


@given(tasks)
@settings(deadline=None, max_examples=30)
def test_merging_sums_probabilities(task):
    logits = task[0]
    merge = (0,) + (1,) * (logits.shape[1] - 1)
    merged = np.exp(merged_log_probabilities(logits, merge))
    plain = np.exp(log_softmax(logits))
    assert_allclose(merged, np.stack([plain[:, 0], plain[:, 1:].sum(axis=1)], axis=1), rtol=1e-12)
    assert_allclose(merged.sum(axis=1), 1)
    identity = tuple(range(logits.shape[1]))
    assert_allclose(merged_log_probabilities(logits, identity), log_softmax(logits), atol=1e-12)


def test_fitted_temperature_has_the_lowest_nll_of_a_grid():
    logits, _ = random_task(5, 2000, 3)
    probabilities = np.exp(log_softmax(logits))
    labels = (probabilities.cumsum(axis=1) < np.random.default_rng(6).uniform(size=(2000, 1))).sum(axis=1)
    fitted = fit_temperature(3 * logits, labels)
    assert fitted == pytest.approx(3, rel=0.1)
    grid = np.linspace(0.5, 8, 400)
    best = min(grid, key=lambda t: calibration.nll(log_softmax(3 * logits / t), labels))
    assert fitted == pytest.approx(best, abs=grid[1] - grid[0])


def test_fitted_temperature_at_its_edges():
    separated = np.array([[5.0, 0.0], [0.0, 5.0]])
    low, high = calibration.TEMPERATURE_RANGE
    sharpest = fit_temperature(separated, [0, 1])
    assert low <= sharpest < 1
    assert calibration.nll(log_softmax(separated / sharpest), np.array([0, 1])) < 1e-12
    assert fit_temperature(separated, [1, 0]) == pytest.approx(high, rel=1e-6)
    assert fit_temperature(separated, [1, 0]) <= high
    assert fit_temperature(np.empty((0, 2)), np.empty(0, int)) is None
    assert fit_temperature([[0.0, math.nan]], [0]) is None
    with pytest.raises(TemperError, match=r"label 2 is not in 0\.\.1"):
        fit_temperature(separated, [0, 2])


def roast_by_hand(logits, labels, folds, temperatures, merge=None):
    def measure(rows, temperature):
        log_probabilities = log_softmax(logits[rows] / temperature)
        if merge is not None:
            of = np.array(merge)
            log_probabilities = np.log(np.stack([np.exp(log_probabilities[:, of == k]).sum(1) for k in (0, 1)], 1))
        return calibration.ece(*calibration.top_label(log_probabilities, labels[rows]))

    values = []
    for fold in folds:
        tuned = [measure(fold, t) for t in calibration.ROAST_TEMPERATURES]
        chosen = temperatures[tuned.index(min(tuned))]
        rest = [i for i in range(len(labels)) if i not in set(fold.tolist())]
        values.append(measure(rest, chosen) if chosen else 0.0)
    return sum(values) / len(values)


@pytest.mark.parametrize(("released", "temperatures"), [(False, (0.25, 0.5, 1, 2, 4, 8)), (True, (0, 1, 2, 3, 4, 5))])
def test_roast_protocol(released, temperatures):
    from benchmark.evaluation.metrics.replicates import generator

    logits, labels = random_task(9, 103, 3)
    folds = np.array_split(generator("task/folds").permutation(103), 10)
    expected = roast_by_hand(logits, labels, folds, temperatures)
    value = calibration.ece_roast(logits, labels, seed_text="task", released=released)
    assert value == pytest.approx(expected, abs=1e-14)


def test_released_roast_bug_at_the_lowest_temperature():
    logits = np.tile([[2.0, 0.0]], (100, 1))
    labels = np.zeros(100, int)
    assert calibration.ece_roast(logits, labels, seed_text="x", released=True) == 0
    assert calibration.ece_roast(logits, labels, seed_text="x") == pytest.approx(1 / (1 + math.exp(8)))
    with pytest.raises(TemperError, match="at least 10 examples"):
        calibration.ece_roast(logits[:9], labels[:9], seed_text="x")


@pytest.mark.parametrize("merge", [None, (0, 1, 0)])
def test_roast_draws_are_the_protocol_with_other_folds(merge):
    from benchmark.evaluation.metrics.replicates import generator

    logits, labels = random_task(9, 103, 3)
    values = calibration.ece_roast_draws(logits, labels, merge=merge, seed_text="task", draws=4)
    scored = labels if merge is None else np.array(merge)[labels]
    for draw, value in enumerate(values):
        folds = np.array_split(generator(f"task/folds/{draw}").permutation(103), 10)
        assert value == pytest.approx(roast_by_hand(logits, scored, folds, (0.25, 0.5, 1, 2, 4, 8), merge), abs=1e-12)
    assert len(set(values)) == 4
    again = calibration.ece_roast_draws(logits, labels, merge=merge, seed_text="task")
    assert len(again) == 100
    assert list(again[:4]) == list(values)


def test_the_roast_protocol_depends_on_its_permutation():
    """Ten examples choose a temperature by chance."""
    logits, labels = random_task(5, 100, 2)
    values = calibration.ece_roast_draws(logits, labels, seed_text="task")
    assert values.max() - values.min() > 0.1 * values.mean()
    recorded = calibration.ece_roast(logits, labels, seed_text="task")
    assert values.min() * 0.8 < recorded < values.max() * 1.2


@pytest.mark.parametrize(
    ("logits", "labels", "changes", "sentence"),
    [
        (np.zeros((9, 2)), np.zeros(9, int), {}, "at least 10 examples"),
        (np.zeros((20, 2)), np.full(20, 2), {}, r"label 2 is not in 0\.\.1"),
        (np.full((20, 2), np.nan), np.zeros(20, int), {}, "not finite for 20 of 20 examples"),
        (np.zeros((20, 2)), np.zeros(19, int), {}, "20 whole numbers"),
        (np.zeros((20, 3)), np.zeros(20, int), {"merge": (0, 1)}, "has 2 entries"),
        (np.zeros((20, 2)), np.zeros(20, int), {"draws": 0}, r"draws \(0\)"),
        (np.zeros((20, 2)), np.zeros(20, int), {"bins": 0}, r"bins \(0\)"),
    ],
)
def test_draws_of_an_invalid_table_are_refused(logits, labels, changes, sentence):
    with pytest.raises(TemperError, match=sentence):
        calibration.ece_roast_draws(logits, labels, seed_text="x", **changes)
