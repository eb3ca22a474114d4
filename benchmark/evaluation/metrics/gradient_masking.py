"""Gradient-masking checks from an inspection table: accuracy, input gradients and repeated predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.predictions import labelled_measurements
from benchmark.evaluation.metrics.probabilities import Floats
from benchmark.evaluation.metrics.registry import (
    Measurement,
    UndefinedError,
    measure,
    metric,
    metrics_of,
    require_known,
    undefined,
)
from benchmark.schema.errors import TemperError


@dataclass(frozen=True)
class Inspection:
    """Logits of two passes of a model, and input gradients of its loss.

    Attributes:
        logits: Finite, shape (examples, classes), at least one example.
        again: Logits of the second pass, of the same shape.
        gradients: Largest absolute entry of each example's input gradient, shape (examples,), at least 0; all NaN for a
            model without input gradients.
    """

    logits: Floats
    again: Floats
    gradients: Floats


def inspection_measurements(
    logits: ArrayLike,
    again: ArrayLike,
    gradients: ArrayLike,
    labels: ArrayLike,
    *,
    metrics: Sequence[str],
    resamples: int = 200,
    seed_text: str,
) -> dict[str, Measurement]:
    """Measure one gradient-masking check.

    Args:
        logits: Shape (examples, classes).
        again: Logits of the second pass, of the same shape.
        gradients: Largest absolute entry of each example's input gradient, shape (examples,), at least 0; all NaN for a
            model without input gradients.
        labels: Shape (examples,).
        metrics: Ids from "accuracy" and `metrics_of(Inspection)`.
        resamples: Number of bootstrap resamples for the accuracy, at least 1.
        seed_text: Seeds the resamples; the data hash of the task.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason.

    Raises:
        UsageError: an id is not a metric of a gradient-masking check.
        TemperError: shapes, labels or numbers do not fit together.
    """
    require_known(metrics, ("accuracy", *metrics_of(Inspection)), "a masking check")
    first, second, slopes = (np.asarray(values, dtype=np.float64) for values in (logits, again, gradients))
    if first.shape != second.shape or slopes.shape != first.shape[:1]:
        raise TemperError(
            f"Logits of shape {first.shape}, {second.shape} and gradients of {slopes.shape} do not fit together."
        )
    if not len(first):
        return undefined(metrics, "The check has no examples.")
    slopes_exist = not np.isnan(slopes).all()
    if not all(np.isfinite(values).all() for values in (first, second, *([slopes] if slopes_exist else []))):
        return undefined(metrics, "A logit or an input gradient is not finite.")
    inspection = Inspection(first, second, slopes)
    accuracy = labelled_measurements(first, labels, metrics=["accuracy"], resamples=resamples, seed_text=seed_text)
    return {name: accuracy.get(name) or measure(name, inspection) for name in metrics}


@metric(
    "zero_gradient_share",
    version=1,
    direction="down",
    unit="fraction",
    title="Zero gradients",
    description="Share of examples at which the gradient of the cross-entropy with respect to the input embeddings is "
    "zero in every entry, in 32 bits (Athalye et al., 2018).",
    table=Inspection,
)
def _zero_gradient_share(inspection: Inspection) -> float:
    if np.isnan(inspection.gradients).all():
        raise UndefinedError("The model has no embeddings, so it has no input gradients.")
    return float((inspection.gradients == 0).mean())


@metric(
    "stochastic_share",
    version=1,
    direction="down",
    unit="fraction",
    title="Stochastic answers",
    description="Share of examples whose predicted class changes when the same batch is predicted again "
    "(Athalye et al., 2018).",
    table=Inspection,
)
def _stochastic_share(inspection: Inspection) -> float:
    return float((inspection.logits.argmax(axis=1) != inspection.again.argmax(axis=1)).mean())
