"""The names of the metrics that a suite reports by default. They are only names, so a suite loads without numpy.

A suite's identity includes its metrics, so these lists never change. A suite must list a newer metric itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from benchmark.schema.errors import nearest

Perspective: TypeAlias = Literal["in-distribution", "shift", "adversarial", "anomaly", "masking", "retention"]

ACCURACY_METRICS: Final = ("accuracy",)
CALIBRATION_METRICS: Final = ("ece", "ece_adaptive", "brier", "nll", "ece_temperature", "ece_roast")
ANOMALY_METRICS: Final = ("auroc", "aupr", "fpr95", "auroc_entropy", "auroc_energy")
ATTACK_METRICS: Final = (
    "accuracy_under_attack",
    "attack_success_rate",
    "queries",
    "words_changed",
    "similarity",
    "attack_budget",
    "attack_errors",
)

MASKING_METRICS: Final = (*ACCURACY_METRICS, "zero_gradient_share", "stochastic_share")

RETENTION_METRICS: Final = ("probe_change",)

TASK_METRICS: Final[Mapping[Perspective, tuple[str, ...]]] = {
    "in-distribution": ACCURACY_METRICS + CALIBRATION_METRICS,
    "shift": ACCURACY_METRICS + CALIBRATION_METRICS,
    "adversarial": ACCURACY_METRICS + CALIBRATION_METRICS,
    "anomaly": ANOMALY_METRICS,
    "masking": MASKING_METRICS,
    "retention": RETENTION_METRICS,
}
"""Default metrics of evaluation tasks: accuracy and calibration for labelled data, anomaly metrics for OOD
data, signs of masking for gradient-masking checks, and what a probe loses for retention, which enter no score."""


def metric_problems(metrics: Sequence[str], reported: Sequence[str], kind: str) -> Iterator[tuple[str, str]]:
    """Check the names of metrics. Only those that are not reported by default are looked up in the registry."""
    if newer := [metric for metric in dict.fromkeys(metrics) if metric not in reported]:
        from benchmark.evaluation.metrics import METRICS, metrics_for

        fitting = metrics_for(kind)
        for metric in newer:
            if metric not in METRICS:
                yield "metrics", f"unknown metric {metric!r}. {nearest(metric, fitting)}"
            elif metric not in fitting:
                what = "an attack" if kind == "attack" else f"perspective {kind!r}"
                yield "metrics", f"{metric!r} does not fit {what}; use {', '.join(fitting)}."
    for metric in repeated(metrics):
        yield "metrics", f"duplicate metric {metric!r}; remove one."


def weight_problems(weight: float, unscored: str) -> Iterator[tuple[str, str]]:
    """Refuse a weight of what enters no mean, such as "a masking check"; empty text stands for what enters one."""
    if unscored and weight != 1:
        yield "weight", f"{unscored} enters no mean; remove it."


def repeated(names: Iterable[str]) -> list[str]:
    """List the duplicate names."""
    return [name for name, count in Counter(names).items() if count > 1]
