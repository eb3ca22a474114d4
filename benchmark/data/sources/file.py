"""The source `file`: a file of the suite's own."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.data.nested_archive import open_member
from benchmark.data.readers import Row, Table, read_rows
from benchmark.data.spec import DataSpec
from benchmark.schema.errors import UnavailableError, UsageError


def rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a file; a relative path starts at `base`, or at the working directory if it is None."""
    if spec.path is None:
        raise UsageError("A data set of the source `file` needs `path`.")
    path = (base or Path()) / Path(spec.path).expanduser()
    if not path.is_file():
        raise UnavailableError(f"Data file not found: {path}. Add the file, or correct `path` in the suite.")
    return file_rows(spec, path)


def file_rows(spec: DataSpec, path: Path, members: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of a file, or of a member of nested archives, in the format of the spec."""
    if spec.format is None:
        raise UsageError(f"{spec.place}: set `format` to csv, tsv, jsonl, parquet or lines.")
    with open_member(path, members) as stream:
        yield from read_rows(stream, spec.format, Table(spec.place, spec.needed, spec.columns))


def how_to_get(spec: DataSpec) -> str:
    """Return where to put the file."""
    return f"put {spec.path} next to the suite file"
