"""Anomaly metrics against hand computations, pair counting and scikit-learn's curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark.evaluation.metrics import anomaly, anomaly_measurements
from benchmark.evaluation.metrics.bootstrap import replicate_auroc, resample_indices

scores = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=30).map(np.array)


def auroc_by_pairs(inside, outside):
    return np.mean([(o > i) + 0.5 * (o == i) for i in inside for o in outside])


@given(scores, scores)
@settings(deadline=None, max_examples=60)
def test_auroc_counts_pairs_and_changes_sign(inside, outside):
    value = anomaly.auroc(inside, outside)
    assert value == pytest.approx(auroc_by_pairs(inside, outside), abs=1e-12)
    assert value + anomaly.auroc(outside, inside) == pytest.approx(1)
    assert value + anomaly.auroc(-inside, -outside) == pytest.approx(1)


@given(scores, scores)
@settings(deadline=None, max_examples=30)
def test_only_ranks_matter(inside, outside):
    for measure in (anomaly.auroc, anomaly.aupr, anomaly.fpr95):
        assert measure(np.exp(inside / 3), np.exp(outside / 3)) == pytest.approx(measure(inside, outside))


@given(st.integers(1, 20), st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_ties_everywhere(inside, outside):
    same = np.ones(inside), np.ones(outside)
    assert anomaly.auroc(*same) == 0.5
    assert anomaly.fpr95(*same) == 1
    assert anomaly.aupr(*same) == pytest.approx(outside / (inside + outside))


def test_perfect_separation():
    inside, outside = np.array([0.1, 0.2]), np.array([0.3, 0.9])
    assert (anomaly.auroc(inside, outside), anomaly.aupr(inside, outside), anomaly.fpr95(inside, outside)) == (1, 1, 0)


@given(scores, scores)
@settings(deadline=None, max_examples=60)
def test_fpr95_is_the_first_point_of_the_curve_that_catches_95_percent(inside, outside):
    from sklearn.metrics import roc_curve

    truth = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    false_positives, _, thresholds = roc_curve(truth, np.r_[inside, outside], drop_intermediate=False)
    caught = np.array([(outside >= t).sum() * 100 >= 95 * len(outside) for t in thresholds])
    assert anomaly.fpr95(inside, outside) == pytest.approx(false_positives[caught.argmax()])


def test_fpr95_may_miss_one_foreign_text_in_twenty():
    outside = np.arange(20.0)
    assert anomaly.fpr95(np.array([0.0, 0.5, 1.0, 5.0]), outside) == 0.5
    assert anomaly.fpr95(np.array([0.0, 0.5, 1.0, 5.0]), outside[:19]) == 1.0


@given(scores, scores)
@settings(deadline=None, max_examples=40)
def test_aupr_is_the_area_under_steps(inside, outside):
    area, caught = 0.0, 0
    for threshold in sorted(set(outside), reverse=True):
        new = (outside == threshold).sum()
        caught += new
        area += new / len(outside) * caught / (caught + (inside >= threshold).sum())
    assert anomaly.aupr(inside, outside) == pytest.approx(area)


def test_scores_by_hand():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    assert_allclose(anomaly.doubt(logits), [0.3, 0.2])
    assert_allclose(anomaly.entropy(logits[:1]), -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1)))
    assert_allclose(anomaly.energy(logits + 5), [-5, -5])


@given(st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=20).map(np.array))
@settings(deadline=None, max_examples=40)
def test_doubt_and_entropy_equal_the_plain_formulas(logits):
    from scipy.special import softmax
    from scipy.stats import entropy

    assert_allclose(anomaly.doubt(logits), 1 - softmax(logits, axis=1).max(axis=1), atol=1e-15)
    assert_allclose(anomaly.entropy(logits), entropy(softmax(logits, axis=1), axis=1), atol=1e-9)


def test_very_sure_predictions_still_differ():
    logits = np.array([[40.0, 0.0], [45.0, 0.0], [700.0, 0.0]])
    first, second, third = anomaly.doubt(logits)
    assert first > second > third > 0
    assert first == pytest.approx(math.exp(-40))


def test_replicates_are_auroc_on_the_resamples():
    random = np.random.default_rng(3)
    inside, outside = random.integers(0, 9, 25).astype(float), random.integers(3, 12, 17).astype(float)
    values = replicate_auroc(*anomaly.dense_ranks(inside, outside), resamples=5, seed_text="probe")
    drawn = zip(resample_indices(25, 5, "probe/inside"), resample_indices(17, 5, "probe/outside"), strict=True)
    assert values == tuple(round(auroc_by_pairs(inside[i], outside[o]), 6) for i, o in drawn)


def test_the_three_measures_are_those_of_roast_on_the_score_minus_the_highest_probability():
    """Foreign is positive; FPR95 is cut at the foreign scores' fifth percentile."""
    from scipy.special import softmax
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(8)
    inside, outside = random.normal(0, 3, (150, 3)), random.normal(0, 1.5, (101, 3))
    scores = [-softmax(logits, axis=1).max(axis=1) for logits in (inside, outside)]
    truth, joined = np.r_[np.zeros(150), np.ones(101)], np.concatenate(scores)
    found = anomaly_measurements(inside, outside, metrics=["auroc", "aupr", "fpr95"], seed_text="p")
    assert found["auroc"].value == pytest.approx(roc_auc_score(truth, joined))
    assert found["aupr"].value == pytest.approx(average_precision_score(truth, joined))
    # Of 101 scores the fifth percentile is the sixth lowest itself: nothing is interpolated.
    assert found["fpr95"].value == (scores[0] >= np.percentile(scores[1], 5)).mean()
