"""Parse strict JSON, write canonical JSON, and compute fingerprints, with the same bytes on every machine."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from benchmark.schema.errors import IntegrityError, Loc, Problem, TemperError, json_pointer, printable

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical_json(value: object) -> str:
    """Serialise a JSON value with sorted keys, no spaces and no non-finite numbers.

    Args:
        value: None, bool, int, float, str, or lists, tuples and string-keyed mappings of these.

    Raises:
        TemperError: the value holds NaN, an infinity or a type that JSON does not have; the message
            names its JSON pointer.
    """
    return json.dumps(_plain(value, ""), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: object) -> str:
    """Hash a JSON value: ``sha256:`` and the 64 hexadecimal digits of its canonical JSON in UTF-8."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Hash a file's bytes: ``sha256:`` and 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def lines_of(path: Path) -> list[bytes]:
    """Return the lines of a file of JSON lines, without their newlines.

    The file is split at newlines only: str.splitlines also splits at characters that JSON allows in a text, such as
    U+2028.
    """
    lines = path.read_bytes().split(b"\n")
    return lines if lines[-1] else lines[:-1]


def canonical_line(value: object, problems: Iterable[Problem], what: str) -> str:
    """Write a value as canonical JSON and a newline.

    Raises:
        IntegrityError: there are problems; all are listed.
    """
    if complaints := [f"{what} {problem}" for problem in problems]:
        raise IntegrityError("\n".join(complaints))
    return canonical_json(value) + "\n"


def parse_json(data: bytes) -> tuple[Any, list[Problem]]:
    """Parse UTF-8 JSON and report problems that the standard parser accepts or raises without a pointer.

    Returns:
        The value (None when it cannot be parsed) and the problems: bytes that are not UTF-8, a syntax error,
        nesting too deep to read, a duplicate key. NaN and infinities are left to the models.
    """
    marked: list[_Repeated] = []
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=lambda pairs: _object(pairs, marked))
        return value, list(_repeated(value, ())) if marked else []
    except UnicodeDecodeError as error:
        return None, [Problem("", f"is not UTF-8 at byte {error.start}; save the file as UTF-8.")]
    except RecursionError:
        return None, [Problem("", "is nested too deeply to be read; no record needs more than four levels.")]
    except ValueError as error:
        # ValueError covers JSONDecodeError and an integer of thousands of digits.
        detail = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return None, [Problem("", f"is not JSON ({printable(detail)}); an interrupted write leaves half a line.")]


class _Repeated(dict[str, Any]):
    """An object with duplicate keys, kept until its pointer is known."""

    duplicates: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]], marked: list[_Repeated]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = _Repeated(plain)
    times = Counter(name for name, _ in pairs)
    repeated.duplicates = tuple(name for name in plain if times[name] > 1)
    marked.append(repeated)
    return repeated


def _repeated(value: object, loc: Loc) -> Iterator[Problem]:
    if isinstance(value, _Repeated):
        for name in value.duplicates:
            yield Problem(json_pointer((*loc, name)), "is a duplicate key; keep one.")
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _repeated(item, (*loc, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _repeated(item, (*loc, index))


def _plain(value: object, pointer: str) -> Json:
    """Copy `value` into plain JSON types; the pointer is RFC 6901 and goes into the error."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemperError(f"{pointer or '/'}: {value} is not a JSON value; store null with a reason instead.")
        # Write -0.0 as 0.0: they are equal, so their hashes must be equal.
        return value + 0.0
    if isinstance(value, Mapping):
        return {_key(key, pointer): _plain(item, f"{pointer}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    raise TemperError(f"{pointer or '/'}: {type(value).__name__} is not a JSON type; convert it before hashing.")


def _key(key: object, pointer: str) -> str:
    if not isinstance(key, str):
        raise TemperError(f"{pointer or '/'}: the key {key!r} is not a string; JSON objects have string keys.")
    return key
