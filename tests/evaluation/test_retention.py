"""What a linear probe loses against a fold-by-fold computation, and features whose loss is known."""

import numpy as np
import pytest

from benchmark.evaluation.metrics import retention_measurements
from benchmark.evaluation.metrics.retention import FOLDS, C, probe_hits
from benchmark.schema.errors import TemperError, UsageError

WIDTH = 6


def drawn(n=200, classes=2, seed=0, noise=1.0):
    """Features that depend on the label, and labels."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n) % classes)
    return random.normal(size=(classes, WIDTH))[labels] + noise * random.normal(size=(n, WIDTH)), labels


def change(before, after, labels, resamples=20):
    found = retention_measurements(
        before, after, labels, metrics=["probe_change"], resamples=resamples, seed_text="text"
    )
    return found["probe_change"]


def test_unchanged_features_change_nothing():
    features, labels = drawn()
    measured = change(features, features.copy(), labels)
    assert measured.value == 0
    assert set(measured.replicates) == {0}


def test_features_without_the_label_lose_all_that_the_probe_had():
    """Clear features are always right; constant ones give every text the class of more training examples."""
    features, labels = drawn(noise=0.01)
    labels = np.where(np.arange(len(labels)) % 4 == 0, 1, labels)
    features = 10.0 * labels[:, None] + features
    assert change(features, np.ones_like(features), labels).value == pytest.approx(labels.mean() - 1)
    assert change(np.ones_like(features), features, labels).value == pytest.approx(1 - labels.mean())


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_logistic_regression_fold_by_fold(classes):
    """The objective is minimised by scipy in float64; folds are counted off by hand within each class."""
    from scipy.optimize import minimize

    features, labels = drawn(90, classes)
    fold = np.zeros(len(labels), dtype=int)
    for k in range(classes):
        rows = np.flatnonzero(labels == k)
        sizes = [len(part) for part in np.array_split(rows, FOLDS)]
        fold[rows] = np.repeat(np.arange(FOLDS), sizes)
    right = np.zeros(len(labels), dtype=bool)
    for held in range(FOLDS):
        fitted = fold != held
        mean, spread = features[fitted].mean(axis=0), features[fitted].std(axis=0)
        x, y = (features - mean) / spread, labels

        def loss(flat, x=x, y=y, fitted=fitted):
            weights, bias = flat[:-classes].reshape(classes, WIDTH), flat[-classes:]
            logits = x[fitted] @ weights.T + bias
            picked = logits[np.arange(fitted.sum()), y[fitted]]
            top = logits.max(axis=1)
            entropy = (np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - picked).sum()
            # Of two classes scikit-learn penalises the difference of the weights, which doubles the penalty here.
            return C * entropy + 0.5 * (weights**2).sum() * (2 if classes == 2 else 1)

        best = minimize(loss, np.zeros(classes * (WIDTH + 1)), method="BFGS", options={"gtol": 1e-9}).x
        logits = x @ best[:-classes].reshape(classes, WIDTH).T + best[-classes:]
        right[~fitted] = logits.argmax(axis=1)[~fitted] == y[~fitted]
    assert 0.5 < right.mean() < 1
    assert probe_hits(features, labels).tolist() == right.tolist()


def test_replicates_resample_the_examples():
    before, labels = drawn()
    after = before + 2 * np.random.default_rng(1).normal(size=before.shape)
    measured = change(before, after, labels, resamples=400)
    difference = probe_hits(after, labels).astype(float) - probe_hits(before, labels)
    assert measured.value == pytest.approx(difference.mean())
    assert measured.value < 0
    assert np.mean(measured.replicates) == pytest.approx(measured.value, abs=0.01)
    assert np.std(measured.replicates) == pytest.approx(difference.std() / np.sqrt(len(labels)), rel=0.15)


@pytest.mark.parametrize(
    ("after", "labels", "reason"),
    [
        (np.zeros((20, 0)), np.arange(20) % 2, "The model has no encoder to probe."),
        (np.full((20, 3), np.inf), np.arange(20) % 2, "The features of the fine-tuned encoder"),
        (np.ones((20, 3)), np.zeros(20), "The probe needs two classes with at least 5 examples each."),
        (np.ones((20, 3)), np.arange(20) < 4, "The probe needs two classes with at least 5 examples each."),
    ],
)
def test_undefined_values_have_a_reason(after, labels, reason):
    measured = change(np.ones((20, 3)), after, labels)
    assert measured.value is None
    assert measured.reason.startswith(reason)


def test_wrong_calls_are_refused():
    features, labels = drawn(20)
    with pytest.raises(TemperError, match="do not fit together"):
        change(features, features[1:], labels)
    with pytest.raises(UsageError, match="does not exist for retention"):
        retention_measurements(features, features, labels, metrics=["auroc"], resamples=2, seed_text="")
