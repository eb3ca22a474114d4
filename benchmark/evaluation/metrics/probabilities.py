"""Convert logits to probabilities: validation, log-softmax and merging of classes, all in float64."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.schema.errors import TemperError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def checked_logits(logits: ArrayLike, name: str) -> Floats:
    """Check logits and convert them to float64, shape (examples, classes).

    Non-finite values are allowed: a diverged model is a result, not a broken table (see `non_finite_reason`).

    Raises:
        TemperError: not a numeric table of at least two classes.
    """
    array = np.asarray(logits)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise TemperError(
            f"{name} must be numbers of shape (examples, classes), not {array.dtype} of shape {array.shape}; "
            "predict again."
        )
    if array.shape[1] < 2 and len(array):
        raise TemperError(f"{name} have {array.shape[1]} class; a classifier has at least two, so predict again.")
    return array.astype(np.float64)


def non_finite_reason(logits: Floats, name: str) -> str | None:
    """Return why logits with NaN or infinities cannot be measured; None if all are finite."""
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    return f"{name} are not finite for {broken} of {len(logits)} examples" if broken else None


def unfit_features(tables: Iterable[Floats], labels: Integers) -> TemperError:
    """Return the error about features and labels whose shapes do not fit together."""
    shapes = ", ".join(str(table.shape) for table in tables)
    return TemperError(
        f"Features of shape {shapes} and labels of shape {labels.shape} do not fit together; compute all with the same "
        "model and examples."
    )


def checked_labels(labels: ArrayLike, examples: int, classes: int) -> Integers:
    """Check labels and convert them to int64, shape (examples,).

    Raises:
        TemperError: not one whole number in [0, classes) for each example.
    """
    array = np.asarray(labels)
    if array.shape != (examples,) or (array.dtype.kind not in "iu" and examples):
        raise TemperError(
            f"The labels must be {examples} whole numbers, one for each row of logits, "
            f"not {array.dtype} of shape {array.shape}."
        )
    outside = array[(array < 0) | (array >= classes)]
    if len(outside):
        raise TemperError(f"The label {outside[0]} is not in 0..{classes - 1}; check the task's label map.")
    return array.astype(np.int64)


def log_softmax(logits: Floats) -> Floats:
    """Compute the natural logarithm of the softmax of each row of finite logits, without overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float64)


def merged_labels(labels: Integers, merge: Sequence[int] | None, classes: int) -> Integers:
    """Map each label to its scored class, shape (examples,).

    Args:
        labels: Model classes, shape (examples,).
        merge: The scored class of each model class, or None to score the model's own classes.
        classes: Number of classes of the model.

    Raises:
        TemperError: the merge does not have one entry per model class, or leaves a scored class empty.
    """
    if merge is None:
        return labels
    scored = max(merge, default=-1) + 1
    if len(merge) != classes:
        raise TemperError(f"The merge {tuple(merge)} has {len(merge)} entries but the model has {classes} classes.")
    if scored < 2 or set(merge) != set(range(scored)):
        raise TemperError(f"The merge {tuple(merge)} must use every number of 0..k with k at least 1.")
    return np.asarray(merge, dtype=np.int64)[labels]


def merged_log_probabilities(logits: Floats, merge: Sequence[int] | None = None, temperature: float = 1.0) -> Floats:
    """Compute log-probabilities of the scored classes; a merged class has the sum of its parts' probabilities.

    Args:
        logits: Finite, shape (examples, model classes).
        merge: The scored class of each model class; None scores the model's own classes.
        temperature: Above 0; divides the logits before anything else.

    Returns:
        Natural logarithms, shape (examples, scored classes).
    """
    log_probabilities = log_softmax(logits / temperature)
    if merge is None:
        return log_probabilities
    of = np.asarray(merge)
    columns = [np.logaddexp.reduce(log_probabilities[:, of == k], axis=1) for k in range(max(merge) + 1)]
    return np.stack(columns, axis=1)


def top_label(log_probabilities: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """Return each example's confidence in [0, 1] and correctness (1.0 or 0.0), both of shape (examples,).

    The top label is the most probable class; ties go to the lower class number.
    """
    confidence = np.exp(log_probabilities.max(axis=1))
    return confidence, (log_probabilities.argmax(axis=1) == labels).astype(np.float64)
