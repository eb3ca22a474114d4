"""All metrics of a probe with labels, from one table of logits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
from benchmark.evaluation.metrics.registry import LABELLED_METRICS, Measurement, require_known, undefined
from benchmark.schema.errors import TemperError


@dataclass(frozen=True)
class _Probe:
    logits: Floats
    labels: Integers
    merge: Sequence[int] | None
    bins: int
    resamples: int
    seed_text: str
    temperature: float | None

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
    answers = merged_labels(checked_labels(labels, len(table), table.shape[1]), merge, table.shape[1])
    broken = non_finite_reason(table, "The model's logits")
    if broken:
        return undefined(metrics, f"{broken}; the model has diverged.")
    probe = _Probe(table, answers, merge, settings_bins, resamples, seed_text, temperature)
    return {name: _MEASURES[name](probe) for name in metrics}


def _check_settings(bins: int, resamples: int, temperature: float | None) -> None:
    if bins < 1 or resamples < 1:
        raise TemperError(f"ece_bins ({bins}) and resamples ({resamples}) must be at least 1; correct the suite.")
    if temperature is not None and not temperature > 0:
        raise TemperError(f"The temperature {temperature} is not above 0; fit it again on the validation logits.")


def _accuracy(probe: _Probe) -> Measurement:
    correct = probe.top[1]
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
        calibration.ece_roast(probe.logits, probe.labels, merge=probe.merge, bins=probe.bins, seed_text=probe.seed_text)
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
