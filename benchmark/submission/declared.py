"""Hyper-parameters as a source declares them, read and not run: no tuned row may pass for one with the defaults."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any


def default_problems(
    method: Mapping[str, Any], overrides: Mapping[str, Any], carried: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a sentence for every hyper-parameter that is neither default, nor the suite's, nor in the configuration.

    Args:
        method: As the records have it.
        overrides: What the suite sets for it.
        carried: Its source texts.
    """
    written = dict(part.partition("=")[::2] for part in method["configuration"].split(",") if part)
    declared = {**_declared(carried), **overrides}
    for key in sorted(written.keys() - method["hyperparameters"].keys()):
        yield f"The configuration sets {key}, which is no hyper-parameter of {method['name']}."
    for key, value in sorted(method["hyperparameters"].items()):
        if key in written:
            if str(value) != written[key]:
                yield f"The configuration says {key}={written[key]}, the hyper-parameters say {value}."
        elif key in declared and declared[key] != value:
            yield (
                f"{method['name']} has {key} {value}, and neither its source nor the suite nor the configuration says "
                f"so: its default is {declared[key]}."
            )


def _declared(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that are written as constants, of a composition with the member before the key."""
    members = carried.get("members")
    if isinstance(members, Mapping):
        found = {name: _declared(texts) for name, texts in members.items()}
        return {f"{name}.{key}": value for name, defaults in found.items() for key, value in defaults.items()}
    lineage = sorted((int(number), name, text) for number, name, text in _classes(carried))
    defaults: dict[str, Any] = {}
    for _, name, text in reversed(lineage):
        defaults |= dict(_fields(name, text))
    return defaults


def _classes(carried: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, text in carried.items():
        number, colon, name = key.partition(":")
        if colon and number.isdigit() and isinstance(text, str):
            yield number, name, text


def _fields(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Fields of a class with constant defaults; a class variable is no field."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for cls in tree.body:
        if isinstance(cls, ast.ClassDef) and cls.name == name.rpartition(".")[2]:
            for node in cls.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                    yield from _constant(node, node.target.id)


def _constant(node: ast.AnnAssign, name: str) -> Iterator[tuple[str, Any]]:
    if "ClassVar" in ast.dump(node.annotation) or node.value is None:
        return
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return
    if value is None or isinstance(value, bool | int | float | str):
        yield name, value
