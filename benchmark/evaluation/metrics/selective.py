"""Selective prediction: how well confidence says which predictions to keep.

Sort n examples from the most to the least confident. The risk at coverage i/n is the share of wrong predictions among
the first i. All metrics here are functions of these n risks.

- Confidence is the log odds of the top class, `anomaly.uncertainty` with the sign changed. It orders examples as the
  maximum softmax probability does, and still differs where that rounds to 1.
- Ties: examples of equal confidence have no order of their own, so a metric is its expectation over all their orders.
  Every risk is linear in the errors, so each tied example counts as the mean error of its group.
- Origin: AURC and E-AURC sum over i = 1..n, so they use no point at coverage 0, where the risk is undefined. AUARC
  is the area under straight lines and starts with accuracy 1 where all examples are rejected.
"""

import numpy as np

from benchmark.evaluation.metrics.anomaly import uncertainty
from benchmark.evaluation.metrics.predictions import Predictions
from benchmark.evaluation.metrics.probabilities import Floats
from benchmark.evaluation.metrics.registry import metric


def risks(scores: Floats, correct: Floats) -> Floats:
    """Compute the expected risk at every coverage 1/n..n/n.

    Args:
        scores: Uncertainty, lower for more confident examples, shape (n,), n at least 1; only the order matters.
        correct: 1.0 where the prediction was right, else 0.0; shape (n,).

    Returns:
        Shape (n,).
    """
    group_of, sizes = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    errors = np.bincount(group_of, weights=1.0 - correct) / sizes
    return np.asarray(np.cumsum(np.repeat(errors, sizes)) / np.arange(1, len(scores) + 1), dtype=np.float64)


def aurc(risk: Floats) -> float:
    """Compute the area under the risk-coverage curve as the mean of the n risks (Geifman and El-Yaniv, 2017)."""
    return float(risk.mean())


def e_aurc(risk: Floats) -> float:
    """Compute the excess of AURC over that of the best order, which has all errors last (Geifman et al., 2019).

    The best AURC is computed from n risks too. The paper approximates it by r + (1 - r) log(1 - r), r the error rate.
    """
    examples = len(risk)
    errors = round(float(risk[-1]) * examples)
    best = risks(np.arange(float(examples)), np.where(np.arange(examples) < examples - errors, 1.0, 0.0))
    return aurc(risk) - aurc(best)


def auarc(risk: Floats) -> float:
    """Compute the area under the accuracy-rejection curve by trapezoids, from accuracy 1 at coverage 0."""
    accuracy = np.concatenate([[1.0], 1.0 - risk])
    return float((accuracy[1:] + accuracy[:-1]).mean() / 2)


def _risks(predictions: Predictions) -> Floats:
    logits = predictions.logits if predictions.merge is None else predictions.log_probabilities
    return risks(uncertainty(logits), predictions.top[1])


@metric(
    "aurc",
    version=1,
    direction="down",
    unit="fraction",
    title="AURC",
    description="Area under the risk-coverage curve: the error rate on the i most confident examples, averaged over "
    "all i; ties in expectation (Geifman and El-Yaniv, 2017).",
    table=Predictions,
    calibration=True,
)
def _aurc(predictions: Predictions) -> float:
    return aurc(_risks(predictions))


@metric(
    "e_aurc",
    version=1,
    direction="down",
    unit="fraction",
    title="E-AURC",
    description="AURC minus the AURC of the same predictions in the best order, with all errors last (Geifman et al., "
    "2019).",
    table=Predictions,
    calibration=True,
)
def _e_aurc(predictions: Predictions) -> float:
    return e_aurc(_risks(predictions))


@metric(
    "auarc",
    version=1,
    direction="up",
    unit="fraction",
    title="AUARC",
    description="Area under the accuracy-rejection curve: the accuracy on what is kept, over the share of rejected "
    "least confident examples, with accuracy 1 where all are rejected (Nadeem et al., 2009).",
    table=Predictions,
    calibration=True,
)
def _auarc(predictions: Predictions) -> float:
    return auarc(_risks(predictions))


@metric(
    "accuracy_at_80",
    version=1,
    direction="up",
    unit="fraction",
    title="Accuracy at 80% coverage",
    description="Accuracy on the 80% most confident examples, their number rounded up; ties in expectation (Geifman "
    "and El-Yaniv, 2017).",
    table=Predictions,
    calibration=True,
)
def _accuracy_at_80(predictions: Predictions) -> float:
    kept = -(-80 * len(predictions.classes) // 100)
    return float(1.0 - _risks(predictions)[kept - 1])
