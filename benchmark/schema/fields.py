"""The vocabulary of the field tables: each kind of value knows what is legal and how to say what is not."""

import marshal
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from benchmark.schema.errors import nearest

# Beyond this, JSON readers that use doubles (every browser) no longer see the number that was written.
LARGEST_WHOLE = 2**53

_REMEMBERED = 10_000

# Control characters, lone surrogates and explicit bidirectional overrides: they cannot be encoded, break a
# terminal, or make a page show something other than what is stored.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (an RFC 6901 JSON pointer, empty for the whole value), what, and the fix."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(whole value)'}: {self.message}"


class Kind(Protocol):
    """What a field of a table may hold."""

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield everything that is wrong with `value`, which stands at `pointer`."""
        ...


def child(pointer: str, key: str | int) -> str:
    """Extend a JSON pointer by one step, escaped as RFC 6901 asks."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


@cache
def steps(pointer: str) -> tuple[str, ...]:
    """Split a JSON pointer without escapes, one of the few that are written in this program."""
    return tuple(pointer.split("/")[1:])


def printable(text: str) -> str:
    """Replace every character that a record refuses by U+FFFD, for text that comes from elsewhere (an exception)."""
    return _UNPRINTABLE.sub("\ufffd", text)


def excerpt(text: str, limit: int) -> str:
    """Make a text printable and at most `limit` characters long; a cut one ends in the number of those left out."""
    text = printable(text)
    if len(text) <= limit:
        return text
    kept = limit - _ROOM
    return f"{text[:kept]}… ({len(text) - kept:,} more characters)"


_ROOM = 40
"""Characters that the end of a cut text takes at most; limits are far above it."""


def describe(value: object) -> str:
    """Name a JSON value in an error: its type, and the value itself where it is short."""
    names = {dict: "an object", list: "a list", type(None): "null", bool: "true or false"}
    if type(value) in names:
        return names[type(value)]
    if isinstance(value, str):
        return f"the text {printable(value[:60])!r}" + ("…" if len(value) > 60 else "")
    if isinstance(value, float | int):
        return f"the number {value}" if abs(value) < 1e300 else "a number out of range"
    return f"a Python {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `pattern` must match all of it, `rule` says in words what the pattern asks for."""

    rule: str = "a text"
    pattern: str = ""
    empty: bool = False
    limit: int = 20_000

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type, an empty, overlong or unprintable text, or one the pattern refuses."""
        if not isinstance(value, str):
            yield Problem(pointer, f"is {describe(value)}; write {self.rule}.")
        elif not value and not self.empty:
            yield Problem(pointer, f"is empty; write {self.rule}.")
        elif len(value) > self.limit:
            yield Problem(pointer, f"has {len(value)} characters; shorten it to at most {self.limit}.")
        elif found := _UNPRINTABLE.search(value):
            yield Problem(pointer, f"holds the unprintable character U+{ord(found[0]):04X}; remove it.")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            yield Problem(pointer, f"is {describe(value)}; write {self.rule}.")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem, with the nearest word, for everything else."""
        if not isinstance(value, str):
            yield Problem(pointer, f"is {describe(value)}; write one of {', '.join(self.words)}.")
        elif value not in self.words:
            yield Problem(pointer, f"is {describe(value)}. {nearest(value, self.words)}")


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer of at least `minimum`; true and false are not numbers."""

    minimum: int = 0

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type or an integer out of range."""
        if not isinstance(value, int) or isinstance(value, bool):
            yield Problem(pointer, f"is {describe(value)}; write a whole number of at least {self.minimum}.")
        elif not self.minimum <= value <= LARGEST_WHOLE:
            yield Problem(pointer, f"is {value}; write a whole number from {self.minimum} to {LARGEST_WHOLE}.")


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number; true and false are not numbers."""

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type, NaN, an infinity or an integer that a double cannot hold."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield Problem(pointer, f"is {describe(value)}; write a finite number.")
        elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
            yield Problem(pointer, f"is an integer beyond {LARGEST_WHOLE}; write a number that a double can hold.")
        elif not math.isfinite(value):
            yield Problem(pointer, f"is {value}, which is not a value; write null, another status and the reason.")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for everything else."""
        if not isinstance(value, bool):
            yield Problem(pointer, f"is {describe(value)}; write true or false.")


