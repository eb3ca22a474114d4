"""Reading and writing of record and suite card files: strict JSON in, canonical JSON out."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.schema.canonical import canonical_json
from benchmark.schema.cards import Card
from benchmark.schema.errors import IntegrityError
from benchmark.schema.fields import Problem, child, printable
from benchmark.schema.migrations import migrate, migrate_card
from benchmark.schema.records import Record
from benchmark.schema.validation import validate_record, validate_suite_card


@dataclass(frozen=True, slots=True)
class Located:
    """A valid record and where it stands: file relative to its root folder, line from 1."""

    file: str
    line: int
    record: Record

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class _Repeated(dict[str, Any]):
    """An object that held a key twice; remembered until its pointer is known."""

    keys_twice: tuple[str, ...] = ()


def read_records(path: Path) -> list[Record]:
    """Read a file of records, one JSON object a line, migrated to the current schema and validated.

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
    # Not str.splitlines: it also splits at characters that a JSON text may hold, U+2028 for one.
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        value, problems = _parse(line, migrate, validate_record)
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        if not problems:
            records.append((number, value))
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return records


def read_suite_card(path: Path) -> Card:
    """Read a ``suite.json``, migrated to the current schema and validated.

    Raises:
        IntegrityError: one line ``file: pointer: message`` for each problem.
        OSError: the file cannot be read.
    """
    value, problems = _parse(path.read_bytes(), migrate_card, validate_suite_card)
    if problems:
        raise IntegrityError("\n".join(f"{path}: {problem}" for problem in problems))
    card: Card = value
    return card


def record_line(record: Record) -> str:
    """Write a record as its line in a file: canonical JSON and a newline.

    Raises:
        IntegrityError: the record is not valid; all problems are listed.
    """
    return _checked(record, validate_record(record), "record")


def suite_card_text(card: Card) -> str:
    """Write a suite card as the text of its file: canonical JSON and a newline.

    Raises:
        IntegrityError: the card is not valid; all problems are listed.
    """
    return _checked(card, validate_suite_card(card), "suite card")


def parse_json(data: bytes) -> tuple[Any, list[Problem]]:
    """Parse UTF-8 JSON and report what the standard parser lets pass or raises without a pointer.

    Returns:
        The value (None when it cannot be parsed) and the problems: bytes that are not UTF-8, a syntax error,
        nesting too deep to read, a key that an object holds twice. NaN and infinities are left to the field tables.
    """
    marked: list[_Repeated] = []
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=lambda pairs: _object(pairs, marked))
        return value, list(_repeated(value, "")) if marked else []
    except UnicodeDecodeError as error:
        return None, [Problem("", f"is not UTF-8 at byte {error.start}; save the file as UTF-8.")]
    except RecursionError:
        return None, [Problem("", "is nested too deeply to be read; no record needs more than four levels.")]
    except ValueError as error:
        # JSONDecodeError, or an integer of thousands of digits.
        detail = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return None, [Problem("", f"is not JSON ({printable(detail)}); an interrupted write leaves half a line.")]


def _parse(
    data: bytes, upgrade: Callable[[dict[str, Any]], dict[str, Any]], validate: Callable[[object], list[Problem]]
) -> tuple[Any, list[Problem]]:
    if not data.strip():
        return None, [Problem("", "is empty; remove the line or restore its content.")]
    value, problems = parse_json(data)
    if not isinstance(value, dict):
        return value, problems or validate(value)
    try:
        value = upgrade(value)
    except IntegrityError as error:
        pointer, _, message = str(error).partition(": ")
        return value, [*problems, Problem(pointer, message)]
    return value, problems + validate(value)


def _object(pairs: list[tuple[str, Any]], marked: list[_Repeated]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = _Repeated(plain)
    times = Counter(name for name, _ in pairs)
    repeated.keys_twice = tuple(name for name in plain if times[name] > 1)
    marked.append(repeated)
    return repeated


def _repeated(value: object, pointer: str) -> Iterator[Problem]:
    if isinstance(value, _Repeated):
        for name in value.keys_twice:
            yield Problem(child(pointer, printable(name)), "stands twice in one object; keep one.")
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _repeated(item, child(pointer, printable(name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _repeated(item, child(pointer, index))


def _checked(value: dict[str, Any], problems: list[Problem], what: str) -> str:
    if problems:
        raise IntegrityError("\n".join(f"{what} {problem}" for problem in problems))
    return canonical_json(value) + "\n"
