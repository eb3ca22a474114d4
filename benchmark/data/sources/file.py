"""The source `file`: a file of the suite's own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.data.readers import LINES_COLUMN, Format, Row, Table, open_member, read_rows
from benchmark.data.source import Source, source
from benchmark.resources import expanded
from benchmark.schema.base import Words, doc
from benchmark.schema.errors import UnavailableError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat(Source):
    """The keys of sources that read a file in one of several formats."""

    format: Annotated[
        Format,
        doc(
            "`csv` (quoted), `tsv` (split at tabs, quotes have no effect), `jsonl`, `parquet` or `lines` (one text per "
            "line, column `text`). A name ending in .gz or .bz2 is decompressed."
        ),
    ]
    columns: Annotated[
        tuple[Words, ...], doc("the names of all columns of a csv or tsv file without a header line.")
    ] = ()

    def problems(self, needed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield columns that the file cannot have."""
        if self.columns and self.format not in ("csv", "tsv"):
            yield "columns", "only csv and tsv files without a header line need them; remove it."
            return
        known = (LINES_COLUMN,) if self.format == "lines" else self.columns
        for column in needed if known else ():
            if column not in known:
                yield "columns" if self.columns else "text", f"there is no column {column!r}. {nearest(column, known)}"

    def file_rows(self, needed: tuple[str, ...], path: Path, members: Sequence[str] = ()) -> Iterator[Row]:
        """Yield the rows of a file, or of a member of nested archives."""
        with open_member(path, members) as stream:
            yield from read_rows(stream, self.format, Table(self.place, needed, self.columns))


@source("file", part_of_suite=True)
class FileSource(FileFormat):
    """A file of yours."""

    path: Annotated[Words, doc("path of the file, absolute or relative to the suite file's folder.")]

    @property
    def place(self) -> str:
        """The path as the suite names it."""
        return self.path

    def rows(self, needed: tuple[str, ...], base: Path | None) -> Iterator[Row]:
        """Yield the rows of the file; a relative path starts at `base`, or at the working directory if it is None."""
        path = (base or Path()) / expanded(self.path)
        if not path.is_file():
            raise UnavailableError(f"Data file not found: {path}. Add the file, or correct `path` in the suite.")
        return self.file_rows(needed, path)

    def how_to_get(self) -> str:
        """Return where to put the file."""
        return f"put {self.path} next to the suite file"