@dataclass(frozen=True, slots=True)
class Scalar:
    """The value of a hyper-parameter: true, false, null, a finite number or a text, empty ones too."""

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for an object, a list, a number that is not finite or an unprintable text."""
        if isinstance(value, str):
            yield from Text(empty=True).problems(value, pointer)
        elif isinstance(value, dict | list):
            yield Problem(pointer, f"is {describe(value)}; write a text, a number, true, false or null.")
        elif value is not None and not isinstance(value, bool):
            yield from Number().problems(value, pointer)


@dataclass(frozen=True, slots=True)
class Maybe:
    """Null, or what `kind` allows."""

    kind: Kind

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield the problems of a value that is not null."""
        if value is not None:
            yield from self.kind.problems(value, pointer)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of `minimum` to `maximum` values of one kind."""

    kind: Kind
    minimum: int = 0
    maximum: int = 100_000

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type or a wrong length, and the problems of every item."""
        if not isinstance(value, list):
            yield Problem(pointer, f"is {describe(value)}; write a list.")
        elif not self.minimum <= len(value) <= self.maximum:
            yield Problem(pointer, f"holds {len(value)} items; write {self.minimum} to {self.maximum}.")
        elif not _all_finite_floats(self.kind, value):
            for index, item in enumerate(value):
                yield from self.kind.problems(item, child(pointer, index))


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with free keys, each of kind `key`, and values of one kind."""

    kind: Kind
    key: Text = Text("a name")

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type, and the problems of every key and value."""
        if not isinstance(value, dict):
            yield Problem(pointer, f"is {describe(value)}; write an object.")
            return
        for name, item in value.items():
            where = child(pointer, printable(name))
            for problem in self.key.problems(name, where):
                yield Problem(problem.pointer, f"as a key, {problem.message}")
            yield from self.kind.problems(item, where)


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with exactly these keys; those in `optional` may be absent."""

    fields: Mapping[str, Kind]
    optional: frozenset[str] = frozenset()

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for another type, each missing and each unknown key, and the problems of every field."""
        if not isinstance(value, dict):
            yield Problem(pointer, f"is {describe(value)}; write an object with {', '.join(self.fields)}.")
            return
        for name, kind in self.fields.items():
            if name in value:
                # A declared name has nothing to escape.
                yield from kind.problems(value[name], f"{pointer}/{name}")
            elif name not in self.optional:
                yield Problem(child(pointer, name), "is missing; add it.")
        for name in value:
            if name not in self.fields:
                shown = printable(name)
                yield Problem(child(pointer, shown), f"is an unknown key; remove it. {nearest(shown, self.fields)}")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What `kind` allows, where the same values come again and again: one that was valid is not looked at twice."""

    kind: Kind
    known: set[bytes] = field(default_factory=set)

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield the problems of a value that has not been found valid before."""
        try:
            # Unlike ==, this tells 1 from 1.0 and from true.
            key = marshal.dumps(value, 2)  # type: ignore[arg-type]
        except ValueError:
            yield from self.kind.problems(value, pointer)
            return
        if key in self.known:
            return
        found = list(self.kind.problems(value, pointer))
        if not found and len(self.known) < _REMEMBERED:
            self.known.add(key)
        yield from found


def shape(*, optional: Iterable[str] = (), **fields: Kind) -> Shape:
    """Declare an object; its keys are required unless `optional` names them."""
    return Shape(fields, frozenset(optional))


def _all_finite_floats(kind: Kind, values: Sequence[object]) -> bool:
    """Settle the common case, hundreds of replicates in each of many records, without a call an item."""
    return isinstance(kind, Number) and all(type(v) is float for v in values) and all(map(math.isfinite, values))  # type: ignore[arg-type]
