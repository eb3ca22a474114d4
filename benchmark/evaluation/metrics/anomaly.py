"""Anomaly detection: out-of-distribution (OOD) detection from the uncertainty of a classifier.

Out-of-distribution texts are the positive class, and a higher score means more anomalous, throughout. So the scores
that papers define as higher for in-distribution texts, the maximum softmax probability, the maximum logit and the
log-sum-exp, have their sign changed here: `uncertainty`, `minus_max_logit` and `energy`. Only the order of scores
matters, so each is on a scale on which high confidences do not round to the same number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.probabilities import Floats, Integers, checked_logits, non_finite_reason
from benchmark.evaluation.metrics.registry import Measurement, measure, metric, metrics_of, require_known, undefined
from benchmark.evaluation.metrics.replicates import replicate_auroc
from benchmark.schema.errors import TemperError


@dataclass(frozen=True)
class Detection:
    """Logits on task texts and on OOD texts.

    Attributes:
        inside: Finite logits on the in-distribution test, shape (n, classes), n at least 1.
        outside: Finite logits on the OOD texts, shape (m, classes), m at least 1.
        resamples: Number of bootstrap resamples, at least 1.
        seed_text: Seeds the resamples.
    """

    inside: Floats
    outside: Floats
    resamples: int
    seed_text: str


def uncertainty(logits: Floats) -> Floats:
    """Compute the log odds that the most probable class is wrong, log((1 - p) / p) with p its probability (MSP).

    They order texts as 1 - p does. That itself rounds to 0 for logits more than 745 apart.
    """
    gaps, nearest = _gaps(logits)
    return np.asarray(np.log(np.exp(nearest - gaps).sum(axis=1)) - nearest[:, 0], dtype=np.float64)


def log_entropy(logits: Floats) -> Floats:
    """Compute the natural logarithm of the entropy of the class probabilities, in nats.

    With g the gaps to the highest logit, and sums over the other classes, the entropy is
    log(1 + sum exp(-g)) + sum(g exp(-g)) / (1 + sum exp(-g)). The smallest exp(-g) is taken out of all sums.
    """
    gaps, nearest = _gaps(logits)
    weights = np.exp(nearest - gaps)
    total = weights.sum(axis=1)
    odds = np.exp(-nearest[:, 0]) * total
    # Compute log(1 + x) / x, which is exactly 1 if x underflows to 0.
    ratio = np.divide(np.log1p(odds), odds, out=np.ones_like(odds), where=odds > 0)
    scaled = total * ratio + (weights * gaps).sum(axis=1) / (1.0 + odds)
    return np.asarray(np.log(scaled) - nearest[:, 0], dtype=np.float64)


def energy(logits: Floats) -> Floats:
    """Compute minus the log-sum-exp of the logits (Liu et al., 2020, at temperature 1)."""
    return np.asarray(-np.logaddexp.reduce(logits, axis=1), dtype=np.float64)


def minus_max_logit(logits: Floats) -> Floats:
    """Compute minus the highest logit (Hendrycks et al., 2022)."""
    return np.asarray(-logits.max(axis=1), dtype=np.float64)


def auroc(inside: Floats, outside: Floats) -> float:
    """Compute the probability that an OOD text scores above a task text, ties counting half; both non-empty."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_positives_last(inside, outside)))


