"""Readers of csv, tsv, JSON lines, plain lines and parquet; each row maps column names to values.

Every reader checks that the needed columns exist, and names the file and line of an error. No reader guesses an
encoding: text is UTF-8, with or without a byte-order mark. `open_member` opens what they read, also inside archives.
"""

import bz2
import csv
import gzip
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias, cast

from benchmark.schema.errors import IntegrityError, UsageError, nearest

Row: TypeAlias = dict[str, object]
Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet", "lines"]

LINES_COLUMN = "text"
"""The one column of the format `lines`."""

FIELD_LIMIT = 2**24
"""Maximum length of a csv field in characters; the csv module's default of 2**17 refuses long reviews."""

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
    """Description of a file for its reader.

    Attributes:
        place: the source in words, for error messages.
        needed: columns that must exist.
        columns: names of the columns if the file has no header line; empty if it has one.
    """

    place: str
    needed: tuple[str, ...]
    columns: tuple[str, ...] = ()


def read_rows(stream: IO[bytes], form: Format, table: Table) -> Iterator[Row]:
    """Yield the rows of a file, in order.

    Raises:
        ColumnError: a needed column does not exist; the message names the nearest one.
        IntegrityError: the content is invalid (bad UTF-8, ragged row, broken JSON, truncated archive).
    """
    try:
        yield from _READERS[form](stream, table)
    except _BROKEN as error:
        raise IntegrityError(f"{table.place} is truncated or damaged ({error}). Get it again.") from error


def require_columns(table: Table, present: Sequence[str]) -> None:
    """Refuse a file that lacks a column, and name its nearest column."""
    for column in table.needed:
        if column not in present:
            raise ColumnError(column, f"{table.place} has no column {column!r}. {nearest(column, present)}")


def _lines(stream: IO[bytes], table: Table) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line with its end; bytes are split at line feeds only."""
    for number, raw in enumerate(stream, 1):
        if number == 1:
            _refuse_other_text(raw, table)
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise IntegrityError(
                f"{table.place}, line {number}: byte {error.start + 1} is not UTF-8. Convert the file to UTF-8."
            ) from error


def _refuse_other_text(first: bytes, table: Table) -> None:
    """Refuse UTF-16 text and old Mac line ends, which would be read wrongly, by the file's first line."""
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
    # The limit holds for the whole process. Only raise it, so that other csv readers still work.
    csv.field_size_limit(max(csv.field_size_limit(), FIELD_LIMIT))
    # Without strict, an unclosed quote would silently consume the rest of the file.
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
    """Yield rows by column name; skip blank lines, and refuse a row of another length."""
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
            counts = f"{len(cells)} fields but {len(header)} columns"
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
    """Read JSON lines; some rows may lack a needed column, but not all."""
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
        raise IntegrityError(f"{place}: not JSON ({error}). Write one JSON object per line.") from error
    if not isinstance(row, dict):
        raise IntegrityError(f"{place}: a JSON {type(row).__name__}. Write one JSON object per line.")
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
        raise IntegrityError(f"{table.place} is not a readable parquet file ({error}). Get it again.") from error


_READERS: dict[Format, Callable[[IO[bytes], Table], Iterator[Row]]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "lines": _plain,
    "parquet": _parquet,
}


@contextmanager
def open_member(path: Path, inner: Sequence[str] = ()) -> Iterator[IO[bytes]]:
    """Open a file or member for reading bytes, and decompress .gz and .bz2.

    Args:
        path: an existing file.
        inner: member names, one per archive, outermost first: ``hutto.tar.gz!x.txt`` is ``path=hutto.tar.gz`` and
            ``inner=("x.txt",)``.

    Raises:
        UsageError: an archive has no such member, or the outer file is not an archive of a supported format.
        IntegrityError: an archive is broken.
    """
    with ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(path.open("rb"))
        place = path.name
        for member in inner:
            stream = stack.enter_context(_member(stream, place, member))
            place = f"{place}!{member}"
        yield stack.enter_context(_decompressed(stream, place))


def _decompressed(stream: IO[bytes], name: str) -> IO[bytes]:
    name = name.lower()
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(stream, "rb"))
    return cast(IO[bytes], bz2.open(stream, "rb")) if name.endswith(".bz2") else stream


def _member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    try:
        open_ = _zip_member if place.endswith((".zip", ".whl")) else _tar_member
        return open_(stream, place, member)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise IntegrityError(f"{place} is not a readable archive ({error}). Fetch it again.") from error


def _tar_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = tarfile.open(fileobj=stream, mode="r:*")  # noqa: SIM115  # the member reads from it; it owns no file itself
    names = [entry.name for entry in archive.getmembers() if entry.isfile()]
    content = archive.extractfile(member) if member in names else None
    if content is None:
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, names)}")
    return content


def _zip_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    if member not in archive.namelist():
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, archive.namelist())}")
    return archive.open(member)
