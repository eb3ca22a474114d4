"""Metrics as pure functions of prediction and attack tables: numpy and scikit-learn, no torch."""

from benchmark.evaluation.metrics.attacks import attack_measurements
from benchmark.evaluation.metrics.calibration import fit_temperature
from benchmark.evaluation.metrics.detection import anomaly_measurements
from benchmark.evaluation.metrics.inspection import inspection_measurements
from benchmark.evaluation.metrics.labelled import labelled_measurements
from benchmark.evaluation.metrics.registry import (
    ANOMALY_METRICS,
    ATTACK_METRICS,
    ECES,
    HEADLINES,
    LABELLED_METRICS,
    MASKING_METRICS,
    METRICS,
    Measurement,
    Metric,
)

__all__ = [
    "ANOMALY_METRICS",
    "ATTACK_METRICS",
    "ECES",
    "HEADLINES",
    "LABELLED_METRICS",
    "MASKING_METRICS",
    "METRICS",
    "Measurement",
    "Metric",
    "anomaly_measurements",
    "attack_measurements",
    "fit_temperature",
    "inspection_measurements",
    "labelled_measurements",
]
