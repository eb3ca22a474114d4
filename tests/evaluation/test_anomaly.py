"""Anomaly metrics against hand computations, pair counting and scikit-learn's curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark.evaluation.metrics import anomaly, anomaly_measurements
from benchmark.evaluation.metrics.replicates import replicate_auroc, resample_indices

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
def test_fpr95_is_the_first_curve_point_above_95_percent(inside, outside):
    from sklearn.metrics import roc_curve

    truth = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    false_positives, _, thresholds = roc_curve(truth, np.r_[inside, outside], drop_intermediate=False)
    caught = np.array([(outside >= t).sum() * 100 >= 95 * len(outside) for t in thresholds])
    assert anomaly.fpr95(inside, outside) == pytest.approx(false_positives[caught.argmax()])


def test_fpr95_may_miss_one_ood_text_in_twenty():
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
    assert_allclose(anomaly.uncertainty(logits), np.log([0.3 / 0.7, 0.2 / 0.8]))
    by_hand = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    assert_allclose(anomaly.log_entropy(logits[:1]), math.log(by_hand))
    assert_allclose(anomaly.energy(logits + 5), [-5, -5])


@pytest.mark.parametrize("classes", [2, 4])
def test_every_score_is_higher_for_anomalous_texts(classes):
    """Each metric equals scikit-learn's area of the plain formula, signed as its paper has it."""
    from scipy.special import logsumexp, softmax
    from scipy.stats import entropy
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(classes)
    inside, outside = random.normal(0, 3, (150, classes)) + 1, random.normal(0, 1, (100, classes))
    joined, is_inside = np.concatenate([inside, outside]), np.r_[np.ones(150), np.zeros(100)]
    plain = {
        "auroc": softmax(joined, axis=1).max(axis=1),
        "auroc_max_logit": joined.max(axis=1),
        "auroc_energy": logsumexp(joined, axis=1),
        "auroc_entropy": -entropy(softmax(joined, axis=1), axis=1),
    }
    found = anomaly_measurements(inside, outside, metrics=[*plain], seed_text="p")
    for name, score in plain.items():
        assert found[name].value == pytest.approx(roc_auc_score(is_inside, score), abs=1e-12), name
        assert found[name].value > 0.6, name


def test_max_logit_is_another_order_than_msp():
    """Adding a constant to all logits of a text changes max logit and energy alone."""
    inside, outside = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([[9.0, 8.0]])
    found = anomaly_measurements(
        inside, outside, metrics=["auroc", "auroc_entropy", "auroc_max_logit", "auroc_energy"], seed_text="p"
    )
    assert [one.value for one in found.values()] == [1, 1, 0, 0]


@given(st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=20).map(np.array))
@settings(deadline=None, max_examples=40)
def test_uncertainty_and_entropy_equal_the_plain_formulas(logits):
    from scipy.special import expit, softmax
    from scipy.stats import entropy

    assert_allclose(expit(anomaly.uncertainty(logits)), 1 - softmax(logits, axis=1).max(axis=1), atol=1e-15)
    assert_allclose(np.exp(anomaly.log_entropy(logits)), entropy(softmax(logits, axis=1), axis=1), atol=1e-9)


SCORES = (anomaly.uncertainty, anomaly.log_entropy)


@pytest.mark.parametrize("score", SCORES)
def test_very_confident_predictions_still_differ(score):
    gaps = np.array([0.0, 1e-3, 40.0, 45.0, 700.0, 745.0, 746.0, 800.0, 1e6, 3e38])
    for classes in (2, 3, 5):
        logits = np.zeros((len(gaps), classes))
        logits[:, 0] = gaps
        found = score(logits)
        assert np.isfinite(found).all()
        assert (np.diff(found) < 0).all()
    two = np.stack([gaps, np.zeros_like(gaps)], axis=1)
    assert anomaly.uncertainty(two).tolist() == (-gaps).tolist()


def test_fifteen_confident_texts_and_one_that_is_not():
    """As in torchmetrics' issue 2819, where all scores near 98 saturate to one value and AUROC is .5."""
    inside, outside = np.zeros((14, 2)), np.zeros((1, 2))
    inside[:, 0], outside[:, 0] = np.linspace(980.0, 993.0, 14), 980.5
    values = anomaly_measurements(inside, outside, metrics=["auroc"], seed_text="p")
    assert values["auroc"].value == 13 / 14


@pytest.mark.parametrize("metric", ["auroc", "aupr", "auroc_entropy"])
@pytest.mark.parametrize("classes", [2, 3])
def test_metrics_of_saturated_logits(metric, classes):
    inside, outside = np.zeros((3, classes)), np.zeros((2, classes))
    inside[:, 0], outside[:, 0] = [800, 900, 1000], [700, 790]
    assert anomaly_measurements(inside, outside, metrics=[metric], seed_text="p")[metric].value == 1


def plain_uncertainty(logits):
    """As it was before: the sum of the other classes' probabilities."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights[np.arange(len(weights)), logits.argmax(axis=1)] = 0.0
    others = weights.sum(axis=1)
    return others / (1.0 + others)


def plain_log_entropy(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    return np.log(total) - (weights * shifted).sum(axis=1) / total


@pytest.mark.parametrize(("score", "plain"), [*zip(SCORES, (plain_uncertainty, plain_log_entropy), strict=True)])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.3, 2.0, 6.0])
def test_order_equals_that_of_the_probabilities(score, plain, classes, scale):
    """Guard the committed values. Predictions are float32, some texts are duplicates."""
    random = np.random.default_rng([classes, int(scale * 10)])
    logits = (random.normal(size=(4000, classes)) * scale).astype(np.float32).astype(np.float64)
    logits[:200] = logits[200:400]
    ranks = [np.unique(values, return_inverse=True)[1] for values in (score(logits), plain(logits))]
    assert (ranks[0] == ranks[1]).all()


def test_replicates_are_auroc_on_the_resamples():
    random = np.random.default_rng(3)
    inside, outside = random.integers(0, 9, 25).astype(float), random.integers(3, 12, 17).astype(float)
    values = replicate_auroc(*anomaly.dense_ranks(inside, outside), resamples=5, seed_text="task")
    drawn = zip(resample_indices(25, 5, "task/inside"), resample_indices(17, 5, "task/outside"), strict=True)
    assert values == tuple(round(auroc_by_pairs(inside[i], outside[o]), 6) for i, o in drawn)


def test_measures_equal_those_of_roast():
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
