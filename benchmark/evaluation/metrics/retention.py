"""What fine-tuning forgot: how much worse a linear probe of the encoder does on another task than before.

A probe is logistic regression on standardised features (scikit-learn's ``StandardScaler`` and ``LogisticRegression``
with C = 0.01), evaluated by stratified cross-validation with five folds. The folds follow the order of the examples,
which is that of a hash of their texts. C was chosen on pre-trained weights alone: of 0.01 and 1, the former was better
on the packaged MiniLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.evaluation.metrics.probabilities import Floats, Integers, non_finite_reason, unfit_features
from benchmark.evaluation.metrics.registry import (
    Measurement,
    UndefinedError,
    measure,
    metric,
    metrics_of,
    require_known,
)
from benchmark.evaluation.metrics.replicates import replicate

FOLDS = 5
C = 0.01


@dataclass(frozen=True)
class Retention:
    """Features of one labelled task from two encoders.

    Attributes:
        before: Of the pre-trained encoder, shape (examples, width).
        after: Of the fine-tuned one, shape (examples, width); width 0 if the model has no encoder.
        labels: Classes, shape (examples,).
        resamples: Number of bootstrap resamples.
        seed_text: Seeds their draws.
    """

    before: Floats
    after: Floats
    labels: Integers
    resamples: int
    seed_text: str


def retention_measurements(
    before: ArrayLike,
    after: ArrayLike,
    labels: ArrayLike,
    *,
    metrics: Sequence[str],
    resamples: int,
    seed_text: str,
) -> dict[str, Measurement]:
    """Measure what an encoder retains of a task.

    Args:
        before: Features of the pre-trained encoder, shape (examples, width).
        after: Features of the fine-tuned one, in the same order.
        labels: Classes, whole numbers of shape (examples,).
        metrics: Ids from `metrics_of(Retention)`.
        resamples: Number of bootstrap resamples.
        seed_text: Seeds their draws.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason.

    Raises:
        UsageError: an id is not a metric of retention.
        TemperError: the shapes do not fit together.
    """
    require_known(metrics, metrics_of(Retention), "retention")
    one, other = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    classes = np.asarray(labels, dtype=np.int64)
    if one.ndim != 2 or other.ndim != 2 or not len(one) == len(other) == len(classes):
        raise unfit_features((one, other), classes)
    table = Retention(one, other, classes, resamples, seed_text)
    return {name: measure(name, table) for name in metrics}


def probe_hits(features: Floats, labels: Integers) -> NDArray[np.bool_]:
    """Return which examples the cross-validated probe gets right, shape (examples,).

    Args:
        features: Finite, shape (examples, width), width at least 1.
        labels: At least `FOLDS` of each of two or more classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    hits: NDArray[np.bool_] = cross_val_predict(probe, features, labels, cv=StratifiedKFold(FOLDS)) == labels
    return hits


@metric(
    "probe_change",
    version=1,
    direction="up",
    unit="score",
    title="Retention",
    description="Accuracy of a linear probe of the fine-tuned encoder on another task, minus that of the pre-trained "
    f"encoder: logistic regression on mean-pooled last hidden states, {FOLDS}-fold cross-validation. Below 0: "
    "fine-tuning forgot something.",
    table=Retention,
)
def _probe_change(table: Retention) -> Measurement:
    if not table.after.size:
        raise UndefinedError("The model has no encoder to probe.")
    for features, name in ((table.before, "pre-trained"), (table.after, "fine-tuned")):
        if reason := non_finite_reason(features, f"The features of the {name} encoder"):
            raise UndefinedError(reason)
    _, counts = np.unique(table.labels, return_counts=True)
    if len(counts) < 2 or counts.min() < FOLDS:
        raise UndefinedError(f"The probe needs two classes with at least {FOLDS} examples each.")
    change = probe_hits(table.after, table.labels).astype(int) - probe_hits(table.before, table.labels)
    replicates = replicate(lambda rows: float(change[rows].mean()), len(change), table.resamples, table.seed_text)
    return Measurement(float(change.mean()), replicates)
