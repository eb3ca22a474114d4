"""Signs of masking, from an inspection table: accuracy, input gradients, and whether the model keeps to its answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.labelled import labelled_measurements
from benchmark.evaluation.metrics.registry import MASKING_METRICS, Measurement, require_known, undefined
from benchmark.schema.errors import TemperError


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
    """Measure one masking check.

    Args:
        logits: Shape (examples, classes).
        again: What the model said when it was asked again, of the same shape.
        gradients: Largest absolute entry of each example's input gradient, shape (examples,), at least 0.
        labels: Shape (examples,).
        metrics: Ids out of `MASKING_METRICS`.
        resamples: Number of bootstrap resamples for the accuracy, at least 1.
        seed_text: Seeds the resamples; the probe's data hash.

    Returns:
        A measurement for each id, in the order asked; undefined ones carry their reason.

    Raises:
        UsageError: an id is not a metric of a masking check.
        TemperError: shapes, labels or numbers do not fit together.
    """
    require_known(metrics, MASKING_METRICS, "a masking check")
    first, second, slopes = (np.asarray(values, dtype=np.float64) for values in (logits, again, gradients))
    if first.shape != second.shape or slopes.shape != first.shape[:1]:
        raise TemperError(
            f"Logits of shape {first.shape}, {second.shape} and gradients of {slopes.shape} are not of one table."
        )
    if not len(first):
        return undefined(metrics, "The check has no examples.")
    if not all(np.isfinite(values).all() for values in (first, second, slopes)):
        return undefined(metrics, "A logit or an input gradient is not finite.")
    found = {
        "zero_gradient_share": Measurement(float((slopes == 0).mean())),
        "stochastic_share": Measurement(float((first.argmax(axis=1) != second.argmax(axis=1)).mean())),
        **labelled_measurements(first, labels, metrics=["accuracy"], resamples=resamples, seed_text=seed_text),
    }
    return {name: found[name] for name in metrics}
