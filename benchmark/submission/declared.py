"""What a source declares, read and not run: its words, and the defaults that no tuned row may pass for."""

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_UNKNOWN = object()
"""Stands for a default that is computed."""


def declaration_problems(
    method: Mapping[str, Any], overrides: Mapping[str, Any], carried: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a sentence for a version, a hyper-parameter or a configuration that the source does not bear out.

    Args:
        method: As the records have it.
        overrides: What the suite sets for it.
        carried: Its source texts.
    """
    yield from _version_problems(method, carried)
    pairs = [part.partition("=")[::2] for part in method["configuration"].split(",") if method["configuration"]]
    written = dict(pairs)
    if len(written) < len(pairs) or "" in written:
        yield f"The configuration {method['configuration']!a} is not key=value once for each key."
        return
    known, names = method["hyperparameters"], set(_names(carried))
    for key in sorted(written.keys() - known.keys()):
        yield f"The configuration sets {key}, which is no hyper-parameter of {method['name']}."
    for key in sorted(known.keys() - names):
        yield f"{method['name']} has no hyper-parameter {key!a} in its source; the records give it {known[key]!a}."
    declared = {**_declared(carried), **{_full(key, names): value for key, value in overrides.items()}}
    for key in sorted(declared.keys() - known.keys()):
        yield f"{method['name']} has the hyper-parameter {key} in its source, of which the records say nothing."
    for key in sorted(known.keys() & names):
        yield from _value_problems(method["name"], key, known[key], written.get(key), declared.get(key, _UNKNOWN))


def _value_problems(name: str, key: str, value: Any, written: str | None, default: Any) -> Iterator[str]:
    """Hold a hyper-parameter against its default and what the configuration says."""
    differs = default is _UNKNOWN or default != value or isinstance(default, bool) != isinstance(value, bool)
    if written is None:
        if differs and default is not _UNKNOWN:
            yield (
                f"{name} has {key} {value}, and neither its source nor the suite nor the configuration says so: its "
                f"default is {default}."
            )
    elif str(value) != written:
        yield f"The configuration says {key}={written}, the hyper-parameters say {value}."
    elif not differs:
        yield f"The configuration sets {key} to {value}, which it is anyway; a row of its own differs from the default."


def _version_problems(method: Mapping[str, Any], carried: Mapping[str, Any]) -> Iterator[str]:
    """A composition's version is its members', which their sources say."""
    if isinstance(carried.get("members"), Mapping):
        return
    bodies = [cls for place, text in _lineage(carried) for cls in _bodies(place, text)]
    stated = next(filter(None, (_text_of(cls, "version") for cls in bodies)), "")
    if stated and stated != method["version"]:
        yield f"The source of {method['name']} is of version {stated}; the records say {method['version']}."


def _full(key: str, names: Collection[str]) -> str:
    """A key as the hyper-parameters have it: in a composition a suite may leave out the member."""
    ends = [name for name in names if name.endswith(f".{key}")]
    return ends[0] if key not in names and len(ends) == 1 else key


def _names(carried: Mapping[str, Any]) -> Iterator[str]:
    """Names of all fields, also of those whose default is computed."""
    members = carried.get("members")
    if isinstance(members, Mapping):
        yield from (f"{name}.{key}" for name, texts in members.items() for key in _names(texts))
        return
    for place, text in _lineage(carried):
        for cls in _bodies(place, text):
            yield from (name for node in cls.body if (name := _field_name(node)))


def _field_name(node: ast.stmt) -> str:
    """Name of an annotated attribute that is no class variable; empty for anything else."""
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        return ""
    kind = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
    named = kind.attr if isinstance(kind, ast.Attribute) else kind.id if isinstance(kind, ast.Name) else ""
    return "" if named == "ClassVar" else node.target.id


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
    docs, papers = (ast.get_docstring(cls) for cls in bodies), (_text_of(cls, "paper") for cls in bodies)
    return next(filter(None, docs), ""), next(filter(None, papers), "")


def _text_of(cls: ast.ClassDef, name: str) -> str:
    """The text that a class body sets a class variable to; empty where it inherits it."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
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
    """Fields of a class with constant defaults."""
    for cls in _bodies(name, text):
        for node in cls.body:
            if (field := _field_name(node)) and isinstance(node, ast.AnnAssign) and node.value is not None:
                yield from _constant(node.value, field)


def _bodies(name: str, text: str) -> Iterator[ast.ClassDef]:
    """A class of a module's text, by its name; none where the text is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    wanted = name.rpartition(".")[2]
    yield from (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted)


def _constant(node: ast.expr, name: str) -> Iterator[tuple[str, Any]]:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return
    if value is None or isinstance(value, bool | int | float | str):
        yield name, value
