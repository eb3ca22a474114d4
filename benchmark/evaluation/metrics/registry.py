"""What each metric is: its identity, its direction, and the sentence the leaderboard shows on hover."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.schema.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of the leaderboard.

    Attributes:
        id: Name in suites and records.
        version: Raised whenever the same predictions would give another value.
        direction: Whether a better model has a higher ("up") or a lower ("down") value, or neither ("none").
        title: Column heading.
        description: One sentence with the definition and its source.
        unit: "fraction" (shown in per cent), "score" (a number without a unit), "nats" (natural logarithm) or "count".
    """

    id: str
    version: int
    direction: Literal["up", "down", "none"]
    title: str
    description: str
    unit: Literal["fraction", "score", "nats", "count"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The outcome of one metric on one probe.

    Attributes:
        value: The metric, or None where it is undefined.
        replicates: The metric on bootstrap resamples, rounded to 6 decimals; None for a metric that
            enters no aggregate and where the value is undefined.
        reason: Why there is no value; None exactly when there is one.
    """

    value: float | None
    replicates: tuple[float, ...] | None = None
    reason: str | None = None


# fmt: off
_LABELLED = (
    Metric(
        "accuracy", 1, "up", "Accuracy",
        "Share of examples whose most probable class, after merging classes where the probe does, is the right one.",
        "fraction",
    ),
    Metric(
        "ece", 1, "down", "ECE",
        "Expected calibration error of the top label: the gap between confidence and accuracy, averaged over "
        "equal-width bins weighted by their size (Guo et al., 2017).",
        "fraction",
    ),
    Metric(
        "ece_adaptive", 1, "down", "Adaptive ECE",
        "Expected calibration error of the top label over bins that hold equally many examples, equal confidences "
        "together (Nguyen and O'Connor, 2015).",
        "fraction",
    ),
    Metric(
        "brier", 1, "down", "Brier score",
        "Squared distance between the predicted distribution and the one-hot label, summed over classes, from 0 to 2 "
        "(Brier, 1950).",
        "score",
    ),
    Metric(
        "nll", 1, "down", "NLL",
        "Mean negative natural logarithm of the probability given to the right class (Guo et al., 2017).",
        "nats",
    ),
    Metric(
        "ece_temperature", 1, "down", "ECE, scaled",
        "ECE that is left after dividing the logits by the temperature with the lowest NLL on the validation split "
        "(Guo et al., 2017).",
        "fraction",
    ),
    Metric(
        "ece_roast", 1, "down", "ECE, RoAST protocol",
        "Mean over 10 folds of the ECE on nine tenths of the probe with the temperature of "
        "{0.25, 0.5, 1, 2, 4, 8} that gave the lowest ECE on the remaining tenth (Kim et al., 2023).",
        "fraction",
    ),
)

_ANOMALY = (
    Metric(
        "auroc", 1, "up", "AUROC",
        "Probability that a foreign text scores higher than a task text when the score is 1 - the highest class "
        "probability, ties counting half (Hendrycks and Gimpel, 2017).",
        "fraction",
    ),
    Metric(
        "aupr", 1, "up", "AUPR",
        "Average precision at finding foreign texts, the positive class, by 1 - the highest class probability "
        "(Hendrycks and Gimpel, 2017).",
        "fraction",
    ),
    Metric(
        "fpr95", 1, "down", "FPR95",
        "Share of task texts flagged at the highest threshold of 1 - the highest class probability that flags at least "
        "95% of the foreign texts (Liang et al., 2018).",
        "fraction",
    ),
    Metric(
        "auroc_entropy", 1, "up", "AUROC, entropy",
        "Probability that a foreign text has a higher entropy over the classes than a task text, ties counting half.",
        "fraction",
    ),
    Metric(
        "auroc_energy", 1, "up", "AUROC, energy",
        "Probability that a foreign text has a higher energy, minus the log-sum-exp of the logits, than a task text, "
        "ties counting half (Liu et al., 2020).",
        "fraction",
    ),
)

_ATTACK = (
    Metric(
        "accuracy_under_attack", 1, "up", "Accuracy under attack",
        "Share of all examples of the attack's subset that the model has right before and after the attack; errors and "
        "exhausted query budgets do not count as survived (Morris et al., 2020).",
        "fraction",
    ),
    Metric(
        "attack_success_rate", 1, "down", "Attack success rate",
        "Share of the initially right examples that the attack flipped (Morris et al., 2020).",
        "fraction",
    ),
    Metric(
        "queries", 1, "up", "Queries",
        "Mean number of model queries of a finished attack on an initially right example (Jin et al., 2020).",
        "count",
    ),
    Metric(
        "words_changed", 1, "up", "Words changed",
        "Mean share of the attacked text's words that were changed in the flipped examples (Jin et al., 2020).",
        "fraction",
    ),
    Metric(
        "similarity", 1, "none", "Similarity",
        "Mean cosine similarity between original and perturbed text, by the attack's own sentence encoder, over the "
        "flipped examples (Jin et al., 2020).",
        "score",
    ),
    Metric(
        "attack_errors", 1, "none", "Attack errors",
        "Number of examples on which the attack failed with an error, whose outcome is therefore unknown.",
        "count",
    ),
    Metric(
        "attack_budget", 1, "none", "Budgets exhausted",
        "Number of examples on which the attack used up its query budget before it succeeded or gave up.",
        "count",
    ),
)
_MASKING = (
    Metric(
        "zero_gradient_share", 1, "down", "Zero gradients",
        "Share of examples at which the gradient of the cross-entropy with respect to the input embeddings is zero in "
        "every entry, in 32 bits (Athalye et al., 2018).",
        "fraction",
    ),
    Metric(
        "stochastic_share", 1, "down", "Stochastic answers",
        "Share of examples to which the model gives another class when it is asked again in the same batch "
        "(Athalye et al., 2018).",
        "fraction",
    ),
)
# fmt: on

LABELLED_METRICS: tuple[str, ...] = tuple(metric.id for metric in _LABELLED)
"""Metrics of a probe with labels."""

ANOMALY_METRICS: tuple[str, ...] = tuple(metric.id for metric in _ANOMALY)
"""Metrics that compare a probe of foreign texts with the in-distribution test."""

ATTACK_METRICS: tuple[str, ...] = tuple(metric.id for metric in _ATTACK)
"""Metrics of an attack table."""

MASKING_METRICS: tuple[str, ...] = ("accuracy", *(metric.id for metric in _MASKING))
"""Metrics of an inspection table."""

METRICS: dict[str, Metric] = {metric.id: metric for metric in (*_LABELLED, *_ANOMALY, *_ATTACK, *_MASKING)}
"""Every metric by its id."""

ECES: frozenset[str] = frozenset({"ece", "ece_adaptive", "ece_temperature", "ece_roast"})
"""Metrics that compare the confidence in the top label with how often it is right."""

HEADLINES: frozenset[str] = frozenset({"accuracy", "ece", "auroc", "accuracy_under_attack"})
"""Metrics that enter an aggregate and therefore carry bootstrap replicates."""


def require_known(metrics: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Refuse a metric that the given kind of probe does not have.

    Raises:
        UsageError: naming the first such metric and its nearest legal name.
    """
    for name in metrics:
        if name not in known:
            raise UsageError(f"The metric {name!r} does not exist for {kind}. {nearest(name, known)}")


def undefined(metrics: Iterable[str], reason: str) -> dict[str, Measurement]:
    """The same reason for every metric, where nothing can be measured at all."""
    return {name: Measurement(None, None, reason) for name in metrics}
