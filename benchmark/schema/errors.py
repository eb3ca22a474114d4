"""The errors that every layer raises, and the formatter of the problems of a file.

A message says what is wrong, where, and what to do next.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Loc: TypeAlias = tuple[str | int, ...]
JsonSchema: TypeAlias = Mapping[str, Any]

LARGEST_WHOLE = 2**53
"""Beyond this, JSON readers that use doubles (every browser) read a different number."""

UNPRINTABLE = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
"""Control characters and explicit bidirectional overrides, as the inside of a character class. They break a terminal,
or make a page show something other than what is stored."""

_REFUSED = re.compile(f"[{UNPRINTABLE}\ud800-\udfff]")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of controls, format characters, surrogates and separators of lines and paragraphs."""

_CUT_NOTE = 40
"""Maximum length of the end of a cut text; limits are far above it."""

_RENAMED = {"probe": "task", "probes": "tasks"}
"""Keys of older formats, and what they are called now."""


class TemperError(Exception):
    """Something failed. The command line prints the sentence and exits with `exit_code`."""

    exit_code = 1


class UsageError(TemperError):
    """The caller asked for something that does not exist or does not fit; the exit code is 2."""

    exit_code = 2


class IntegrityError(TemperError):
    """A file is not what its hash, size or schema says it must be."""


class UnavailableError(TemperError):
    """A resource, data set or optional library is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and the fix.

    Attributes:
        pointer: RFC 6901 pointer in JSON, key path in TOML; empty for the whole value.
        message: A sentence that continues from the pointer.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(whole value)'}: {self.message}"


def counted(count: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it needs one: ``1 mistake``, ``2 mistakes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nearest(name: str, known: Iterable[str]) -> str:
    """End an error message with the nearest known name and the list of known names.

    Returns:
        Text such as ``Did you mean 'roast'? Known: roast, vanilla.``; at most 20 names are listed.
    """
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}Known: {shown}{more}."


def printable(text: str) -> str:
    """Replace every character that a record refuses by U+FFFD, for text from other sources such as exceptions."""
    return _REFUSED.sub("\ufffd", text)


def visible(text: str) -> str:
    """Write every character that a reader would not see, such as U+200B, as ``<U+200B>``; tabs and line feeds stay."""
    if text.isprintable():
        return text
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN and char not in "\t\n" else char
        for char in text
    )


def excerpt(text: str, limit: int) -> str:
    """Make a text printable and at most `limit` characters long; a cut text ends with the omitted number."""
    text = printable(text)
    if len(text) <= limit:
        return text
    kept = limit - _CUT_NOTE
    return f"{text[:kept]}… ({len(text) - kept:,} more characters)"


def on_one_line(error: Exception, limit: int = 300) -> str:
    """Write the type and message of an error of another library on one line."""
    return excerpt(" ".join(f"{type(error).__name__}: {error}".split()), limit)


def describe(value: object) -> str:
    """Name a value of JSON or TOML in an error: its type, and the value itself if it is short."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    if type(value) in names:
        return names[type(value)]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {printable(value[:60])!r}" + ("…" if len(value) > 60 else "")
    if isinstance(value, float | int):
        return f"the number {value}" if abs(value) < 1e300 else "a number out of range"
    return f"a Python {type(value).__name__}"


def json_pointer(loc: Loc, _value: object = None) -> str:
    """Write a place as an RFC 6901 pointer: ``/environment/a~1b``."""
    return "".join(f"/{printable(str(step)).replace('~', '~0').replace('/', '~1')}" for step in loc)


def key_path(loc: Loc, value: object) -> str:
    """Write a place as a TOML key path; the entries of a list are named by their id: ``tasks[shop].data.limit``."""
    path = ""
    for step in loc:
        if isinstance(value, Mapping):
            value = value.get(step)
        else:
            inside = isinstance(value, list) and isinstance(step, int) and step < len(value)
            value = value[step] if inside else None  # type: ignore[index]  # inside: a list
        if isinstance(step, int):
            name = value.get("id") if isinstance(value, Mapping) else None
            path += f"[{name}]" if isinstance(name, str) and name else f"[#{step + 1}]"
        else:
            path += f".{step}" if path else step
    return path


def problems_in(
    errors: Iterable["ErrorDetails"],
    schema: JsonSchema,
    value: object,
    pointer: Callable[[Loc, object], str] = json_pointer,
) -> list[Problem]:
    """Turn what pydantic found into sentences.

    Args:
        errors: `ValidationError.errors()`.
        schema: JSON Schema of the value, with all legal names and types.
        value: The value that was read.
        pointer: Formats a place; `json_pointer` or `key_path`.

    Returns:
        Problems in pydantic's order without duplicates: a value that fits no member of a union is one problem.
    """
    problems: dict[Problem, None] = {}
    noun = "a table" if pointer is key_path else "an object"
    for error in errors:
        loc, expected, parent = _follow(schema, error["loc"])
        if error["type"] == RULES:
            for inside, sentence in error["ctx"]["problems"]:
                problems[Problem(pointer((*loc, *inside), value), sentence)] = None
            continue
        sentence = _sentence(error, expected, parent, noun)
        problems[Problem(pointer(loc, value), sentence)] = None
    return list(problems)


RULES = "rules"
"""Type of an error with several problems: pairs of a place, relative to the error's, and a sentence."""


