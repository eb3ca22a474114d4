"""Tables of predictions, inspections, features and attacks as Parquet, written deterministically, read strictly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.schema.atomic_io import replace_file
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import IntegrityError, TemperError

if TYPE_CHECKING:
    import pyarrow as pa


Kind: TypeAlias = Literal["prediction", "inspection", "feature", "attack"]

_OPTIONAL = {"label", "perturbed", "similarity", "reason", "logits_final"}
"""Columns that may hold nulls, except the labels of attacks and inspections (see their readers)."""

_COMMANDS: Mapping[Kind, str] = {
    "prediction": "predict",
    "inspection": "inspect",
    "feature": "compute it",
    "attack": "attack",
}


def _schema(kind: Kind) -> "pa.Schema":
    import pyarrow as pa

    logits = pa.list_(pa.field("element", pa.float32(), nullable=False))
    types = {"id": pa.string(), "label": pa.int32(), "logits": logits}
    if kind == "inspection":
        types |= {"again": logits, "gradient": pa.float32()}
    elif kind == "feature":
        types["features"] = pa.list_(pa.field("element", pa.float16(), nullable=False))
        del types["logits"]
    elif kind == "attack":
        types = {
            "id": pa.string(),
            "label": pa.int32(),
            "outcome": pa.string(),
            "queries": pa.int32(),
            "original": pa.string(),
            "perturbed": pa.string(),
            "words": pa.int32(),
            "changed": pa.int32(),
            "similarity": pa.float32(),
            "reason": pa.string(),
            "logits_original": logits,
            "logits_final": logits,
        }
    return pa.schema([pa.field(name, type_, nullable=name in _OPTIONAL) for name, type_ in types.items()])


def write_columns(path: Path, columns: Mapping[str, Any], kind: Kind) -> None:
    """Write a table with fixed options and without schema or pandas metadata, so that equal tables are equal files.

    Raises:
        TemperError: the file cannot be written. A partial file never appears.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(columns), schema=_schema(kind))
    buffer = BytesIO()
    pq.write_table(
        table,
        buffer,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
        row_group_size=1 << 20,
        write_page_checksum=True,
    )
    try:
        replace_file(path, buffer.getvalue())
    except OSError as error:
        raise TemperError(f"{path}: cannot write the {kind} table ({error}). Check space and permissions.") from error


def read_columns(path: Path, kind: Kind) -> dict[str, list[Any]]:
    """Read the columns of a table as Python lists.

    Raises:
        IntegrityError: the file is missing, broken, or not a table of that kind.
    """
    table = _read_table(path, kind)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _read_table(path: Path, kind: Kind) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    command = _COMMANDS[kind]
    try:
        # Do not use read_table, which turns a folder named like "seed=0" into a column.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        # Convert to Python only now: a column of another type may hold values that Python cannot represent.
        problem = _schema_problem(table, _schema(kind))
        if problem:
            raise IntegrityError(f"{path}: not a {kind} table, {problem}; delete the file and {command} again.")
        # Reading checks neither that texts are UTF-8 nor that lists lie inside their values.
        table.validate(full=True)
        return table
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise IntegrityError(f"{path}: not a readable {kind} table ({error}); {command} again.") from error


def _schema_problem(table: "pa.Table", expected: "pa.Schema") -> str | None:
    if table.column_names != expected.names:
        return f"its columns are {', '.join(table.column_names)} and not {', '.join(expected.names)}"
    for field in expected:
        column = table.column(field.name)
        if column.type != field.type:
            return f"its column {field.name!r} is {column.type} and not {field.type}"
        if column.null_count and not field.nullable:
            return f"its column {field.name!r} has {column.null_count} nulls"
    return None


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
        _check_labels(self.labels, rows)
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
        gradients: float32, shape (examples,), at least 0: the largest absolute entry of each input gradient. NaN for a
            model without input gradients.
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


@dataclass(frozen=True)
class FeatureTable:
    """Features of a model on every example of an evaluation task or of the training part.

    Attributes:
        ids: Unique ids of the examples.
        labels: int32, shape (examples,); None for a task without labels.
        features: float16, shape (examples, width); width 0 for a model without features.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int32] | None
    features: NDArray[np.float16]

    def __post_init__(self) -> None:
        """Check that the shapes and types fit together."""
        rows, features = len(self.ids), self.features
        if features.ndim != 2 or len(features) != rows or features.dtype != np.float16:
            shape = f"{features.dtype} of shape {features.shape}"
            raise TemperError(f"The features of {rows} examples must be float16 of shape ({rows}, width), not {shape}.")
        _check_labels(self.labels, rows)
        _require_unique(self.ids)


def write_features(path: Path, table: FeatureTable) -> None:
    """Write a feature table atomically.

    Raises:
        TemperError: the file cannot be written.
    """
    import pyarrow as pa

    rows, width = table.features.shape
    # Python lists of millions of numbers would take seconds and gigabytes.
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1, dtype=np.int32) * width),
        pa.array(table.features.ravel()),
        type=_schema("feature").field("features").type,
    )
    labels = [None] * rows if table.labels is None else table.labels
    write_columns(path, {"id": table.ids, "label": labels, "features": lists}, "feature")


def read_features(path: Path) -> FeatureTable:
    """Read a feature table.

    Raises:
        IntegrityError: the file is missing, broken, or not a feature table.
    """
    table = _read_table(path, "feature")
    ids, labels, lists = (table.column(name).combine_chunks() for name in ("id", "label", "features"))
    widths = set(lists.value_lengths().to_pylist())
    if len(widths) > 1 or labels.null_count not in {0, len(labels)}:
        problem = "features of different lengths" if len(widths) > 1 else "labels for only a part of its rows"
        raise IntegrityError(f"{path}: the feature table has {problem}; delete the file and compute it again.")
    features = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), max(widths, default=0))
    try:
        return FeatureTable(tuple(ids.to_pylist()), None if labels.null_count else labels.to_numpy(), features)
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


def _check_labels(labels: NDArray[np.int32] | None, rows: int) -> None:
    if labels is not None and (labels.shape != (rows,) or labels.dtype != np.int32):
        shape = f"{labels.dtype} of shape {labels.shape}"
        raise TemperError(f"The labels of {rows} examples must be int32 of shape ({rows},), not {shape}.")


def _require_unique(ids: Sequence[str]) -> None:
    if len(set(ids)) != len(ids):
        duplicate = next(name for name in ids if ids.count(name) > 1)
        raise TemperError(f"Duplicate example {duplicate!r}; ids must be unique in a table.")
