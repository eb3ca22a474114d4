"""The metric ids that a suite may name: kept here, apart from the metrics, so that a suite loads without numpy."""

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
"""Names that no probe or attack may have: results on the validation part are kept under it."""

METRIC_IDS: Final = ACCURACY_METRICS + CALIBRATION_METRICS + ANOMALY_METRICS + ATTACK_METRICS + MASKING_METRICS[1:]

PROBE_METRICS: Final[Mapping[Perspective, tuple[str, ...]]] = {
    "in-distribution": ACCURACY_METRICS + CALIBRATION_METRICS,
    "shift": ACCURACY_METRICS + CALIBRATION_METRICS,
    "adversarial": ACCURACY_METRICS + CALIBRATION_METRICS,
    "anomaly": ANOMALY_METRICS,
    "masking": MASKING_METRICS,
}
"""What a probe is scored by: labelled ones by accuracy and calibration, foreign text by anomaly metrics, and
texts that check for masking by signs of it, which enter no score."""
