"""Annotated types, taken apart and put into words: for the loader's messages and for the reference in the docs."""

import types
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from benchmark.data.constraints import NONEMPTY, ClassIndex, Constraint


def keys_of(cls: Any) -> tuple["Field[Any]", ...]:
    """The fields of a dataclass that are keys in a file."""
    return tuple(item for item in fields(cls) if item.metadata.get("key", True))


def type_hints(cls: Any) -> Mapping[str, Any]:
    """Annotations of a dataclass with their constraints; cached, since resolving them is the slow part."""
    return _type_hints(cls)


@cache
def _type_hints(cls: Any) -> Mapping[str, Any]:
    return get_type_hints(cls, include_extras=True)


def unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a type into its core and its constraints; `X | None` is X, for TOML has no null: such a key is left out."""
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            kind, *found = get_args(kind)
            metadata += tuple(found)
            continue
        members = [item for item in get_args(kind) if item is not type(None)]
        if get_origin(kind) not in (types.UnionType, Union) or len(members) != 1:
            return kind, metadata
        kind = members[0]


def describe(kind: Any) -> str:
    """A type with its constraints in words: "an integer, at least 1", "a list, each a text"."""
    core, metadata = unwrap(kind)
    if any(isinstance(found, ClassIndex) for found in metadata):
        return "a class of the task, by name or by number"
    rules = [
        found.rule.removeprefix("be ") for found in metadata if isinstance(found, Constraint) and found != NONEMPTY
    ]
    return ", ".join((_core(core), *rules))


def _core(core: Any) -> str:
    origin = get_origin(core)
    if is_dataclass(core):
        return "a table"
    if origin is Literal:
        return " or ".join(f'`"{choice}"`' for choice in get_args(core))
    if origin in (types.UnionType, Union):
        return "a text, number, true or false"
    if origin is tuple:
        return f"a list, each {describe(get_args(core)[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"a table, each value {describe(get_args(core)[1])}"
    return _NAMES[core]


def example_of(kind: Any) -> str:
    """How a value of a type is written in TOML."""
    core, _ = unwrap(kind)
    origin = get_origin(core)
    if origin is Literal:
        return f'"{get_args(core)[0]}"'
    if origin is tuple:
        return f"[{example_of(get_args(core)[0])}]"
    return _EXAMPLES.get(core, "{ … }")


_NAMES: Final = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}
_EXAMPLES: Final = {str: '"…"', int: "1", float: "0.5", bool: "true"}


def show(raw: object) -> str:
    """A wrong value, shortened, as TOML would write it."""
    if isinstance(raw, str):
        return f"the text {raw[:60]!r}"
    if isinstance(raw, Mapping):
        return "a table"
    if isinstance(raw, bool):
        return str(raw).lower()
    return f"a list of {len(raw)}" if isinstance(raw, list) else str(raw)
