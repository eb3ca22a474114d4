"""All metrics of a probe with labels, from one table of logits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics import calibration
from benchmark.evaluation.metrics.bootstrap import replicate
from benchmark.evaluation.metrics.probabilities import (
    Floats,
    Integers,
    checked_labels,
    checked_logits,
    merged_labels,
    merged_log_probabilities,
    non_finite_reason,
)
from benchmark.evaluation.metrics.registry import ECES, LABELLED_METRICS, Measurement, require_known, undefined
from benchmark.schema.errors import TemperError
from benchmark.suites.protocol import ECE_INDEX_BUG, ECE_UNMERGED, MERGE_AFTER_ARGMAX


@dataclass(frozen=True)
class _Probe:
    logits: Floats
    labels: Integers
    merge: Sequence[int] | None
    bins: int
    resamples: int
    seed_text: str
    temperature: float | None
    protocol: Collection[str]

    @cached_property
    def log_probabilities(self) -> Floats:
        return merged_log_probabilities(self.logits, self.merge)

    @cached_property
    def top(self) -> tuple[Floats, Floats]:
        return calibration.top_label(self.log_probabilities, self.labels)

    def replicates(self, statistic: Callable[[Integers], float]) -> tuple[float, ...]:
        return replicate(statistic, len(self.labels), self.resamples, self.seed_text)


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
) -> dict[str, Measurement]:
    """Measure one probe with labels.

    Args:
        logits: Shape (examples, model classes).
        labels: Model classes, shape (examples,).
        metrics: Ids out of `LABELLED_METRICS`.
        merge: The scored class of each model class, applied to predictions and labels before every metric, or None.
        settings_bins: Number of bins of the calibration errors, at least 1.
        resamples: Number of bootstrap resamples for the headline metrics, at least 1.
        seed_text: Seeds the resamples; the probe's data hash, so that they are the same for every method.
        temperature: Above 0, from `fit_temperature`, or None where none could be fitted.
        protocol: Names out of `benchmark.suites.protocol.OPTIONS`; those that concern no score say nothing here.

    Returns:
        A measurement for each id, in the order asked; undefined ones carry their reason.

    Raises:
        UsageError: an id is not a metric of labelled probes.
        TemperError: shapes, labels, merge or numbers do not fit together.
    """
    require_known(metrics, LABELLED_METRICS, "a probe with labels")
    _check_settings(settings_bins, resamples, temperature)
    table = checked_logits(logits, "The logits")
    if not len(table):
        return undefined(metrics, "The probe has no examples.")
    classes = checked_labels(labels, len(table), table.shape[1])
    answers = merged_labels(classes, merge, table.shape[1])
    broken = non_finite_reason(table, "The model's logits")
    if broken:
        return undefined(metrics, f"{broken}; the model has diverged.")
    probe = _Probe(table, answers, merge, settings_bins, resamples, seed_text, temperature, protocol)
    for_ece = replace(probe, labels=classes, merge=None) if ECE_UNMERGED in protocol else probe
    return {name: _MEASURES[name](for_ece if name in ECES else probe) for name in metrics}


def _check_settings(bins: int, resamples: int, temperature: float | None) -> None:
    if bins < 1 or resamples < 1:
        raise TemperError(f"ece_bins ({bins}) and resamples ({resamples}) must be at least 1; correct the suite.")
    if temperature is not None and not temperature > 0:
        raise TemperError(f"The temperature {temperature} is not above 0; fit it again on the validation logits.")


def _accuracy(probe: _Probe) -> Measurement:
    correct = probe.top[1]
    if MERGE_AFTER_ARGMAX in probe.protocol:
        chosen = merged_labels(probe.logits.argmax(axis=1), probe.merge, probe.logits.shape[1])
        correct = (chosen == probe.labels).astype(np.float64)
    return Measurement(float(correct.mean()), probe.replicates(lambda rows: float(correct[rows].mean())))


def _ece(probe: _Probe) -> Measurement:
    confidence, correct = probe.top
    bin_of = calibration.equal_width_bins(confidence, probe.bins)
    gap = confidence - correct
    return Measurement(
        calibration.binned_gap(bin_of, gap),
        probe.replicates(lambda rows: calibration.binned_gap(bin_of[rows], gap[rows])),
    )


def _ece_temperature(probe: _Probe) -> Measurement:
    if probe.temperature is None:
        return Measurement(None, None, "No temperature could be fitted on the validation split.")
    scaled = merged_log_probabilities(probe.logits, probe.merge, probe.temperature)
    return Measurement(calibration.ece(*calibration.top_label(scaled, probe.labels), probe.bins))


def _ece_roast(probe: _Probe) -> Measurement:
    if len(probe.labels) < calibration.ROAST_FOLDS:
        return Measurement(None, None, f"The protocol needs {calibration.ROAST_FOLDS} examples, one for each fold.")
    return Measurement(
        calibration.ece_roast(
            probe.logits,
            probe.labels,
            merge=probe.merge,
            bins=probe.bins,
            seed_text=probe.seed_text,
            released=ECE_INDEX_BUG in probe.protocol,
        )
    )


_MEASURES: Mapping[str, Callable[[_Probe], Measurement]] = {
    "accuracy": _accuracy,
    "ece": _ece,
    "ece_adaptive": lambda probe: Measurement(calibration.ece_adaptive(*probe.top, probe.bins)),
    "brier": lambda probe: Measurement(calibration.brier(probe.log_probabilities, probe.labels)),
    "nll": lambda probe: Measurement(calibration.nll(probe.log_probabilities, probe.labels)),
    "ece_temperature": _ece_temperature,
    "ece_roast": _ece_roast,
}
