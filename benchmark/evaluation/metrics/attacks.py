"""All metrics of an attack, from its table of outcomes."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmark.evaluation.metrics.bootstrap import replicate
from benchmark.evaluation.metrics.registry import ATTACK_METRICS, Measurement, require_known, undefined
from benchmark.schema.attack_rows import AttackRow
from benchmark.schema.errors import TemperError

_COUNTS = ("attack_errors", "attack_budget")
_FINISHED = ("survived", "flipped", "budget")


def attack_measurements(
    rows: Sequence[AttackRow],
    *,
    metrics: Sequence[str],
    resamples: int = 200,
    seed_text: str,
) -> dict[str, Measurement]:
    """Measure one attack.

    An error and an exhausted query budget never count as survived; how many there were are metrics of their own.

    Args:
        rows: The attack table, one row an example.
        metrics: Ids out of `ATTACK_METRICS`.
        resamples: Number of bootstrap resamples for the accuracy under attack, at least 1.
        seed_text: Seeds the resamples; the probe's data hash, so that they are the same for every method.

    Returns:
        A measurement for each id, in the order asked; undefined ones carry their reason. Where every example
        ended in an error nothing but the counts is defined.

    Raises:
        UsageError: an id is not an attack metric.
        TemperError: an id occurs in two rows.
    """
    require_known(metrics, ATTACK_METRICS, "an attack")
    if resamples < 1:
        raise TemperError(f"resamples ({resamples}) must be at least 1; correct the suite.")
    if len({row.id for row in rows}) != len(rows):
        raise TemperError("The attack table names an example twice; attack again.")
    if not rows:
        return undefined(metrics, "The attack has no examples.")
    failed = all(row.outcome == "error" for row in rows)
    reason = f"Every example ended in an error, the first with: {rows[0].reason}"
    return {
        name: Measurement(None, None, reason)
        if failed and name not in _COUNTS
        else _MEASURES[name](rows, resamples, seed_text)
        for name in metrics
    }


def _accuracy(rows: Sequence[AttackRow], resamples: int, seed_text: str) -> Measurement:
    survived = np.array([row.outcome == "survived" for row in rows], dtype=np.float64)
    replicates = replicate(lambda drawn: float(survived[drawn].mean()), len(rows), resamples, seed_text)
    return Measurement(float(survived.mean()), replicates)


def _success(rows: Sequence[AttackRow], *_: object) -> Measurement:
    right = [row for row in rows if row.initially_right]
    return _mean([row.outcome == "flipped" for row in right], "The model had no example right before the attack.")


def _queries(rows: Sequence[AttackRow], *_: object) -> Measurement:
    finished = [row.queries for row in rows if row.outcome in _FINISHED]
    return _mean(finished, "The attack was finished on no example that the model had right.")


def _words_changed(rows: Sequence[AttackRow], *_: object) -> Measurement:
    shares = [row.changed / row.words for row in rows if row.outcome == "flipped" and row.words]
    return _mean(shares, "The attack flipped no example.")


def _similarity(rows: Sequence[AttackRow], *_: object) -> Measurement:
    flipped = [row.similarity for row in rows if row.outcome == "flipped"]
    known = [similarity for similarity in flipped if similarity is not None]
    if len(known) < len(flipped):
        missing = len(flipped) - len(known)
        return Measurement(
            None, None, f"The attack gave no similarity for {missing} of {len(flipped)} flipped examples."
        )
    return _mean(known, "The attack flipped no example.")


def _count(outcome: str) -> Callable[[Sequence[AttackRow], int, str], Measurement]:
    return lambda rows, *_: Measurement(float(sum(row.outcome == outcome for row in rows)))


def _mean(values: Sequence[float], otherwise: str) -> Measurement:
    return Measurement(math.fsum(values) / len(values)) if values else Measurement(None, None, otherwise)


_MEASURES: Mapping[str, Callable[[Sequence[AttackRow], int, str], Measurement]] = {
    "accuracy_under_attack": _accuracy,
    "attack_success_rate": _success,
    "queries": _queries,
    "words_changed": _words_changed,
    "similarity": _similarity,
    "attack_errors": _count("error"),
    "attack_budget": _count("budget"),
}
