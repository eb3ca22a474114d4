"""The folder of numbers that papers print: one file of records a paper, without cards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.schema.errors import IntegrityError
from benchmark.schema.reading import Located, read_numbered_records


def published_files(published: Path | None) -> tuple[Path, ...]:
    """The files of a folder of published records, one a paper, by name; none where there is no folder."""
    return () if published is None else tuple(sorted(published.glob("[!.]*.jsonl")))


def read_published(published: Path | None) -> tuple[Located, ...]:
    """Read what papers print: ``<paper>.jsonl`` files of published records.

    Raises:
        IntegrityError: a file is not what it must be; the message lists every problem of every file, one a line.
    """
    found: list[Located] = []
    complaints: list[str] = []
    for path in published_files(published):
        try:
            located = [Located(f"published/{path.name}", line, record) for line, record in read_numbered_records(path)]
        except IntegrityError as error:
            complaints.append(str(error))
            continue
        found += located
        for this in (this for this in located if this.record["kind"] != "published"):
            complaints.append(f"{path}:{this.line}: /kind: is measured; only what a paper prints belongs here.")
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return tuple(found)


def suite_of(record: Mapping[str, Any]) -> str:
    """Name a record's suite and version as its folder is called: ``demo@2``."""
    return f"{record['suite']['name']}@{record['suite']['version']}"
