"""The names of the metrics that a suite reports by default. They are only names, so a suite loads without numpy.

A suite's identity includes its metrics, so these lists never change. A suite must list a newer metric itself.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Perspective: TypeAlias = Literal["in-distribution", "shift", "adversarial", "anomaly", "masking"]

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

RESERVED_IDS: Final = ("validation",)
"""Names that an evaluation task or attack may not have: results on the validation part are kept under them."""

TASK_METRICS: Final[Mapping[Perspective, tuple[str, ...]]] = {
    "in-distribution": ACCURACY_METRICS + CALIBRATION_METRICS,
    "shift": ACCURACY_METRICS + CALIBRATION_METRICS,
    "adversarial": ACCURACY_METRICS + CALIBRATION_METRICS,
    "anomaly": ANOMALY_METRICS,
    "masking": MASKING_METRICS,
}
"""Default metrics of evaluation tasks: accuracy and calibration for labelled data, anomaly metrics for OOD
data, and signs of masking for gradient-masking checks, which enter no score."""
