"""The source `artifact`: a member of a pinned resource."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from benchmark.data.readers import Row
from benchmark.data.source import source
from benchmark.data.sources.file import FileFormat
from benchmark.schema.base import Words, doc
from benchmark.schema.errors import UsageError, nearest

NESTED = "!"
"""Separates the members of nested archives."""


@source("artifact")
class Artifact(FileFormat):
    """A member of a pinned package."""

    resource: Annotated[Words, doc("a name from `temper resources list`.")]
    member: Annotated[Words, doc("path inside the resource; `outer.tar.gz!inner/file` reads a nested archive.")]

    @property
    def place(self) -> str:
        """The member and the resource."""
        return f"{self.member} of resource {self.resource!r}"

    @property
    def resources(self) -> tuple[str, ...]:
        """The resource."""
        return (self.resource,)

    def rows(self, needed: tuple[str, ...], base: Path | None) -> Iterator[Row]:
        """Yield the rows of the member; `base` is ignored."""
        from benchmark.resources import locate

        root = locate(self.resource)
        outer, *inner = self.member.split(NESTED)
        path = root / outer
        if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
            members = [str(member.relative_to(root)) for member in root.rglob("*") if member.is_file()]
            raise UsageError(f"Resource {self.resource!r} has no member {outer!r}. {nearest(outer, members)}")
        return self.file_rows(needed, path, inner)

    def how_to_get(self) -> str:
        """Return the command that fetches the resource."""
        return f"`temper resources fetch {self.resource}`"
