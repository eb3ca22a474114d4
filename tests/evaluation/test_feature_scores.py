"""Distances of features against hand computations, scipy and scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmark.evaluation.metrics import feature_measurements
from benchmark.evaluation.metrics.feature_scores import NEIGHBOURS, knn_distance, mahalanobis
from benchmark.schema.errors import TemperError, UsageError

BOTH = ["auroc_mahalanobis", "auroc_knn"]


def drawn(texts, width, classes, seed=0):
    """Correlated features around class means, rounded to 16 bits; labels; and other texts."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(texts) % classes)
    mixing, means = random.normal(size=(width, width)), 3 * random.normal(size=(classes, width))
    training = random.normal(size=(texts, width)) @ mixing + means[labels]
    others = 2 * random.normal(size=(25, width)) @ mixing
    return training.astype(np.float16).astype(float), labels, others.astype(np.float16).astype(float)


def test_mahalanobis_by_hand():
    """The covariance around the class means is diag(1, 4), so the second feature counts a quarter."""
    training = np.array([[1.0, 2], [-1, 2], [1, -2], [-1, -2], [11, 2], [9, 2], [11, -2], [9, -2]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    texts = np.array([[0.0, 0], [3, 0], [0, 3], [10, 4], [6, 0], [4, 2]])
    assert_allclose(mahalanobis(training, labels, texts), [0, 9, 9 / 4, 4, 16, 17], atol=1e-12)


@pytest.mark.parametrize(("texts", "width", "classes"), [(400, 20, 3), (60, 100, 2), (12, 30, 4)])
def test_mahalanobis_equals_scipys_and_scikit_learns(texts, width, classes):
    """With fewer texts than features, too, where scikit-learn takes the pseudo-inverse."""
    from scipy.spatial.distance import mahalanobis as distance
    from sklearn.covariance import EmpiricalCovariance

    training, labels, others = drawn(texts, width, classes)
    means = np.stack([training[labels == k].mean(axis=0) for k in range(classes)])
    centred = np.concatenate([training[labels == k] - means[k] for k in range(classes)])
    theirs = EmpiricalCovariance(assume_centered=True).fit(centred)
    found = mahalanobis(training, labels, others)
    expected = [[distance(text, mean, theirs.precision_) ** 2 for mean in means] for text in others]
    assert_allclose(found, np.min(expected, axis=1), rtol=1e-9)
    if texts > width:
        nearest = np.argmin(expected, axis=1)
        assert_allclose(
            found, np.concatenate([theirs.mahalanobis(others[[i]] - means[k]) for i, k in enumerate(nearest)])
        )


def test_mahalanobis_ignores_dependent_features_and_the_names_of_classes():
    training, labels, others = drawn(200, 6, 3)
    found = mahalanobis(training, labels, others)
    mixing = np.random.default_rng(1).normal(size=(6, 6))
    assert_allclose(mahalanobis(training @ mixing, labels, others @ mixing), found, rtol=1e-9)
    assert_allclose(mahalanobis(training, 7 - 2 * labels, others), found)
    doubled = [np.hstack([table, table]) for table in (training, others)]
    assert_allclose(mahalanobis(doubled[0], labels, doubled[1]), found, rtol=1e-9)
    constant = [np.hstack([table, np.ones((len(table), 1))]) for table in (training, others)]
    assert_allclose(mahalanobis(constant[0], labels, constant[1]), found, rtol=1e-9)


def test_knn_distance_equals_scipys():
    from scipy.spatial import KDTree
    from scipy.spatial.distance import cdist

    training, _, others = drawn(300, 12, 3)
    unit = [table / np.linalg.norm(table, axis=1, keepdims=True) for table in (training, others)]
    for k in (1, NEIGHBOURS, 300):
        found = knn_distance(training, others, k)
        assert_allclose(found, np.sort(cdist(unit[1], unit[0]), axis=1)[:, k - 1], atol=1e-12)
        assert_allclose(found, KDTree(unit[0]).query(unit[1], k=[k])[0][:, 0], atol=1e-12)


def test_knn_distance_by_hand():
    training = np.array([[1.0, 0], [0, 5], [-2, 0]])
    texts = np.array([[3.0, 0], [0, 0.1], [0, 0]])
    assert_allclose(knn_distance(training, texts, 1), [0, 0, 1])
    assert_allclose(knn_distance(training, texts, 2), [2**0.5, 2**0.5, 1])
    # Of fewer training texts, the farthest is taken.
    assert_allclose(knn_distance(training, texts), [2, 2**0.5, 1])


def test_higher_is_more_anomalous():
    """Task texts lie near the training texts, OOD texts far away and in other directions."""
    random = np.random.default_rng(2)
    training, inside = (random.normal(size=(n, 8)) + np.eye(1, 8) * 9 for n in (200, 50))
    far = random.normal(size=(40, 8)) + np.eye(1, 8, 3) * 9
    found = feature_measurements(training, np.arange(200) % 2, inside, far, metrics=BOTH)
    assert [found[name].value for name in BOTH] == [1, 1]
    swapped = feature_measurements(training, np.arange(200) % 2, far, inside, metrics=BOTH[::-1])
    assert [(name, one.value, one.replicates) for name, one in swapped.items()] == [(n, 0, None) for n in BOTH[::-1]]


@pytest.mark.parametrize(
    ("place", "table", "reason"),
    [
        (0, np.zeros((0, 4)), "There are no training features."),
        (1, np.zeros((0, 4)), "There are no in-distribution features."),
        (2, np.full((3, 4), np.inf), "The OOD features are not finite for 3 of 3 examples as 16-bit numbers."),
    ],
)
def test_undefined_values_have_a_reason(place, table, reason):
    tables = [np.eye(6, 4), np.ones((5, 4)), np.ones((3, 4))]
    tables[place] = table
    found = feature_measurements(tables[0], np.arange(len(tables[0])) % 2, *tables[1:], metrics=BOTH)
    assert {(one.value, one.reason) for one in found.values()} == {(None, reason)}


def test_a_model_without_features_has_no_value():
    found = feature_measurements(np.ones((6, 0)), np.arange(6), np.ones((5, 0)), np.ones((3, 0)), metrics=BOTH)
    assert {one.reason for one in found.values()} == {"There are no training features."}


def test_features_that_do_not_vary_have_no_covariance():
    found = feature_measurements(np.eye(2)[[0, 0, 1]], [0, 0, 1], np.eye(2), np.eye(2), metrics=BOTH)
    assert found["auroc_mahalanobis"].reason == "The features of the training texts do not vary within any class."
    assert found["auroc_knn"].value == 0.5


def test_shapes_that_do_not_fit_together_are_refused():
    with pytest.raises(TemperError, match=r"shape \(6, 4\), \(5, 3\), \(3, 4\) and labels of shape \(6,\) do not"):
        feature_measurements(np.ones((6, 4)), np.arange(6), np.ones((5, 3)), np.ones((3, 4)), metrics=BOTH)
    with pytest.raises(TemperError, match="do not fit together"):
        feature_measurements(np.ones((6, 4)), np.arange(5), np.ones((5, 4)), np.ones((3, 4)), metrics=BOTH)
    with pytest.raises(UsageError, match="'auroc' does not exist for features"):
        feature_measurements(np.ones((6, 4)), np.arange(6), np.ones((5, 4)), np.ones((3, 4)), metrics=["auroc"])
