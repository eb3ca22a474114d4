"""Predictions on labelled examples: accuracy, and the entry point to all metrics of labelled evaluation tasks."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.probabilities import (
    Floats,
    Integers,
    checked_labels,
    checked_logits,
    merged_labels,
    merged_log_probabilities,
    non_finite_reason,
    top_label,
)
from benchmark.evaluation.metrics.registry import Measurement, measure, metric, metrics_of, require_known, undefined
from benchmark.evaluation.metrics.replicates import replicate
from benchmark.schema.errors import TemperError
from benchmark.schema.protocol import ECE_UNMERGED, MERGE_AFTER_ARGMAX


@dataclass(frozen=True)
class Predictions:
    """Logits and labels of one evaluation task, with what its metrics need.

    Attributes:
        logits: Finite, shape (examples, model classes); at least one example.
        classes: Model class of each example, shape (examples,).
        merge: The scored class of each model class, or None.
        bins: Number of bins of the calibration errors, at least 1.
        resamples: Number of bootstrap resamples, at least 1.
        seed_text: Seeds the resamples.
        temperature: Fitted on validation data, above 0, or None where none could be fitted.
        protocol: Names from `benchmark.schema.protocol.OPTIONS`.
        validation: Logits and model classes of the validation split, for post-hoc calibration, or None.
    """

    logits: Floats
    classes: Integers
    merge: Sequence[int] | None = None
    bins: int = 10
    resamples: int = 200
    seed_text: str = ""
    temperature: float | None = None
    protocol: Collection[str] = ()
    validation: tuple[Floats, Integers] | None = None

    @cached_property
    def labels(self) -> Integers:
        """Scored class of each example, shape (examples,)."""
        return merged_labels(self.classes, self.merge, self.logits.shape[1])

    @cached_property
    def log_probabilities(self) -> Floats:
        """Natural logarithms, shape (examples, scored classes)."""
        return merged_log_probabilities(self.logits, self.merge)

    @cached_property
    def top(self) -> tuple[Floats, Floats]:
        """Confidence and correctness of the most probable scored class, each of shape (examples,)."""
        return top_label(self.log_probabilities, self.labels)

    @cached_property
    def for_ece(self) -> "Predictions":
        """Predictions for calibration errors: these, or those of the unmerged classes under `ECE_UNMERGED`."""
        return replace(self, merge=None) if ECE_UNMERGED in self.protocol else self

    def replicates(self, statistic: Callable[[Integers], float]) -> tuple[float, ...]:
        """Evaluate a statistic of row numbers on every resample."""
        return replicate(statistic, len(self.classes), self.resamples, self.seed_text)


def labelled_measurements(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    metrics: Sequence[str],
    merge: Sequence[int] | None = None,
    settings_bins: int = 10,
    resamples: int = 200,
    seed_text: str,
    temperature: float | None = None,
    protocol: Collection[str] = (),
    validation: tuple[ArrayLike, ArrayLike] | None = None,
) -> dict[str, Measurement]:
    """Measure one evaluation task with labels.

    Args:
        logits: Shape (examples, model classes).
        labels: Model classes, shape (examples,).
        metrics: Ids from `metrics_of(Predictions)`.
        merge: The scored class of each model class, applied to predictions and labels before every metric, or None.
        settings_bins: Number of bins of the calibration errors, at least 1.
        resamples: Number of bootstrap resamples for the headline metrics, at least 1.
        seed_text: Seeds the resamples; the data hash of the task, so that they are the same for every method.
        temperature: Above 0, from `fit_temperature`, or None where none could be fitted.
        protocol: Names from `benchmark.schema.protocol.OPTIONS`; options without effect on scores are ignored.
        validation: Logits and model classes of the validation split, for post-hoc calibration, or None.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason.

    Raises:
        UsageError: an id is not a metric of labelled evaluation tasks.
        TemperError: shapes, labels, merge or numbers do not fit together.
    """
    require_known(metrics, metrics_of(Predictions), "an evaluation task with labels")
    _check_settings(settings_bins, resamples, temperature)
    table = checked_logits(logits, "The logits")
    if not len(table):
        return undefined(metrics, "The evaluation task has no examples.")
    classes = checked_labels(labels, len(table), table.shape[1])
    merged_labels(classes, merge, table.shape[1])
    broken = non_finite_reason(table, "The model's logits")
    if broken:
        return undefined(metrics, f"{broken}; the model has diverged.")
    held_out = None
    if validation is not None:
        held_out_logits = checked_logits(validation[0], "The validation logits")
        held_out = held_out_logits, checked_labels(validation[1], len(held_out_logits), table.shape[1])
    settings = (merge, settings_bins, resamples, seed_text, temperature, protocol, held_out)
    predictions = Predictions(table, classes, *settings)
    return {name: measure(name, predictions) for name in metrics}


def _check_settings(bins: int, resamples: int, temperature: float | None) -> None:
    if bins < 1 or resamples < 1:
        raise TemperError(f"ece_bins ({bins}) and resamples ({resamples}) must be at least 1; correct the suite.")
    if temperature is not None and not temperature > 0:
        raise TemperError(f"The temperature {temperature} is not above 0; fit it again on the validation logits.")


@metric(
    "accuracy",
    version=1,
    direction="up",
    unit="fraction",
    title="Accuracy",
    description="Share of examples whose most probable class, after merging classes where the task does, is the "
    "correct one.",
    table=Predictions,
    headline=True,
    protocol=(MERGE_AFTER_ARGMAX,),
)
def _accuracy(predictions: Predictions) -> Measurement:
    correct = predictions.top[1]
    if MERGE_AFTER_ARGMAX in predictions.protocol:
        classes = predictions.logits.shape[1]
        chosen = merged_labels(predictions.logits.argmax(axis=1), predictions.merge, classes)
        correct = (chosen == predictions.labels).astype(np.float64)
    return Measurement(float(correct.mean()), predictions.replicates(lambda rows: float(correct[rows].mean())))
