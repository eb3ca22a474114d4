"""All anomaly metrics, from the logits on the in-distribution test and on an evaluation task of OOD texts."""

from collections.abc import Callable, Mapping, Sequence

from numpy.typing import ArrayLike

from benchmark.evaluation.metrics import anomaly
from benchmark.evaluation.metrics.bootstrap import replicate_auroc
from benchmark.evaluation.metrics.probabilities import Floats, checked_logits, non_finite_reason
from benchmark.evaluation.metrics.registry import ANOMALY_METRICS, Measurement, require_known, undefined
from benchmark.schema.errors import TemperError


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
        logits_out: On the foreign texts, shape (m, classes).
        metrics: Ids out of `ANOMALY_METRICS`.
        resamples: Number of bootstrap resamples for AUROC, at least 1; both sides are drawn on their own.
        seed_text: Seeds the resamples; the probe's data hash, so that they are the same for every method.

    Returns:
        A measurement for each id, in the order asked; undefined ones carry their reason.

    Raises:
        UsageError: an id is not an anomaly metric.
        TemperError: the shapes do not fit together.
    """
    require_known(metrics, ANOMALY_METRICS, "an anomaly probe")
    if resamples < 1:
        raise TemperError(f"resamples ({resamples}) must be at least 1; correct the suite.")
    inside = checked_logits(logits_in, "The in-distribution logits")
    outside = checked_logits(logits_out, "The foreign texts' logits")
    reason = _unmeasurable(inside, outside)
    if reason:
        return undefined(metrics, reason)
    return {name: _MEASURES[name](inside, outside, resamples, seed_text) for name in metrics}


def _unmeasurable(inside: Floats, outside: Floats) -> str | None:
    if not len(inside) or not len(outside):
        empty = "in-distribution examples" if not len(inside) else "foreign texts"
        return f"There are no {empty} to tell apart."
    if inside.shape[1] != outside.shape[1]:
        raise TemperError(
            f"The in-distribution logits have {inside.shape[1]} classes and the foreign texts' have "
            f"{outside.shape[1]}; predict both with the same model."
        )
    broken = non_finite_reason(inside, "The in-distribution logits")
    broken = broken or non_finite_reason(outside, "The foreign texts' logits")
    return f"{broken}; the model has diverged." if broken else None


def _auroc(inside: Floats, outside: Floats, resamples: int, seed_text: str) -> Measurement:
    scores = anomaly.uncertainty(inside), anomaly.uncertainty(outside)
    ranks = anomaly.dense_ranks(*scores)
    return Measurement(anomaly.auroc(*scores), replicate_auroc(*ranks, resamples, seed_text))


def _plain(
    measure: Callable[[Floats, Floats], float], score: Callable[[Floats], Floats]
) -> Callable[[Floats, Floats, int, str], Measurement]:
    return lambda inside, outside, *_: Measurement(measure(score(inside), score(outside)))


_MEASURES: Mapping[str, Callable[[Floats, Floats, int, str], Measurement]] = {
    "auroc": _auroc,
    "aupr": _plain(anomaly.aupr, anomaly.uncertainty),
    "fpr95": _plain(anomaly.fpr95, anomaly.uncertainty),
    "auroc_entropy": _plain(anomaly.auroc, anomaly.log_entropy),
    "auroc_energy": _plain(anomaly.auroc, anomaly.energy),
}
