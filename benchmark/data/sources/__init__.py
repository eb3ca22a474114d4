"""Sources of data sets: one module per source, with the reader of its rows and how to get missing data.

A source module has ``rows(spec, base)``, which yields rows in the source's order, and ``how_to_get(spec)``, which
returns a command in backquotes, or words for a file of the suite's own.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from benchmark.data.readers import Row
from benchmark.data.spec import DataSpec


class _Source(Protocol):
    def rows(self, spec: DataSpec, base: Path | None) -> Iterator[Row]: ...

    def how_to_get(self, spec: DataSpec) -> str: ...


def _source(spec: DataSpec) -> _Source:
    return cast(_Source, import_module(f"{__name__}.{spec.source}"))


def source_rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a data set in the source's order; they have at least the columns in `spec.needed`.

    Args:
        spec: describes the data set.
        base: folder that a relative path of the source `file` starts at; the working directory if None.

    Raises:
        UnavailableError: the data is not on this machine; the message names the command that gets it.
        UsageError: the spec lacks a key of its source, or names a column or member that does not exist.
        IntegrityError: the file is damaged.
    """
    return _source(spec).rows(spec, base)


def how_to_get(spec: DataSpec) -> str:
    """Return how to get a data set: a command in backquotes, or words for a file of the suite's own."""
    return _source(spec).how_to_get(spec)


def missing_reason(spec: DataSpec) -> str:
    """Return why an evaluation task was not measured; records store the sentence, so it has no path of a machine."""
    rows = "" if spec.rows is None else f" with its {spec.rows} rows"
    return f"The data, {spec.place}{rows}, is missing. Get it ({how_to_get(spec)}), then rerun the same command."