def aupr(inside: Floats, outside: Floats) -> float:
    """Compute the average precision with the OOD texts as positives; both non-empty."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_positives_last(inside, outside)))


def fpr95(inside: Floats, outside: Floats) -> float:
    """Compute the share of task texts that are flagged when at least 95% of the OOD texts are.

    The rule for ties: a text is flagged when its score is at or above the threshold, and the threshold is the
    k-th highest OOD score with k = ceil(0.95 m) for m OOD texts. No higher threshold catches 95%.
    """
    caught = -(-95 * len(outside) // 100)
    threshold = np.sort(outside)[len(outside) - caught]
    return float((inside >= threshold).mean())


def dense_ranks(inside: Floats, outside: Floats) -> tuple[Integers, Integers]:
    """Rank every score among all distinct scores, from 0, and split the ranks into the two sides again."""
    ranks = np.unique(np.concatenate([inside, outside]), return_inverse=True)[1].astype(np.int64)
    return ranks[: len(inside)], ranks[len(inside) :]


def _gaps(logits: Floats) -> tuple[Floats, Floats]:
    """Return how far the other classes are below the highest logit, (examples, classes - 1), and the smallest gap."""
    gaps = logits.max(axis=1, keepdims=True) - logits
    others = np.ones(logits.shape, dtype=bool)
    others[np.arange(len(logits)), logits.argmax(axis=1)] = False
    gaps = gaps[others].reshape(len(logits), -1)
    return gaps, gaps.min(axis=1, keepdims=True)


def _positives_last(inside: Floats, outside: Floats) -> tuple[Integers, Floats]:
    truth = np.concatenate([np.zeros(len(inside), np.int64), np.ones(len(outside), np.int64)])
    return truth, np.concatenate([inside, outside])


def anomaly_measurements(
    logits_in: ArrayLike,
    logits_out: ArrayLike,
    *,
    metrics: Sequence[str],
    resamples: int = 200,
    seed_text: str,
) -> dict[str, Measurement]:
    """Measure how well the model's uncertainty finds out-of-distribution texts.

    Args:
        logits_in: On the in-distribution test, shape (n, classes).
        logits_out: On the OOD texts, shape (m, classes).
        metrics: Ids from `metrics_of(Detection)`.
        resamples: Number of bootstrap resamples for AUROC, at least 1; both sides are drawn on their own.
        seed_text: Seeds the resamples; the data hash of the task, so that they are the same for every method.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason.

    Raises:
        UsageError: an id is not an anomaly metric.
        TemperError: the shapes do not fit together.
    """
    require_known(metrics, metrics_of(Detection), "an anomaly detection task")
    if resamples < 1:
        raise TemperError(f"resamples ({resamples}) must be at least 1; correct the suite.")
    inside = checked_logits(logits_in, "The in-distribution logits")
    outside = checked_logits(logits_out, "The OOD texts' logits")
    reason = _unmeasurable(inside, outside)
    if reason:
        return undefined(metrics, reason)
    detection = Detection(inside, outside, resamples, seed_text)
    return {name: measure(name, detection) for name in metrics}


def _unmeasurable(inside: Floats, outside: Floats) -> str | None:
    if not len(inside) or not len(outside):
        empty = "in-distribution examples" if not len(inside) else "OOD texts"
        return f"There are no {empty}."
    if inside.shape[1] != outside.shape[1]:
        raise TemperError(
            f"The in-distribution logits have {inside.shape[1]} classes and the OOD texts' have "
            f"{outside.shape[1]}; predict both with the same model."
        )
    broken = non_finite_reason(inside, "The in-distribution logits")
    broken = broken or non_finite_reason(outside, "The OOD texts' logits")
    return f"{broken}; the model has diverged." if broken else None


@metric(
    "auroc",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC",
    description="Probability that an out-of-distribution text scores higher than an in-distribution one, where the "
    "score is 1 - the highest class probability; ties count half (Hendrycks and Gimpel, 2017).",
    table=Detection,
    headline=True,
)
def _auroc(detection: Detection) -> Measurement:
    scores = uncertainty(detection.inside), uncertainty(detection.outside)
    ranks = dense_ranks(*scores)
    return Measurement(auroc(*scores), replicate_auroc(*ranks, detection.resamples, detection.seed_text))


@metric(
    "aupr",
    version=1,
    direction="up",
    unit="fraction",
    title="AUPR",
    description="Average precision with out-of-distribution texts as the positive class and 1 - the highest class "
    "probability as the score (Hendrycks and Gimpel, 2017).",
    table=Detection,
)
def _aupr(detection: Detection) -> float:
    return aupr(uncertainty(detection.inside), uncertainty(detection.outside))


@metric(
    "fpr95",
    version=1,
    direction="down",
    unit="fraction",
    title="FPR95",
    description="False positive rate on in-distribution texts at the highest threshold of 1 - the highest class "
    "probability that flags at least 95% of the out-of-distribution texts (Liang et al., 2018).",
    table=Detection,
)
def _fpr95(detection: Detection) -> float:
    return fpr95(uncertainty(detection.inside), uncertainty(detection.outside))


@metric(
    "auroc_entropy",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC, entropy",
    description="Probability that an out-of-distribution text has a higher entropy over the classes than an "
    "in-distribution one; ties count half.",
    table=Detection,
)
def _auroc_entropy(detection: Detection) -> float:
    return auroc(log_entropy(detection.inside), log_entropy(detection.outside))


@metric(
    "auroc_energy",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC, energy",
    description="Probability that an out-of-distribution text has a higher energy (minus the log-sum-exp of the "
    "logits) than an in-distribution one; ties count half (Liu et al., 2020).",
    table=Detection,
)
def _auroc_energy(detection: Detection) -> float:
    return auroc(energy(detection.inside), energy(detection.outside))


@metric(
    "auroc_max_logit",
    version=1,
    direction="up",
    unit="fraction",
    title="AUROC, max logit",
    description="Probability that an out-of-distribution text has a lower highest logit than an in-distribution one; "
    "ties count half (Hendrycks et al., 2022).",
    table=Detection,
)
def _auroc_max_logit(detection: Detection) -> float:
    return auroc(minus_max_logit(detection.inside), minus_max_logit(detection.outside))
