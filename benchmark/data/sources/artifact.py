"""The source `artifact`: a member of a pinned resource."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.data.readers import Row
from benchmark.data.sources.file import file_rows
from benchmark.data.spec import DataSpec
from benchmark.schema.errors import UsageError, nearest

NESTED = "!"
"""Separates the members of nested archives."""


def rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a member of a resource; `base` is ignored."""
    from benchmark.resources import locate

    if spec.resource is None or spec.member is None:
        raise UsageError("A data set of the source `artifact` needs `resource` and `member`.")
    root = locate(spec.resource)
    outer, *inner = spec.member.split(NESTED)
    path = root / outer
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        members = [str(member.relative_to(root)) for member in root.rglob("*") if member.is_file()]
        raise UsageError(f"Resource {spec.resource!r} has no member {outer!r}. {nearest(outer, members)}")
    return file_rows(spec, path, inner)


def how_to_get(spec: DataSpec) -> str:
    """Return the command that fetches the resource."""
    return f"`temper resources fetch {spec.resource}`"
