"""Read files of records: one JSON object per line, migrated to the current schema and validated."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.schema.canonical import parse_json
from benchmark.schema.errors import IntegrityError, Problem
from benchmark.schema.migrations import migrate
from benchmark.schema.record import RECORD, Record, contradictions, validate_record

_LOOSE_KEY = re.compile(rb'"[ \t\r]+:')
"""A key with white space before its colon, which canonical JSON does not have."""


@dataclass(frozen=True, slots=True)
class Located:
    """A valid record and its place: file relative to its root folder, line from 1."""

    file: str
    line: int
    record: Record

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read_records(path: Path) -> list[Record]:
    """Read a file of records, one JSON object per line, migrated to the current schema and validated.

    Raises:
        IntegrityError: one line ``file:line: pointer: message`` for each problem of the whole file.
        OSError: the file cannot be read.
    """
    return [record for _, record in read_numbered_records(path)]


def read_numbered_records(path: Path) -> list[tuple[int, Record]]:
    """Read as `read_records` does, each record with its line number, from 1.

    Raises:
        IntegrityError: one line ``file:line: pointer: message`` for each problem of the whole file.
        OSError: the file cannot be read.
    """
    records: list[tuple[int, Record]] = []
    complaints: list[str] = []
    # Split at newlines only: str.splitlines also splits at characters that JSON allows in a text, such as U+2028.
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        record, problems = _current(line), list[Problem]()
        if record is None:
            record, problems = _any_version(line)
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        records.append((number, record))
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return records


def read_published(published: Path | None) -> tuple[Located, ...]:
    """Read published records from their ``<paper>.jsonl`` files.

    Raises:
        IntegrityError: a file is invalid; the message lists every problem of every file, one per line.
    """
    located: list[Located] = []
    complaints: list[str] = []
    for path in published_files(published):
        try:
            records = read_numbered_records(path)
        except IntegrityError as error:
            complaints.append(str(error))
            continue
        located += [Located(f"published/{path.name}", line, record) for line, record in records]
        for line, record in records:
            if record["kind"] != "published":
                complaints.append(f"{path}:{line}: /kind: is measured; only what a paper prints belongs here.")
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return tuple(located)


def published_files(published: Path | None) -> tuple[Path, ...]:
    """List the files of published records in a folder, one per paper, by name; empty if the folder does not exist."""
    return () if published is None else tuple(sorted(published.glob("[!.]*.jsonl")))


def _current(line: bytes) -> Record | None:
    """Read a valid line of the current schema in one pass; None for every other line."""
    try:
        record: Record = RECORD.adapter.validate_json(line)
    except ValidationError:
        return None
    # Compare the number of keys to detect duplicates, of which pydantic keeps only the last.
    keys = len(record) + len(record["method"]["hyperparameters"])
    for part in record.values():
        if type(part) is dict:
            keys += len(part)
    if line.count(b'":') != keys or _LOOSE_KEY.search(line) or any(contradictions(record)):
        return None
    return record


def _any_version(line: bytes) -> tuple[Any, list[Problem]]:
    """Read a line of any schema version, and list all of its problems."""
    if not line.strip():
        return None, [Problem("", "is empty; remove the line or restore its content.")]
    value, problems = parse_json(line)
    if not isinstance(value, dict):
        return value, problems or validate_record(value)
    try:
        value = migrate(value)
    except IntegrityError as error:
        pointer, _, message = str(error).partition(": ")
        return value, [*problems, Problem(pointer, message)]
    return value, problems + validate_record(value)
