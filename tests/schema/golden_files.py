"""The golden files: valid values, their bytes, edits that make them invalid, and what older versions wrote."""

import copy
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "v2"
OLDER = GOLDEN.with_name("v1")
VALID = ("measured", "published", "unavailable", "suite")
INVALID = sorted(path.stem for path in (GOLDEN / "invalid").glob("*.json"))
UNREADABLE = sorted(path.stem for path in (GOLDEN / "unreadable").glob("*.jsonl"))


def golden(name: str) -> dict[str, Any]:
    """Load one of the valid golden values."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def edited(base: dict[str, Any], changes: dict[str, Any], remove: list[str]) -> dict[str, Any]:
    """Copy a value, set what stands at some JSON pointers and remove what stands at others."""
    value = copy.deepcopy(base)
    for pointer, item in changes.items():
        holder, last = _holder(value, pointer)
        holder[last] = item
    for pointer in remove:
        holder, last = _holder(value, pointer)
        del holder[last]
    return value


def _holder(value: Any, pointer: str) -> tuple[Any, Any]:
    *way, last = pointer.split("/")[1:]
    for step in way:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value, int(last) if isinstance(value, list) else last
