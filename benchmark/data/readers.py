"""Rows out of bytes: csv, tsv, json lines, plain lines and parquet, each as column -> value.

Every reader checks that the columns asked for exist and names file and line of what it cannot read. None guesses an
encoding: text is UTF-8, with or without a byte-order mark.
"""

import csv
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

from benchmark.data.spec import LINES_COLUMN, Format
from benchmark.schema.errors import IntegrityError, UsageError, nearest

Row: TypeAlias = dict[str, object]

FIELD_LIMIT = 2**24
"""Longest csv field that is read, in characters; the csv module's own default of 2**17 refuses long reviews."""

_BATCH = 4096
_UTF16 = re.compile(b"\\A(\xff\xfe|\xfe\xff|\x00.|[^\x00]\x00)", re.DOTALL)
_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)


class ColumnError(UsageError):
    """A source lacks a column.

    Attributes:
        column: Its name.
    """

    def __init__(self, column: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column


@dataclass(frozen=True, slots=True)
class Table:
    """What a reader has to know besides the bytes.

    Attributes:
        place: the source in words, for error messages.
        needed: columns that must exist.
        columns: names of the columns where the file has no header line; empty where it has one.
    """

    place: str
    needed: tuple[str, ...]
    columns: tuple[str, ...] = ()


def read_rows(stream: IO[bytes], form: Format, table: Table) -> Iterator[Row]:
    """Yield the rows of a file, in order.

    Raises:
        ColumnError: a column asked for does not exist; the message names the nearest one.
        IntegrityError: the bytes are not what the format says (bad UTF-8, ragged row, broken JSON, cut-off archive).
    """
    try:
        yield from _READERS[form](stream, table)
    except _BROKEN as error:
        raise IntegrityError(f"{table.place} breaks off or is damaged ({error}); get it again.") from error


def require_columns(table: Table, present: Sequence[str]) -> None:
    """Refuse a file that lacks a column, naming the nearest one that it has."""
    for column in table.needed:
        if column not in present:
            raise ColumnError(column, f"{table.place} has no column {column!r}. {nearest(column, present)}")


def _lines(stream: IO[bytes], table: Table) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line, ends kept: bytes are split at line feeds only, never inside a character."""
    for number, raw in enumerate(stream, 1):
        if number == 1:
            _refuse_other_text(raw, table)
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise IntegrityError(
                f"{table.place}, line {number}: byte {error.start + 1} is not UTF-8; convert the file to UTF-8."
            ) from error


def _refuse_other_text(first: bytes, table: Table) -> None:
    """Refuse a file by its first line: UTF-16 would read as odd letters, and old Mac line ends as a single line."""
    if _UTF16.match(first):
        raise IntegrityError(f"{table.place} is UTF-16 or UTF-32 text, not UTF-8. Convert the file to UTF-8.")
    if not first.endswith(b"\n") and b"\r" in first.rstrip(b"\r"):
        raise IntegrityError(
            f"{table.place} ends its lines with carriage returns alone. Convert the file to line feeds."
        )


def _plain(stream: IO[bytes], table: Table) -> Iterator[Row]:
    require_columns(table, (LINES_COLUMN,))
    for _, line in _lines(stream, table):
        yield {LINES_COLUMN: line.rstrip("\r\n")}


def _csv(stream: IO[bytes], table: Table) -> Iterator[Row]:
    # The limit is one for the whole process; it is only ever raised, so nobody else's reading breaks.
    csv.field_size_limit(max(csv.field_size_limit(), FIELD_LIMIT))
    # strict: a quote that is never closed would otherwise swallow the rest of the file silently.
    reader = csv.reader((line for _, line in _lines(stream, table)), strict=True)
    try:
        yield from _records(((reader.line_num, cells) for cells in reader), table)
    except csv.Error as error:
        inside = "new-line character" in str(error)
        reason = "a carriage return inside a field without quotes" if inside else str(error)
        raise IntegrityError(f"{table.place}, line {reader.line_num}: {reason}. Check the quotes there.") from error


def _tsv(stream: IO[bytes], table: Table) -> Iterator[Row]:
    yield from _records(((number, line.rstrip("\r\n").split("\t")) for number, line in _lines(stream, table)), table)


def _records(rows: Iterator[tuple[int, list[str]]], table: Table) -> Iterator[Row]:
    """Rows of cells to rows by column name; blank lines are skipped, a row of another length is an error."""
    header = list(table.columns)
    if header:
        require_columns(table, header)
    for number, cells in rows:
        if not cells or (cells == [""] and len(header) != 1):
            continue
        if not header:
            header = _header(cells, table)
            continue
        if len(cells) != len(header):
            counts = f"{len(cells)} fields where there are {len(header)} columns"
            raise IntegrityError(f"{table.place}, line {number}: {counts}. Correct that line.")
        yield dict(zip(header, cells, strict=True))


def _header(cells: list[str], table: Table) -> list[str]:
    _refuse_doubles(cells, table)
    require_columns(table, cells)
    return cells


def _refuse_doubles(names: list[str], table: Table) -> None:
    double = sorted({name for name in names if names.count(name) > 1} & set(table.needed))
    if double:
        raise IntegrityError(f"{table.place} has two columns named {double[0]!r}. Rename one.")


def _jsonl(stream: IO[bytes], table: Table) -> Iterator[Row]:
    """A column may be absent from some rows (it reads as None), not from all."""
    absent, seen = set(table.needed), dict[str, None]()
    for number, line in _lines(stream, table):
        if not line.strip():
            continue
        row = _object(line, f"{table.place}, line {number}")
        if absent:
            absent.difference_update(row)
            seen.update(dict.fromkeys(row))
        yield row
    if absent and seen:
        require_columns(table, tuple(seen))


def _object(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{place}: not JSON ({error}); each line holds one JSON object.") from error
    if not isinstance(row, dict):
        raise IntegrityError(f"{place}: a JSON {type(row).__name__}; each line holds one JSON object.")
    return row


def _parquet(stream: IO[bytes], table: Table) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
        _refuse_doubles(file.schema_arrow.names, table)
        require_columns(table, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=_BATCH, columns=list(table.needed)):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise IntegrityError(f"{table.place} is not a readable parquet file ({error}); get it again.") from error


_READERS: dict[Format, Callable[[IO[bytes], Table], Iterator[Row]]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "lines": _plain,
    "parquet": _parquet,
}
