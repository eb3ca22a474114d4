"""What a source declares, read and not run: its words, and the defaults that no tuned row may pass for."""

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


def described(name: str, carried: Mapping[str, Any]) -> tuple[str, str]:
    """Documentation and paper of a method, as its class would give them.

    Args:
        name: The method's name, or several joined by ``+``.
        carried: Its source texts.
    """
    members = carried.get("members")
    if isinstance(members, Mapping):
        parts = name.split("+")
        named = dict.fromkeys(described(part, members[part])[1] for part in parts)
        return f"{' and '.join(parts)}, composed.", "; ".join(named)
    bodies = [cls for place, text in _lineage(carried) for cls in _bodies(place, text)]
    docs, papers = (ast.get_docstring(cls) for cls in bodies), (_paper(cls) for cls in bodies)
    return next(filter(None, docs), ""), next(filter(None, papers), "")


def _paper(cls: ast.ClassDef) -> str:
    """The paper that a class body names; empty where it inherits it."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "paper":
            value = node.value.value if isinstance(node.value, ast.Constant) else ""
            return value if isinstance(value, str) else ""
    return ""


def _declared(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that are written as constants, of a composition with the member before the key."""
    members = carried.get("members")
    if isinstance(members, Mapping):
        found = {name: _declared(texts) for name, texts in members.items()}
        return {f"{name}.{key}": value for name, defaults in found.items() for key, value in defaults.items()}
    defaults: dict[str, Any] = {}
    for name, text in reversed(_lineage(carried)):
        defaults |= dict(_fields(name, text))
    return defaults


def _lineage(carried: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and module text of each class of a source, the method's own first."""
    parts = ((*key.partition(":"), text) for key, text in carried.items())
    numbered = [
        (int(n), name, text) for n, colon, name, text in parts if colon and n.isdigit() and isinstance(text, str)
    ]
    return [(name, text) for _, name, text in sorted(numbered)]


def _fields(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Fields of a class with constant defaults; a class variable is no field."""
    for cls in _bodies(name, text):
        for node in cls.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                yield from _constant(node, node.target.id)


def _bodies(name: str, text: str) -> Iterator[ast.ClassDef]:
    """A class of a module's text, by its name; none where the text is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    wanted = name.rpartition(".")[2]
    yield from (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted)


def _constant(node: ast.AnnAssign, name: str) -> Iterator[tuple[str, Any]]:
    if "ClassVar" in ast.dump(node.annotation) or node.value is None:
        return
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return
    if value is None or isinstance(value, bool | int | float | str):
        yield name, value
