"""Anomaly detection: does the model's doubt tell foreign texts from those of its task?

Foreign (out-of-distribution) texts are the positive class, and a higher score means more anomalous, throughout.
"""

import numpy as np

from benchmark.evaluation.metrics.probabilities import Floats, Integers


def doubt(logits: Floats) -> Floats:
    """1 - the highest class probability, as the sum of the other classes' probabilities.

    The subtraction itself would round every confidence above 1 - 1e-16 to the same score.
    """
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights[np.arange(len(weights)), logits.argmax(axis=1)] = 0.0
    others = weights.sum(axis=1)
    return np.asarray(others / (1.0 + others), dtype=np.float64)


def entropy(logits: Floats) -> Floats:
    """Entropy of the class probabilities in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    return np.asarray(np.log(total) - (weights * shifted).sum(axis=1) / total, dtype=np.float64)


def energy(logits: Floats) -> Floats:
    """Minus the log-sum-exp of the logits (Liu et al., 2020, at temperature 1)."""
    return np.asarray(-np.logaddexp.reduce(logits, axis=1), dtype=np.float64)


def auroc(inside: Floats, outside: Floats) -> float:
    """Probability that a foreign text scores above a task text, ties counting half; both non-empty."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_positives_last(inside, outside)))


def aupr(inside: Floats, outside: Floats) -> float:
    """Average precision with the foreign texts as positives; both non-empty."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_positives_last(inside, outside)))


def fpr95(inside: Floats, outside: Floats) -> float:
    """Share of task texts that are flagged when at least 95% of the foreign texts are.

    The rule for ties: a text is flagged when its score is at or above the threshold, and the threshold is the
    k-th highest foreign score with k = ceil(0.95 m) for m foreign texts. No higher threshold catches 95%.
    """
    caught = -(-95 * len(outside) // 100)
    threshold = np.sort(outside)[len(outside) - caught]
    return float((inside >= threshold).mean())


def dense_ranks(inside: Floats, outside: Floats) -> tuple[Integers, Integers]:
    """Rank of every score among all distinct scores, from 0, split into the two sides again."""
    ranks = np.unique(np.concatenate([inside, outside]), return_inverse=True)[1].astype(np.int64)
    return ranks[: len(inside)], ranks[len(inside) :]


def _positives_last(inside: Floats, outside: Floats) -> tuple[Integers, Floats]:
    truth = np.concatenate([np.zeros(len(inside), np.int64), np.ones(len(outside), np.int64)])
    return truth, np.concatenate([inside, outside])
