"""A user's labelled file: detect its format from its name, and its columns from common names if none are set."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from benchmark.data.dataset_loader import class_of, plain_number, value_text
from benchmark.data.readers import Format, Table, open_member, read_rows
from benchmark.data.spec import DataSpec, LabelSpec
from benchmark.schema.errors import IntegrityError, UsageError, nearest

HABITS: tuple[tuple[str, ...], ...] = (("text",), ("sentence",), ("premise", "hypothesis"), ("sentence1", "sentence2"))
"""Common names of text columns, in the order in which they are tried."""

_FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
_COMPRESSED = (".gz", ".bz2")


def labelled_file(
    path: Path,
    text: Sequence[str] = (),
    label: str = "label",
    limit: int | None = None,
    classes: Sequence[str] = (),
) -> DataSpec:
    """Describe a file whose labels are class numbers or names of classes.

    Args:
        path: A csv, tsv, jsonl or parquet file; the first three may be compressed (.gz, .bz2).
        text: Its column of texts, or the two of a pair; empty selects the first of `HABITS` that the file has.
        label: Its column of class numbers or names. An empty cell and -1 mean no label.
        limit: Maximum number of examples, stratified by class.
        classes: Names of the model's classes, in the order of their numbers; empty if they are not known.

    Raises:
        UsageError: there is no such file, its name has no known ending, it lacks a column, or it has a label that is
            not a class.
        IntegrityError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"File not found: {path}.")
    form = _format(path)
    present = _columns(path, form)
    chosen = tuple(text) or next((habit for habit in HABITS if set(habit) <= set(present)), ())
    if not chosen:
        habits = ", ".join("+".join(habit) for habit in HABITS)
        raise UsageError(
            f"{path} has none of the columns {habits}. Name its text column. It has: {', '.join(present)}."
        )
    if len(chosen) > 2:
        raise UsageError(f"{len(chosen)} text columns ({', '.join(chosen)}). Name one or two.")
    for column in (*chosen, label):
        if column not in present:
            raise UsageError(f"{path} has no column {column!r}. {nearest(column, present)}")
    labels = LabelSpec(label, _class_numbers(classes))
    _require_labels(path, form, labels, classes)
    return DataSpec(source="file", path=str(path.absolute()), format=form, text=chosen, label=labels, limit=limit)


def _class_numbers(classes: Sequence[str]) -> Mapping[str, int] | None:
    """Map names, and numbers written as text, to class numbers; only names if a name looks like a number."""
    if not classes:
        return None
    names = {name: number for number, name in enumerate(classes)}
    numbers = {str(number): number for number in range(len(classes))}
    clash = any(plain_number(name) in numbers and numbers[plain_number(name)] != names[name] for name in names)
    return names if clash else {**numbers, **names}


def _require_labels(path: Path, form: Format, labels: LabelSpec, classes: Sequence[str]) -> None:
    with open_member(path) as stream:
        rows = read_rows(stream, form, Table(str(path), (labels.column,)))
        texts = {value_text(row.get(labels.column)) for row in rows} - {"", "-1"}
    unknown = sorted(text for text in texts if isinstance(class_of(labels, text), str))
    if not unknown:
        return
    listed = ", ".join(map(repr, unknown[:5])) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    place = f"{path}: column {labels.column!r}"
    if labels.map is None:
        raise UsageError(
            f"{place}: not a class number: {listed}. The model was saved without class names; number the labels from "
            "0 as it does."
        )
    with_numbers = len(labels.map) > len(classes)
    legal = ", ".join(f"{number} or {name}" if with_numbers else name for number, name in enumerate(classes))
    raise UsageError(f"{place}: not a class of the model: {listed}. Write {legal}.")


def _format(path: Path) -> Format:
    name = path.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    form = _FORMATS.get(Path(name).suffix)
    if form is None:
        raise UsageError(f"{path}: unknown format. The name must end in {', '.join(_FORMATS)}.")
    return form


def _columns(path: Path, form: Format) -> list[str]:
    if form == "parquet":
        return _parquet_columns(path)
    with open_member(path) as stream:
        rows = read_rows(stream, form, Table(str(path), ()))
        # A JSON object may omit a cell, so the columns are those of all objects together.
        columns = list(dict.fromkeys(name for row in (rows if form == "jsonl" else islice(rows, 1)) for name in row))
    if not columns:
        raise IntegrityError(f"{path} has no rows.")
    return columns


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.ParquetFile(path).schema_arrow.names]
    except pa.ArrowException as error:
        raise IntegrityError(f"{path} is not a readable parquet file ({error}). Get it again.") from error
