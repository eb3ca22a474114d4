"""Canonical JSON and fingerprints: the same value always gives the same bytes, on every machine."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from benchmark.schema.errors import TemperError

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


def _plain(value: object, pointer: str) -> Json:
    """Copy `value` into plain JSON types; the pointer is RFC 6901 and goes into the error."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemperError(f"{pointer or '/'}: {value} is not a JSON value; store null with a reason instead.")
        # -0.0 and 0.0 are equal, so they must not differ in a hash.
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
