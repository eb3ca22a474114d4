"""Metrics of an attack, from its table of outcomes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.evaluation.metrics.registry import (
    Measurement,
    UndefinedError,
    measure,
    metric,
    metrics_of,
    require_known,
    undefined,
)
from benchmark.evaluation.metrics.replicates import replicate
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError


@dataclass(frozen=True)
class AttackOutcomes:
    """The table of an attack.

    Attributes:
        rows: One row per example, at least one, with unique ids.
        resamples: Number of bootstrap resamples, at least 1.
        seed_text: Seeds the resamples.
    """

    rows: Sequence[AttackRow]
    resamples: int
    seed_text: str


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

    Errors and exhausted query budgets never count as survived; metrics of their own count them.

    Args:
        rows: The attack table, one row per example.
        metrics: Ids from `metrics_of(AttackOutcomes)`.
        resamples: Number of bootstrap resamples for the accuracy under attack, at least 1.
        seed_text: Seeds the resamples; the data hash of the attacked examples, so that every method has the same.

    Returns:
        A measurement for each id, in the order of `metrics`; undefined ones have a reason. If every example ended in
        an error, only the counts are defined.

    Raises:
        UsageError: an id is not an attack metric.
        TemperError: an id occurs in two rows.
    """
    require_known(metrics, metrics_of(AttackOutcomes), "an attack")
    if resamples < 1:
        raise TemperError(f"resamples ({resamples}) must be at least 1; correct the suite.")
    if len({row.id for row in rows}) != len(rows):
        raise TemperError("The attack table has a duplicate example; attack again.")
    if not rows:
        return undefined(metrics, "The attack has no examples.")
    failed = all(row.outcome == "error" for row in rows)
    reason = f"Every example ended in an error, the first with: {rows[0].reason}"
    outcomes = AttackOutcomes(rows, resamples, seed_text)
    return {
        name: Measurement(None, None, reason) if failed and name not in _COUNTS else measure(name, outcomes)
        for name in metrics
    }


@metric(
    "accuracy_under_attack",
    version=1,
    direction="up",
    unit="fraction",
    title="Accuracy under attack",
    description="Share of all examples of the attack's subset that the model classifies correctly before and after "
    "the attack; errors and exhausted query budgets do not count as survived (Morris et al., 2020).",
    table=AttackOutcomes,
    headline=True,
)
def _accuracy_under_attack(outcomes: AttackOutcomes) -> Measurement:
    survived = np.array([row.outcome == "survived" for row in outcomes.rows], dtype=np.float64)
    resamples, seed_text = outcomes.resamples, outcomes.seed_text
    replicates = replicate(lambda drawn: float(survived[drawn].mean()), len(survived), resamples, seed_text)
    return Measurement(float(survived.mean()), replicates)


@metric(
    "attack_success_rate",
    version=1,
    direction="down",
    unit="fraction",
    title="Attack success rate",
    description="Share of the initially correct examples that the attack flipped (Morris et al., 2020).",
    table=AttackOutcomes,
)
def _attack_success_rate(outcomes: AttackOutcomes) -> float:
    flipped = [row.outcome == "flipped" for row in outcomes.rows if row.initially_right]
    return _mean(flipped, "The model had no example right before the attack.")


@metric(
    "queries",
    version=1,
    direction="up",
    unit="count",
    title="Queries",
    description="Mean number of model queries of a finished attack on an initially correct example (Jin et al., 2020).",
    table=AttackOutcomes,
)
def _queries(outcomes: AttackOutcomes) -> float:
    finished = [row.queries for row in outcomes.rows if row.outcome in _FINISHED]
    return _mean(finished, "The attack was finished on no example that the model had right.")


@metric(
    "words_changed",
    version=1,
    direction="up",
    unit="fraction",
    title="Words changed",
    description="Mean share of the attacked text's words that were changed in the flipped examples (Jin et al., 2020).",
    table=AttackOutcomes,
)
def _words_changed(outcomes: AttackOutcomes) -> float:
    shares = [row.changed / row.words for row in outcomes.rows if row.outcome == "flipped" and row.words]
    return _mean(shares, "The attack flipped no example.")


@metric(
    "similarity",
    version=1,
    direction="none",
    unit="score",
    title="Similarity",
    description="Mean cosine similarity between original and perturbed text, by the attack's own sentence encoder, "
    "over the flipped examples (Jin et al., 2020).",
    table=AttackOutcomes,
)
def _similarity(outcomes: AttackOutcomes) -> float:
    flipped = [row.similarity for row in outcomes.rows if row.outcome == "flipped"]
    known = [similarity for similarity in flipped if similarity is not None]
    if len(known) < len(flipped):
        missing = len(flipped) - len(known)
        raise UndefinedError(f"The attack gave no similarity for {missing} of {len(flipped)} flipped examples.")
    return _mean(known, "The attack flipped no example.")


@metric(
    "attack_errors",
    version=1,
    direction="none",
    unit="count",
    title="Attack errors",
    description="Number of examples on which the attack failed with an error, whose outcome is therefore unknown.",
    table=AttackOutcomes,
)
def _attack_errors(outcomes: AttackOutcomes) -> float:
    return float(sum(row.outcome == "error" for row in outcomes.rows))


@metric(
    "attack_budget",
    version=1,
    direction="none",
    unit="count",
    title="Budgets exhausted",
    description="Number of examples on which the attack used up its query budget before it succeeded or gave up.",
    table=AttackOutcomes,
)
def _attack_budget(outcomes: AttackOutcomes) -> float:
    return float(sum(row.outcome == "budget" for row in outcomes.rows))


def _mean(values: Sequence[float], otherwise: str) -> float:
    if not values:
        raise UndefinedError(otherwise)
    return math.fsum(values) / len(values)