def words(schema: JsonSchema, noun: str = "an object") -> str:
    """Describe the value that a JSON Schema requires: "a whole number of at least 1", "one of csv, tsv".

    Args:
        schema: JSON Schema of one value.
        noun: The name of an object: "a table" in TOML.
    """
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return f"one of {', '.join(map(str, choices))}" if len(choices) > 1 else str(choices[0])
    if "anyOf" in schema:
        return _united(schema["anyOf"], noun)
    kind = schema.get("type")
    if kind == "object":
        names = ", ".join(schema.get("properties", ()))
        return f"{noun} with {names}" if names else noun
    if kind == "array":
        return f"a list{_length(schema)}"
    if "title" in schema:
        return str(schema["title"])
    plain = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text"}
    limits = _range(schema)
    return "a finite number" if kind == "number" and not limits else f"{plain.get(str(kind), 'a value')}{limits}"


def _united(members: Sequence[JsonSchema], noun: str) -> str:
    kinds = [member.get("type") for member in members]
    null = " or null" if "null" in kinds else ""
    if {"integer", "number"} == {*kinds} - {"null"}:
        limits = _range(members[kinds.index("number")])
        return f"a number{limits}{null}" if limits else f"a finite number{null}"
    if {"boolean", "integer", "number", "string"} == {*kinds} - {"null"}:
        return f"a text, a number, true{', false' if null else ' or false'}{null}"
    return " or ".join(words(member, noun) for member in members if member.get("type") != "null") + null


def _range(schema: JsonSchema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    high = None if high == LARGEST_WHOLE else high
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    ends = {"of at least": low, "above": above, "of at most" if low is above is None else "at most": high,
            "below": below}  # fmt: skip
    limits = [f"{word} {end:g}" for word, end in ends.items() if end is not None]
    return f" {' and '.join(limits)}" if limits else ""


def _length(schema: JsonSchema) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if high is None:
        return f" of {counted(low, 'item')} or more" if low else ""
    return f" of {low} to {high} items" if low != high else f" of {counted(low, 'item')}"


def _follow(schema: JsonSchema, loc: Loc) -> tuple[Loc, JsonSchema, JsonSchema]:
    """Follow an error's place through a JSON Schema.

    Returns:
        The place without pydantic's labels of union members, the schema of its value, and the schema of its parent.
    """
    root, parent, kept = schema, schema, []
    schema = _resolved(schema, root)
    for step in loc:
        if step == "[key]":
            schema = schema.get("propertyNames", {"title": "a name"})
            continue
        inner = next(_inner(schema, root, step), None)
        if inner is None and step is not loc[-1]:
            continue
        if inner is None and not _holds_keys(schema, root):
            continue
        parent, schema = schema, _resolved(inner or {}, root)
        kept.append(step)
    return tuple(kept), schema, parent


def _inner(schema: JsonSchema, root: JsonSchema, step: str | int) -> Iterator[JsonSchema]:
    for option in (_resolved(member, root) for member in schema.get("anyOf", (schema,))):
        if isinstance(step, int) and option.get("type") == "array":
            prefix = option.get("prefixItems", ())
            yield prefix[step] if step < len(prefix) else option.get("items", {})
        elif isinstance(step, str) and option.get("type") == "object":
            if step in option.get("properties", ()):
                yield option["properties"][step]
            elif isinstance(option.get("additionalProperties"), Mapping):
                yield option["additionalProperties"]
            elif option.get("patternProperties"):
                yield next(iter(option["patternProperties"].values()))


def _holds_keys(schema: JsonSchema, root: JsonSchema) -> bool:
    return any("properties" in _resolved(member, root) for member in schema.get("anyOf", (schema,)))


def _resolved(schema: JsonSchema, root: JsonSchema) -> JsonSchema:
    """Follow a reference, and remove null from an optional value, since an error is never about null."""
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    members = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    return _resolved(members[0], root) if len(members) == 1 else schema


def _sentence(error: "ErrorDetails", expected: JsonSchema, parent: JsonSchema, noun: str) -> str:
    value, kind = error["input"], error["type"]
    if kind == "missing":
        return f"is missing; add {words(expected, noun)}."
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        name = printable(str(error["loc"][-1]))
        known = parent.get("properties", ())
        if _RENAMED.get(name) in known:
            return f"is now called {_RENAMED[name]!r}; rename it."
        return f"is an unknown key; remove it. {nearest(name, known)}"
    if kind == "sentence":
        return error["msg"]
    prefix = "as a key, " if error["loc"][-1:] == ("[key]",) else ""
    return prefix + _mismatch(value, expected, noun)


def _mismatch(value: object, expected: JsonSchema, noun: str) -> str:
    """Say what is expected and what the value is instead; the wording depends on the value."""
    if isinstance(value, str):
        return _text_mismatch(value, expected, noun)
    if isinstance(value, float) and not math.isfinite(value):
        wanted = "a finite number" if "anyOf" in expected else words(expected, noun)
        return f"is {value}, which is not a value; write {wanted}."
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_WHOLE:
        return f"is an integer beyond {LARGEST_WHOLE}; write a smaller number."
    if isinstance(value, list) and expected.get("type") == "array":
        return f"holds {counted(len(value), 'item')}; write {words(expected, noun)}."
    return f"is {describe(value)}; write {words(expected, noun)}."


def _text_mismatch(value: str, expected: JsonSchema, noun: str) -> str:
    texts = [one for one in expected.get("anyOf", (expected,)) if one.get("type") == "string"]
    limit = texts[0].get("maxLength") if texts else None
    if "enum" in expected:
        return f"is {describe(value)}. {nearest(value, expected['enum'])}"
    if texts and not value.strip():
        return f"is empty; write {words(expected, noun)}."
    if limit is not None and len(value) > limit:
        return f"has {len(value)} characters; shorten it to at most {limit}."
    if texts and (refused := _REFUSED.search(value)):
        return f"holds the unprintable character U+{ord(refused[0]):04X}; remove it."
    return f"is {describe(value)}; write {words(expected, noun)}."
