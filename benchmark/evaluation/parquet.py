"""Parquet files of tables: the columns of each kind, written deterministically and read strictly."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from benchmark.schema.errors import IntegrityError, TemperError

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["prediction", "inspection", "attack"]

_OPTIONAL = {"label", "perturbed", "similarity", "reason", "logits_final"}
"""Columns that may hold nulls, except the labels of attacks and inspections (see their readers)."""

_COMMANDS: Mapping[Kind, str] = {"prediction": "predict", "inspection": "inspect", "attack": "attack"}


def _schema(kind: Kind) -> "pa.Schema":
    import pyarrow as pa

    logits = pa.list_(pa.field("element", pa.float32(), nullable=False))
    types = {"id": pa.string(), "label": pa.int32(), "logits": logits}
    if kind == "inspection":
        types |= {"again": logits, "gradient": pa.float32()}
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            pq.write_table(
                table,
                stream,
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
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise TemperError(f"{path}: cannot write the {kind} table ({error}). Check space and permissions.") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def read_columns(path: Path, kind: Kind) -> dict[str, list[Any]]:
    """Read the columns of a table as Python lists.

    Raises:
        IntegrityError: the file is missing, broken, or not a table of that kind.
    """
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
        return {name: table.column(name).to_pylist() for name in table.column_names}
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
