"""Metrics as pure functions of tables of predictions, features and attacks: numpy and scikit-learn, no torch."""

from importlib import import_module
from pkgutil import iter_modules

from benchmark.evaluation.metrics.adversarial import AttackOutcomes, attack_measurements
from benchmark.evaluation.metrics.anomaly import Detection, anomaly_measurements
from benchmark.evaluation.metrics.calibration import fit_temperature
from benchmark.evaluation.metrics.feature_scores import FeatureDetection, feature_measurements
from benchmark.evaluation.metrics.gradient_masking import Inspection, inspection_measurements
from benchmark.evaluation.metrics.predictions import Predictions, labelled_measurements
from benchmark.evaluation.metrics.registry import METRICS, Measurement, Metric, UndefinedError, metric, metrics_of
from benchmark.evaluation.metrics.retention import Retention, retention_measurements


def import_all() -> None:
    """Import every module of this package, so that the metrics in it are registered."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


import_all()
_TABLES: dict[str, tuple[type, ...]] = {
    "anomaly": (Detection, FeatureDetection),
    "masking": (Inspection,),
    "retention": (Retention,),
    "attack": (AttackOutcomes,),
}


def metrics_for(kind: str) -> tuple[str, ...]:
    """List the metrics of the evaluation tasks of a perspective, or of an ``attack``."""
    own = tuple(name for table in _TABLES.get(kind, (Predictions,)) for name in metrics_of(table))
    return ("accuracy", *own) if kind == "masking" else own


HEADLINES: frozenset[str] = frozenset(known.id for known in METRICS.values() if known.headline)
"""Metrics that enter an aggregate and therefore carry bootstrap replicates."""

__all__ = [
    "HEADLINES",
    "METRICS",
    "AttackOutcomes",
    "Detection",
    "FeatureDetection",
    "Inspection",
    "Measurement",
    "Metric",
    "Predictions",
    "Retention",
    "UndefinedError",
    "anomaly_measurements",
    "attack_measurements",
    "feature_measurements",
    "fit_temperature",
    "inspection_measurements",
    "labelled_measurements",
    "metric",
    "metrics_for",
    "metrics_of",
    "retention_measurements",
]
