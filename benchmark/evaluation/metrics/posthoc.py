"""ECE after post-hoc calibration with netcal, fitted on the validation split alone.

Temperature scaling is `ece_temperature` of `calibration`, which equals netcal's and needs no torch. The three
calibrators here map one probability to another, so they are for two classes:

- Two classes: the calibrator maps P(class 1), and P(class 0) is the rest.
- More classes: one calibrator per class, that class against all others, and the results are divided by their sum
  (Zadrozny and Elkan, 2002). Where all of them are 0, every class is as probable.

Calibrated probabilities may name another top label than the model did. Confidence and correctness are those of the
calibrated ones. Classes are merged afterwards, by adding probabilities. netcal imports torch and pyro, which takes
seconds, so it is imported where it is needed.
"""

from typing import Any, Literal

import numpy as np

from benchmark.evaluation.metrics.calibration import ece
from benchmark.evaluation.metrics.predictions import Predictions
from benchmark.evaluation.metrics.probabilities import (
    Floats,
    Integers,
    log_softmax,
    merged_log_probabilities,
    top_label,
)
from benchmark.evaluation.metrics.registry import UndefinedError, metric
from benchmark.schema.errors import UnavailableError
from benchmark.schema.protocol import ECE_UNMERGED

Calibrator = Literal["isotonic", "histogram", "beta"]


def calibrated(
    kind: Calibrator, validation: tuple[Floats, Integers], probabilities: Floats, *, bins: int = 10
) -> Floats:
    """Calibrate probabilities by a calibrator that is fitted on validation logits.

    Args:
        kind: ``isotonic`` regression (Zadrozny and Elkan, 2002), ``histogram`` binning into equal-width bins
            (Zadrozny and Elkan, 2001) or ``beta`` calibration by maximum likelihood (Kull et al., 2017).
        validation: Finite logits, shape (examples, classes), and classes, shape (examples,), each at least once.
        probabilities: Of the task, shape (examples, classes).
        bins: Number of bins of the histogram.

    Returns:
        Of the same shape; rows sum to 1.

    Raises:
        UnavailableError: netcal is not installed.
    """
    logits, classes = validation
    fitted_on = np.exp(log_softmax(logits))
    if logits.shape[1] == 2:
        positive = _fitted(kind, bins, fitted_on[:, 1], classes).transform(probabilities[:, 1])
        return np.stack([1.0 - positive, positive], axis=1)
    columns = [
        _fitted(kind, bins, fitted_on[:, k], (classes == k).astype(np.int64)).transform(probabilities[:, k])
        for k in range(logits.shape[1])
    ]
    table: Floats = np.stack(columns, axis=1)
    total = table.sum(axis=1, keepdims=True)
    equal = np.full_like(table, 1.0 / table.shape[1])
    return np.asarray(np.divide(table, total, out=equal, where=total > 0), dtype=np.float64)


def _fitted(kind: Calibrator, bins: int, probabilities: Floats, labels: Integers) -> Any:
    try:
        from netcal.binning import HistogramBinning, IsotonicRegression
        from netcal.scaling import BetaCalibration
    except ImportError as error:
        raise UnavailableError(
            f"Post-hoc calibration needs netcal ({error}). Run: pip install -c constraints.txt -e '.[calibration]'"
        ) from error
    calibrators = {"isotonic": IsotonicRegression, "histogram": lambda: HistogramBinning(bins), "beta": BetaCalibration}
    return calibrators[kind]().fit(probabilities, labels)


def _ece_after(kind: Calibrator, predictions: Predictions) -> float:
    part = predictions.for_ece
    if part.validation is None or not len(part.validation[0]):
        raise UndefinedError("There are no predictions on the validation split.")
    logits, classes = part.validation
    if not np.isfinite(logits).all():
        raise UndefinedError("The validation logits are not finite.")
    if absent := sorted(set(range(logits.shape[1])) - set(classes.tolist())):
        raise UndefinedError(f"The validation split has no example of class {absent[0]}.")
    table = calibrated(kind, part.validation, np.exp(log_softmax(part.logits)), bins=part.bins)
    with np.errstate(divide="ignore"):
        merged = merged_log_probabilities(np.log(table), part.merge)
    return ece(*top_label(merged, part.labels), part.bins)


@metric(
    "ece_isotonic",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE, isotonic",
    description="ECE that is left after isotonic regression of the probabilities, fitted on the validation split by "
    "netcal (Zadrozny and Elkan, 2002).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_UNMERGED,),
    library="netcal",
)
def _ece_isotonic(predictions: Predictions) -> float:
    return _ece_after("isotonic", predictions)


@metric(
    "ece_histogram",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE, histogram",
    description="ECE that is left after histogram binning of the probabilities, with as many equal-width bins as the "
    "ECE, fitted on the validation split by netcal (Zadrozny and Elkan, 2001).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_UNMERGED,),
    library="netcal",
)
def _ece_histogram(predictions: Predictions) -> float:
    return _ece_after("histogram", predictions)


@metric(
    "ece_beta",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE, beta",
    description="ECE that is left after beta calibration of the probabilities, fitted on the validation split by "
    "netcal (Kull et al., 2017).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_UNMERGED,),
    library="netcal",
)
def _ece_beta(predictions: Predictions) -> float:
    return _ece_after("beta", predictions)
