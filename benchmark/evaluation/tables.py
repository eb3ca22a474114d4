"""Prediction, inspection and attack tables: Parquet files with atomic, deterministic writes and strict reads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.parquet import read_columns, write_columns
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import IntegrityError, TemperError


@dataclass(frozen=True)
class PredictionTable:
    """Logits of a model on every example of an evaluation task.

    Attributes:
        ids: Unique ids of the examples.
        labels: int32, shape (examples,); None for a task without labels.
        logits: float32, shape (examples, classes).
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int32] | None
    logits: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the shapes and types fit together."""
        rows = len(self.ids)
        if self.logits.ndim != 2 or len(self.logits) != rows or self.logits.dtype != np.float32:
            shape = f"{self.logits.dtype} of shape {self.logits.shape}"
            raise TemperError(f"The logits of {rows} examples must be float32 of shape ({rows}, classes), not {shape}.")
        if self.labels is not None and (self.labels.shape != (rows,) or self.labels.dtype != np.int32):
            shape = f"{self.labels.dtype} of shape {self.labels.shape}"
            raise TemperError(f"The labels of {rows} examples must be int32 of shape ({rows},), not {shape}.")
        _require_unique(self.ids)


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a prediction table atomically.

    Raises:
        TemperError: the file cannot be written.
    """
    labels = [None] * len(table.ids) if table.labels is None else table.labels
    write_columns(path, {"id": table.ids, "label": labels, "logits": table.logits.tolist()}, "prediction")


def read_predictions(path: Path) -> PredictionTable:
    """Read a prediction table.

    Raises:
        IntegrityError: the file is missing, broken, or not a prediction table.
    """
    columns = read_columns(path, "prediction")
    widths = {len(row) for row in columns["logits"]}
    unlabelled = columns["label"].count(None)
    if len(widths) > 1 or unlabelled not in {0, len(columns["id"])}:
        problem = "logits of different lengths" if len(widths) > 1 else "labels for only a part of its rows"
        raise IntegrityError(f"{path}: the prediction table has {problem}; delete the file and predict again.")
    logits = np.array(columns["logits"], dtype=np.float32).reshape(len(columns["id"]), max(widths, default=0))
    labels = None if unlabelled else np.array(columns["label"], dtype=np.int32)
    try:
        return PredictionTable(tuple(columns["id"]), labels, logits)
    except TemperError as error:
        raise IntegrityError(f"{path}: {error}") from error


@dataclass(frozen=True)
class InspectionTable:
    """Logits of two passes and input gradients of a model on every example of a gradient-masking check.

    Attributes:
        predictions: Logits of the first pass, with labels.
        again: Logits of the second pass, float32, shape (examples, classes).
        gradients: float32, shape (examples,), at least 0: the largest absolute entry of each input gradient.
    """

    predictions: PredictionTable
    again: NDArray[np.float32]
    gradients: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the shapes and types fit together."""
        shape = self.predictions.logits.shape
        if self.predictions.labels is None:
            raise TemperError("An inspection needs the labels of its examples.")
        if self.again.shape != shape or self.gradients.shape != shape[:1] or (self.gradients < 0).any():
            raise TemperError(
                f"An inspection of logits of shape {shape} has second ones of {self.again.shape}, and gradients of "
                f"{self.gradients.shape} that are at least 0."
            )


def write_inspection(path: Path, table: InspectionTable) -> None:
    """Write an inspection table atomically.

    Raises:
        TemperError: the file cannot be written.
    """
    first = table.predictions
    columns = {"id": first.ids, "label": first.labels, "logits": first.logits.tolist(), "again": table.again.tolist()}
    write_columns(path, {**columns, "gradient": table.gradients}, "inspection")


def read_inspection(path: Path) -> InspectionTable:
    """Read an inspection table.

    Raises:
        IntegrityError: the file is missing, broken, or not an inspection table.
    """
    columns = read_columns(path, "inspection")
    rows = len(columns["id"])
    widths = {len(row) for name in ("logits", "again") for row in columns[name]}
    if len(widths) > 1 or None in columns["label"]:
        problem = "logits of different lengths" if len(widths) > 1 else "rows without a label"
        raise IntegrityError(f"{path}: the inspection table has {problem}; delete the file and inspect again.")
    first, again = (
        np.array(columns[name], dtype=np.float32).reshape(rows, max(widths, default=0)) for name in ("logits", "again")
    )
    labels, gradients = (np.array(columns["label"], dtype=np.int32), np.array(columns["gradient"], dtype=np.float32))
    try:
        return InspectionTable(PredictionTable(tuple(columns["id"]), labels, first), again, gradients)
    except TemperError as error:
        raise IntegrityError(f"{path}: {error}") from error


def write_attack(path: Path, rows: Sequence[AttackRow]) -> None:
    """Write an attack table atomically, with rows in the given order.

    Raises:
        TemperError: an example occurs twice, or the file cannot be written.
    """
    _require_unique([row.id for row in rows])
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(AttackRow)}
    write_columns(path, columns, "attack")


def read_attack(path: Path) -> list[AttackRow]:
    """Read an attack table.

    Raises:
        IntegrityError: the file is missing, broken, not an attack table, or a row contradicts itself.
    """
    columns = read_columns(path, "attack")
    if None in columns["label"]:
        raise IntegrityError(f"{path}: the column 'label' has nulls; delete the file and attack again.")
    columns["logits_original"] = [tuple(row) for row in columns["logits_original"]]
    columns["logits_final"] = [None if row is None else tuple(row) for row in columns["logits_final"]]
    try:
        _require_unique(columns["id"])
        return [AttackRow(*values) for values in zip(*columns.values(), strict=True)]
    except TemperError as error:
        raise IntegrityError(f"{path}: {error}") from error


def _require_unique(ids: Sequence[str]) -> None:
    if len(set(ids)) != len(ids):
        duplicate = next(name for name in ids if ids.count(name) > 1)
        raise TemperError(f"Duplicate example {duplicate!r}; ids must be unique in a table.")
