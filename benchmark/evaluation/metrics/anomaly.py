"""Anomaly detection: does the model's uncertainty tell out-of-distribution texts from those of its task?

Out-of-distribution texts are the positive class, and a higher score means more anomalous, throughout. Only the order of
scores matters, so each score is on a scale on which no confidence, however high, rounds to the same number as another.
"""

import numpy as np

from benchmark.evaluation.metrics.probabilities import Floats, Integers


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
    # log(1 + x) / x, which is 1 to the last bit where x is too small to be told from 0
    ratio = np.divide(np.log1p(odds), odds, out=np.ones_like(odds), where=odds > 0)
    scaled = total * ratio + (weights * gaps).sum(axis=1) / (1.0 + odds)
    return np.asarray(np.log(scaled) - nearest[:, 0], dtype=np.float64)


def energy(logits: Floats) -> Floats:
    """Compute minus the log-sum-exp of the logits (Liu et al., 2020, at temperature 1)."""
    return np.asarray(-np.logaddexp.reduce(logits, axis=1), dtype=np.float64)


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
