"""The metrics that a suite reports where it lists none: by name, so that a suite loads without numpy.

A suite's identity holds the metrics that it reports, so these lists never change. A suite lists a newer metric itself.
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
"""Names that no probe or attack may have: results on the validation part are kept under it."""

PROBE_METRICS: Final[Mapping[Perspective, tuple[str, ...]]] = {
    "in-distribution": ACCURACY_METRICS + CALIBRATION_METRICS,
    "shift": ACCURACY_METRICS + CALIBRATION_METRICS,
    "adversarial": ACCURACY_METRICS + CALIBRATION_METRICS,
    "anomaly": ANOMALY_METRICS,
    "masking": MASKING_METRICS,
}
"""What a probe is scored by where it lists nothing: labelled ones by accuracy and calibration, OOD texts by anomaly
metrics, and gradient-masking checks by signs of masking, which enter no score."""
