"""The rows of a data set, wherever it comes from."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.data.hub import hub_rows, mirror_rows
from benchmark.data.nested_archive import open_member
from benchmark.data.readers import Row, Table, read_rows
from benchmark.data.spec import DataSpec
from benchmark.schema.errors import UnavailableError, UsageError, nearest

NESTED = "!"


def source_rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a data set in the source's order; only the columns in `spec.needed` are sure to be there.

    Args:
        spec: what to read.
        base: folder that the relative path of the source `file` starts at; the working directory if None.

    Raises:
        UnavailableError: the data is not on this machine; the message names the command that gets it.
        UsageError: the spec does not say what its source needs, or names a column or member that does not exist.
        IntegrityError: the file is damaged.
    """
    if spec.source == "hub":
        return hub_rows(spec)
    if spec.source == "mirror":
        return mirror_rows(spec)
    if spec.source == "artifact":
        return _artifact_rows(spec)
    return _file_rows(spec, _user_file(spec, base), ())


def _artifact_rows(spec: DataSpec) -> Iterator[Row]:
    from benchmark.resources import locate

    if spec.resource is None or spec.member is None:
        raise UsageError("A data set from an artifact needs `resource` and `member`.")
    root = locate(spec.resource)
    outer, *inner = spec.member.split(NESTED)
    path = root / outer
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        held = [str(found.relative_to(root)) for found in root.rglob("*") if found.is_file()]
        raise UsageError(f"Resource {spec.resource!r} has no member {outer!r}. {nearest(outer, held)}")
    return _file_rows(spec, path, tuple(inner))


def _user_file(spec: DataSpec, base: Path | None) -> Path:
    if spec.path is None:
        raise UsageError("A data set from a file needs `path`.")
    path = (base or Path()) / Path(spec.path).expanduser()
    if not path.is_file():
        raise UnavailableError(f"The data file {path} does not exist; put it there, or correct `path` in the suite.")
    return path


def _file_rows(spec: DataSpec, path: Path, inner: tuple[str, ...]) -> Iterator[Row]:
    if spec.format is None:
        raise UsageError(f"{spec.place}: say in `format` how to read it: csv, tsv, jsonl, parquet or lines.")
    with open_member(path, inner) as stream:
        yield from read_rows(stream, spec.format, Table(spec.place, spec.needed, spec.columns))
