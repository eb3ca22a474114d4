"""Anomaly detection by the distance of a text's features from those of the training texts.

Features are the input of the last linear layer, as `Classifier.penultimate` computes it. As in `anomaly`,
out-of-distribution texts are the positive class, and a higher score means more anomalous: the papers' confidences have
their sign changed. All computations are in float64; the features themselves were rounded to 16 bits when stored.

- Mahalanobis distance (Lee et al., 2018, section 2.1): with the mean m_c of the features of each class c and the
  covariance S of the features around their own class's mean, divided by the number of texts n, the score of features x
  is the smallest (x - m_c)' S^-1 (x - m_c) over classes. S has no inverse if there are fewer texts than features, or if
  some features depend on others. Its pseudo-inverse is used, as in the authors' code: directions whose variance is at
  most (width x machine epsilon) times the largest are left out, because the training texts say nothing about them.
  There is no shrinkage, which would be one more setting. The distance is of one layer, without the perturbation of the
  input and without the weights over layers that the paper fits to OOD texts.
- k-NN distance (Sun et al., 2022, section 3): the score is the Euclidean distance to the k-th nearest training text,
  after the features of each text are divided by their norm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.anomaly import auroc
from benchmark.evaluation.metrics.probabilities import Floats, Integers, non_finite_reason, unfit_features
from benchmark.evaluation.metrics.registry import (
    Measurement,
    UndefinedError,
    measure,
    metric,
    metrics_of,
    require_known,
    undefined,
)

NEIGHBOURS = 10
"""k. The authors' code takes about 0.1 % of the training set (50 of 50,000 and 1,000 of 1.28 million images), which
would be 1 or 2 of a suite's few thousand texts. One neighbour may be an outlier or a duplicate, so it is 10."""


@dataclass(frozen=True)
class FeatureDetection:
    """Features of training texts, task texts and OOD texts.

    Attributes:
        training: Finite features of the training texts, shape (t, width), t and width at least 1.
        labels: Classes of the training texts, shape (t,).
        inside: Finite features on the in-distribution test, shape (n, width), n at least 1.
        outside: Finite features on the OOD texts, shape (m, width), m at least 1.
    """

    training: Floats
    labels: Integers
    inside: Floats
    outside: Floats


def mahalanobis(training: Floats, labels: Integers, features: Floats) -> Floats:
    """Compute the squared Mahalanobis distance to the nearest class mean; see the module.

    Args:
        training: Shape (t, width).
        labels: Classes of the training texts, shape (t,).
        features: Shape (texts, width).

    Returns:
        At least 0, shape (texts,).

    Raises:
        UndefinedError: the features do not vary within any class.
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    means = np.stack([training[labels == k].mean(axis=0) for k in classes])
    centred = training - means[numbers]
    variances, directions = np.linalg.eigh(centred.T @ centred / len(training))
    kept = variances > variances[-1] * len(variances) * np.finfo(np.float64).eps
    if not kept.any():
        raise UndefinedError("The features of the training texts do not vary within any class.")
    whitening = directions[:, kept] / np.sqrt(variances[kept])
    distances = [np.square((features - mean) @ whitening).sum(axis=1) for mean in means]
    return np.asarray(np.min(distances, axis=0), dtype=np.float64)


def knn_distance(training: Floats, features: Floats, k: int = NEIGHBOURS) -> Floats:
    """Compute the distance of normalised features to the k-th nearest training text, or to the farthest of fewer.

    Args:
        training: Shape (t, width), t at least 1.
        features: Shape (texts, width). Features that are all 0 stay so.
        k: At least 1.

    Returns:
        Between 0 and 2, shape (texts,).
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    nearest = NearestNeighbors(n_neighbors=min(k, len(training)), algorithm="brute").fit(normalize(training))
    return np.asarray(nearest.kneighbors(normalize(features))[0][:, -1], dtype=np.float64)


def feature_measurements(
    training: ArrayLike,
    labels: ArrayLike,
    inside: ArrayLike,
    outside: ArrayLike,
    *,
    metrics: Sequence[str],
) -> dict[str, Measurement]:
    """Measure how well distances from the training texts find out-of-distribution texts.

    Args:
        training: Features of the training texts, shape (t, width).
        labels: Their classes, whole numbers of shape (t,).
        inside: Features on the in-distribution test, shape (n, width).
        outside: Features on the OOD texts, shape (m, width).
        metrics: Ids from `metrics_of(FeatureDetection)`.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason.

    Raises:
        UsageError: an id is not a metric of features.
        TemperError: the shapes do not fit together.
    """
    require_known(metrics, metrics_of(FeatureDetection), "features")
    tables = {
        "training features": np.asarray(training, dtype=np.float64),
        "in-distribution features": np.asarray(inside, dtype=np.float64),
        "OOD features": np.asarray(outside, dtype=np.float64),
    }
    classes = np.asarray(labels, dtype=np.int64)
    shapes = [table.shape for table in tables.values()]
    if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes) or classes.shape != shapes[0][:1]:
        raise unfit_features(tables.values(), classes)
    reasons = [f"There are no {name}." for name, table in tables.items() if not table.size]
    broken = (non_finite_reason(table, f"The {name}") for name, table in tables.items())
    reasons += [f"{reason} as 16-bit numbers." for reason in broken if reason]
    if reasons:
        return undefined(metrics, reasons[0])
    detection = FeatureDetection(tables["training features"], classes, *list(tables.values())[1:])
    return {name: measure(name, detection) for name in metrics}


@metric(
    "auroc_mahalanobis",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC, Mahalanobis",
    description="Probability that the features of an out-of-distribution text are farther from the nearest class mean "
    "of the training texts than those of an in-distribution one, in Mahalanobis distance with one covariance for all "
    "classes; ties count half (Lee et al., 2018).",
    table=FeatureDetection,
)
def _auroc_mahalanobis(detection: FeatureDetection) -> float:
    fitted = detection.training, detection.labels
    return auroc(mahalanobis(*fitted, detection.inside), mahalanobis(*fitted, detection.outside))


@metric(
    "auroc_knn",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC, k-NN",
    description="Probability that the features of an out-of-distribution text, divided by their norm, are farther from "
    f"those of the {NEIGHBOURS}th nearest training text than those of an in-distribution one; ties count half "
    "(Sun et al., 2022).",
    table=FeatureDetection,
)
def _auroc_knn(detection: FeatureDetection) -> float:
    return auroc(
        knn_distance(detection.training, detection.inside), knn_distance(detection.training, detection.outside)
    )
