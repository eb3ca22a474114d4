"""Check the tables of a submission against the suite's data: examples, labels, texts, outcomes and features."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmark.attacks.attacked_text import words_changed, words_of
from benchmark.data import Dataset
from benchmark.evaluation.parquet import FeatureTable, InspectionTable, PredictionTable
from benchmark.schema.attack_outcome import AttackRow
from benchmark.submission.read import TableData

SAME_LOGITS = 0.01
"""Largest difference of logits for one text: attack tables keep three decimals, and devices differ."""

MOST_FEATURES = 8192
"""Most features of a text. Without a bound, the covariance of a wide table of few texts would fill the memory."""


def prediction_problems(
    table: PredictionTable | InspectionTable, data: Dataset, classes: int, *, without_gradients: bool = False
) -> Iterator[str]:
    """Yield problems of predictions or an inspection: wrong examples, labels or classes, or non-finite values.

    Args:
        table: What the submission states.
        data: The examples of the task.
        classes: Number of classes.
        without_gradients: Whether the model may have no input gradients, so that all are NaN.
    """
    predictions = predictions_of(table)
    yield from _example_problems(_stated_examples(predictions), data)
    if predictions.logits.shape[1] != classes:
        yield f"has logits of {predictions.logits.shape[1]} classes; the task has {classes}."
    values = {"logits": predictions.logits}
    if isinstance(table, InspectionTable):
        values["second logits"] = table.again
        if not (without_gradients and np.isnan(table.gradients).all()):
            values["input gradient"] = table.gradients
    for what, numbers in values.items():
        if not np.isfinite(numbers).all():
            index = int(np.argwhere(~np.isfinite(numbers))[0][0])
            yield f"the {what} of example {predictions.ids[index]!a} are not finite; a diverged run is not a result."


def predictions_of(table: PredictionTable | InspectionTable) -> PredictionTable:
    """Return the predictions of a table that may also have gradients."""
    return table.predictions if isinstance(table, InspectionTable) else table


def feature_problems(table: FeatureTable, data: Dataset) -> Iterator[str]:
    """Yield problems of features: wrong examples or labels, too many features, or values that are not numbers.

    An infinite feature is one beyond the range of 16 bits. It is not refused, since it gives a metric no value.
    """
    yield from _example_problems(_stated_examples(table), data)
    if (width := table.features.shape[1]) > MOST_FEATURES:
        yield f"has {width} features of each text; at most {MOST_FEATURES} are read."
    if (wrong := np.isnan(table.features).any(axis=1)).any():
        name = table.ids[int(wrong.argmax())]
        yield f"the features of example {name!a} are not numbers; a diverged run is not a result."


def _stated_examples(table: PredictionTable | FeatureTable) -> list[tuple[str, int | None]]:
    labels = [None] * len(table.ids) if table.labels is None else table.labels.tolist()
    return list(zip(table.ids, labels, strict=True))


def _example_problems(stated: Sequence[tuple[str, int | None]], data: Dataset) -> Iterator[str]:
    """Compare ids and labels with the data's, row by row; yield the first difference."""
    truth = [(example.id, example.label) for example in data.examples]
    for number, ((name, label), (own, right)) in enumerate(zip(stated, truth, strict=True)):
        if (name, label) != (own, right):
            yield (
                f"row {number} is example {name!a} with the label {label}; the suite's data has example {own!a} "
                f"with the label {right} there."
            )
            return


def attack_problems(rows: list[AttackRow], data: Dataset, classes: int, predicted: TableData | None) -> Iterator[str]:
    """Yield problems of an attack table: wrong examples or texts, and columns that the others do not give.

    Args:
        rows: The attack table.
        data: The attacked examples.
        classes: Number of classes.
        predicted: The model's predictions on the attacked evaluation task; None if they are not valid.
    """
    wrong = list(_example_problems([(row.id, row.label) for row in rows], data))
    yield from wrong
    if wrong or not isinstance(predicted, PredictionTable | InspectionTable):
        return
    predictions = predictions_of(predicted)
    logits = dict(zip(predictions.ids, predictions.logits, strict=True))
    for row, example in zip(rows, data.examples, strict=True):
        for problem in _row_problems(row, example.texts[-1], classes, logits[row.id]):
            yield f"example {row.id!a} {problem}"


def _row_problems(row: AttackRow, text: str, classes: int, predicted: Any) -> Iterator[str]:
    if row.original != text:
        yield "has another text than the suite's data."
        return
    # Only a row with an error may lack the model's first logits.
    stated = [row.logits_original] if row.logits_original or row.outcome != "error" else []
    stated += [] if row.logits_final is None else [row.logits_final]
    for logits in stated:
        if len(logits) != classes:
            yield f"has logits of {len(logits)} classes; the task has {classes}."
            return
        if not np.isfinite(logits).all():
            yield "has logits that are not finite."
            return
    if row.similarity is not None and not np.isfinite(row.similarity):
        yield "has a similarity that is not finite."
    if row.outcome != "error" and _contradicts(row.logits_original, row.label, right=row.outcome != "skipped"):
        yield f"is {row.outcome!r}, and its first logits say otherwise."
    if row.logits_final is not None and _contradicts(row.logits_final, row.label, right=row.outcome == "survived"):
        yield f"is {row.outcome!r}, and its last logits say otherwise."
    words = words_of(text)
    changed = 0 if row.perturbed is None else words_changed(words, words_of(row.perturbed))
    if (row.words, row.changed) != (len(words), changed):
        yield f"says that {row.changed} of {row.words} words are changed; {changed} of {len(words)} are."
    if row.logits_original and (gap := float(np.abs(predicted - np.array(row.logits_original)).max())) > SAME_LOGITS:
        yield f"starts from logits that differ by {gap:.2g} from the prediction of the same text."


def _contradicts(logits: Sequence[float], label: int, *, right: bool) -> bool:
    """Return whether logits do not give the stated result. A tie, which three decimals can cause, fits both."""
    others = max(np.delete(logits, label))
    return bool(logits[label] < others if right else logits[label] > others)
