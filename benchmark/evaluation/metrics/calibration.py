"""Calibration: the difference of a model's confidence and its accuracy.

Top-label throughout: the confidence is the highest class probability, and an example is correct when that class is
the label. (netcal on two-class labels measures the calibration of P(class 1) instead, which is a different quantity.)
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from benchmark.evaluation.metrics.predictions import Predictions
from benchmark.evaluation.metrics.probabilities import (
    Floats,
    Integers,
    checked_labels,
    checked_logits,
    log_softmax,
    merged_labels,
    merged_log_probabilities,
    non_finite_reason,
    top_label,
)
from benchmark.evaluation.metrics.registry import Measurement, UndefinedError, metric
from benchmark.evaluation.metrics.replicates import generator
from benchmark.schema.errors import TemperError
from benchmark.schema.protocol import ECE_INDEX_BUG, ECE_UNMERGED

TEMPERATURE_RANGE = (0.01, 100.0)
"""Bounds of a fitted temperature; it would approach 0 if the validation logits separate the classes perfectly."""

ROAST_TEMPERATURES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
ROAST_FOLDS = 10
ROAST_DRAWS = 100
"""Number of fold permutations with which a reproduction shows how much `ece_roast` depends on its own."""


def equal_width_bins(confidence: Floats, bins: int) -> Integers:
    """Assign confidences to `bins` equal-width, right-closed bins (lo, hi]; 0 belongs to the first."""
    inner_edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.searchsorted(inner_edges, confidence, side="left").astype(np.int64)


def equal_mass_bins(confidence: Floats, bins: int) -> Integers:
    """Put each of n confidences into bin floor(bins * r / n), where r is how many of them are strictly lower.

    Sorted from 0, bin i therefore starts at example ceil(i * n / bins): where n is not a multiple of `bins`, the larger
    bins are spread over the range. (numpy's ``array_split`` makes the first bins larger, which gives another
    value.) Equal confidences share the bin of the first of them, so the order of the examples does not matter.
    """
    lower = np.searchsorted(np.sort(confidence), confidence, side="left")
    return np.asarray(lower * bins // len(confidence), dtype=np.int64)


def binned_gap(bin_of: Integers, gap: Floats) -> float:
    """Compute the calibration error of a binning: the sum of each bin's |sum of (confidence - correctness)|, over n.

    This equals the mean over bins of |accuracy - mean confidence|, weighted by the share of examples in the bin.
    """
    return float(np.abs(np.bincount(bin_of, weights=gap)).sum() / len(gap))


def ece(confidence: Floats, correct: Floats, bins: int = 10) -> float:
    """Compute the expected calibration error over equal-width right-closed bins.

    Args:
        confidence: In [0, 1], shape (examples,), at least one.
        correct: 1.0 where the prediction was right, else 0.0; shape (examples,).
        bins: Number of bins, at least 1.

    Returns:
        A value in [0, 1].
    """
    return binned_gap(equal_width_bins(confidence, bins), confidence - correct)


def ece_adaptive(confidence: Floats, correct: Floats, bins: int = 10) -> float:
    """Compute the expected calibration error over bins of equally many examples; see `equal_mass_bins` for edges."""
    return binned_gap(equal_mass_bins(confidence, bins), confidence - correct)


def brier(log_probabilities: Floats, labels: Integers) -> float:
    """Compute the Brier score in [0, 2]: the mean over examples of the squared distance to the one-hot label."""
    difference = np.exp(log_probabilities)
    difference[np.arange(len(labels)), labels] -= 1.0
    return float((difference**2).sum(axis=1).mean())


def nll(log_probabilities: Floats, labels: Integers) -> float:
    """Compute the mean negative log-probability of the label, in nats."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float | None:
    """Fit the temperature in `TEMPERATURE_RANGE` with the lowest NLL on validation logits (Guo et al., 2017).

    The NLL is convex in 1/T, so it has one minimum over log T within the range.

    Args:
        logits: Of the validation split, shape (examples, classes).
        labels: Model classes, shape (examples,).

    Returns:
        The temperature, or None without examples or with logits that are not finite.

    Raises:
        TemperError: shapes or labels do not fit.
    """
    from scipy.optimize import minimize_scalar

    table = checked_logits(logits, "The validation logits")
    targets = checked_labels(labels, len(table), table.shape[1])
    if not len(table) or not np.isfinite(table).all():
        return None
    low, high = (math.log(bound) for bound in TEMPERATURE_RANGE)
    minimum = minimize_scalar(
        lambda log_temperature: nll(log_softmax(table / math.exp(log_temperature)), targets),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return math.exp(float(minimum.x))


def ece_roast(
    logits: Floats,
    labels: Integers,
    *,
    merge: Sequence[int] | None = None,
    bins: int = 10,
    seed_text: str,
    released: bool = False,
) -> float:
    """Compute RoAST's tuned ECE: choose a temperature on a tenth of the examples, measure on the rest, ten times.

    The folds have nearly equal size and cover every example. The released code uses folds of int(examples / 10), which
    leave out up to 9 examples. Both agree if 10 divides the number of examples.

    Args:
        logits: Finite, shape (examples, model classes); at least 10 examples.
        labels: Scored classes, shape (examples,).
        merge: The scored class of each model class, or None.
        bins: Number of equal-width bins.
        seed_text: Seeds the permutation of the folds; `ece_roast_draws` measures its effect.
        released: Reproduce the released code, which uses the best temperature's index in the grid (0 to 5) as the
            temperature; index 0 then yields NaN confidences and an ECE of 0.

    Returns:
        The mean over the ten folds.

    Raises:
        TemperError: fewer than 10 examples.
    """
    _require_folds(len(logits))
    positions = tuple(float(place) for place in range(len(ROAST_TEMPERATURES)))
    measured = positions if released else ROAST_TEMPERATURES
    tables = {
        temperature: top_label(merged_log_probabilities(logits, merge, temperature), labels)
        for temperature in {*ROAST_TEMPERATURES, *measured} - {0.0}
    }
    rows = np.arange(len(logits))
    values = []
    for fold in np.array_split(generator(f"{seed_text}/folds").permutation(len(logits)), ROAST_FOLDS):
        tuning = [_part_ece(tables[temperature], fold, bins) for temperature in ROAST_TEMPERATURES]
        chosen = measured[int(np.argmin(tuning))]
        rest = np.delete(rows, fold)
        values.append(_part_ece(tables[chosen], rest, bins) if chosen else 0.0)
    return float(np.mean(values))


def ece_roast_draws(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    merge: Sequence[int] | None = None,
    bins: int = 10,
    seed_text: str,
    draws: int = ROAST_DRAWS,
) -> Floats:
    """Compute RoAST's tuned ECE (see `ece_roast`) once per random permutation of the folds.

    Args:
        logits: Shape (examples, model classes); at least 10 examples.
        labels: Model classes, shape (examples,).
        merge: The scored class of each model class, or None.
        bins: Number of equal-width bins, at least 1.
        seed_text: Seeds the permutations, which differ from that of `ece_roast`.
        draws: Number of permutations, at least 1.

    Returns:
        One value per permutation, shape (draws,).

    Raises:
        TemperError: shapes, labels or merge do not fit, logits are not finite, or there are fewer than 10 examples.
    """
    table = checked_logits(logits, "The logits")
    classes = checked_labels(labels, len(table), table.shape[1])
    answers = merged_labels(classes, merge, table.shape[1])
    _require_folds(len(table))
    if bins < 1 or draws < 1:
        raise TemperError(f"Draws of RoAST's ECE need bins ({bins}) and draws ({draws}) of at least 1.")
    if reason := non_finite_reason(table, "The logits"):
        raise TemperError(f"{reason}; the model has diverged.")
    tops = [top_label(merged_log_probabilities(table, merge, t), answers) for t in ROAST_TEMPERATURES]
    binned = [(equal_width_bins(confidence, bins), confidence - correct) for confidence, correct in tops]
    values = []
    for draw in range(draws):
        order = generator(f"{seed_text}/folds/{draw}").permutation(len(table))
        fold_of = np.empty(len(table), dtype=np.int64)
        for number, rows in enumerate(np.array_split(order, ROAST_FOLDS)):
            fold_of[rows] = number
        # Sum the gaps per temperature, fold and bin. The rest of a fold is then the total minus the fold's sum.
        cells = [np.bincount(fold_of * bins + of, weights=gap, minlength=ROAST_FOLDS * bins) for of, gap in binned]
        sums = np.stack(cells).reshape(len(ROAST_TEMPERATURES), ROAST_FOLDS, bins)
        chosen = np.abs(sums).sum(axis=2).argmin(axis=0)
        outside = np.abs(sums.sum(axis=1, keepdims=True) - sums).sum(axis=2)[chosen, np.arange(ROAST_FOLDS)]
        values.append((outside / (len(table) - np.bincount(fold_of, minlength=ROAST_FOLDS))).mean())
    return np.array(values)


def _require_folds(examples: int) -> None:
    if examples < ROAST_FOLDS:
        raise TemperError(f"RoAST's ECE needs at least {ROAST_FOLDS} examples, one for each fold, not {examples}.")


def _part_ece(table: tuple[Floats, Floats], rows: Integers, bins: int) -> float:
    confidence, correct = table
    return ece(confidence[rows], correct[rows], bins)


@metric(
    "ece",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE",
    description="Expected calibration error of the top label: the gap between confidence and accuracy, averaged over "
    "equal-width bins weighted by their size (Guo et al., 2017).",
    table=Predictions,
    calibration=True,
    headline=True,
    protocol=(ECE_UNMERGED,),
)
def _ece(predictions: Predictions) -> Measurement:
    confidence, correct = predictions.for_ece.top
    bin_of = equal_width_bins(confidence, predictions.bins)
    gap = confidence - correct
    replicates = predictions.replicates(lambda rows: binned_gap(bin_of[rows], gap[rows]))
    return Measurement(binned_gap(bin_of, gap), replicates)


@metric(
    "ece_adaptive",
    version=1,
    direction="down",
    unit="fraction",
    title="Adaptive ECE",
    description="Expected calibration error of the top label over bins of equally many examples, equal "
    "confidences in one bin (Nguyen and O'Connor, 2015).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_UNMERGED,),
)
def _ece_adaptive(predictions: Predictions) -> float:
    return ece_adaptive(*predictions.for_ece.top, predictions.bins)


@metric(
    "brier",
    version=1,
    direction="down",
    unit="score",
    title="Brier score",
    description="Squared distance between the predicted distribution and the one-hot label, summed over classes, from "
    "0 to 2 (Brier, 1950).",
    table=Predictions,
    calibration=True,
)
def _brier(predictions: Predictions) -> float:
    return brier(predictions.log_probabilities, predictions.labels)


@metric(
    "nll",
    version=1,
    direction="down",
    unit="nats",
    title="NLL",
    description="Mean negative natural logarithm of the probability given to the correct class (Guo et al., 2017).",
    table=Predictions,
    calibration=True,
)
def _nll(predictions: Predictions) -> float:
    return nll(predictions.log_probabilities, predictions.labels)


@metric(
    "ece_temperature",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE, scaled",
    description="ECE that is left after dividing the logits by the temperature with the lowest NLL on the validation "
    "split (Guo et al., 2017).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_UNMERGED,),
)
def _ece_temperature(predictions: Predictions) -> float:
    part = predictions.for_ece
    if part.temperature is None:
        raise UndefinedError("No temperature could be fitted on the validation split.")
    scaled = merged_log_probabilities(part.logits, part.merge, part.temperature)
    return ece(*top_label(scaled, part.labels), part.bins)


@metric(
    "ece_roast",
    version=1,
    direction="down",
    unit="fraction",
    title="ECE, RoAST protocol",
    description="Mean over 10 folds of the ECE on nine tenths of the task with the temperature of "
    "{0.25, 0.5, 1, 2, 4, 8} that gave the lowest ECE on the remaining tenth (Kim et al., 2023).",
    table=Predictions,
    calibration=True,
    protocol=(ECE_INDEX_BUG, ECE_UNMERGED),
)
def _ece_roast(predictions: Predictions) -> float:
    part = predictions.for_ece
    if len(part.labels) < ROAST_FOLDS:
        raise UndefinedError(f"The protocol needs {ROAST_FOLDS} examples, one for each fold.")
    released = ECE_INDEX_BUG in part.protocol
    return ece_roast(
        part.logits, part.labels, merge=part.merge, bins=part.bins, seed_text=part.seed_text, released=released
    )
