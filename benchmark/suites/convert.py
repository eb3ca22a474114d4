"""From parsed TOML to frozen dataclasses: one mechanism for every table, driven by the dataclasses' own annotations.

Nothing here knows what a suite is. Every mistake is collected with its key path; nothing stops at the first one.
"""

import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, is_dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from benchmark.data.constraints import ClassIndex, Constraint
from benchmark.schema.errors import nearest
from benchmark.suites.kinds import describe, example_of, keys_of, show, type_hints, unwrap

T = TypeVar("T")
Problem: TypeAlias = tuple[str, str]
"""Key path and sentence."""


class Missing:
    """Stands for a value that could not be read; the problem is noted, so nothing is ever built from it."""


MISTAKE: Final = Missing()


@dataclass(slots=True)
class Problems:
    """Everything wrong with a file so far, as (key path, sentence)."""

    found: list[Problem] = field(default_factory=list)

    def add(self, where: str, sentence: str) -> Missing:
        """Note a problem; returns the stand-in for the value."""
        self.found.append((where, sentence))
        return MISTAKE


@dataclass(frozen=True, slots=True)
class Converter:
    """Reads values of parsed TOML into annotated types.

    Attributes:
        problems: receives what is wrong.
        classes: names that may stand for class numbers.
        checks: dataclass -> what must hold inside one, as problems with key paths that start inside it.
    """

    problems: Problems
    classes: Sequence[str] = ()
    checks: Mapping[type, Callable[[Any], Iterable[Problem]]] = field(default_factory=dict)

    def table(self, cls: type[T], raw: object, where: str, **given: object) -> T | Missing:
        """Read a table into a dataclass; `given` fills the fields that are no keys."""
        if not isinstance(raw, Mapping):
            return self.problems.add(where, f"{show(raw)} where a table is needed; write its keys below [{where}].")
        keys = {item.name: item for item in keys_of(cls)}
        for key in raw:
            if key not in keys:
                self.problems.add(_join(where, key), f"unknown key. {nearest(key, keys)}")
        hints = type_hints(cls)
        values = {name: self._field(item, hints[name], raw, where) for name, item in keys.items()}
        if any(value is MISTAKE for value in values.values()):
            return MISTAKE
        made = cls(**{name: value for name, value in values.items() if value is not MISSING}, **given)
        for inside, sentence in self.checks.get(cls, _nothing)(made):
            self.problems.add(_join(where, inside), sentence)
        return made

    def value(self, kind: Any, raw: object, where: str) -> Any:
        """Read one value of an annotated type; `MISTAKE` if it does not fit."""
        kind, metadata = unwrap(kind)
        if any(isinstance(item, ClassIndex) for item in metadata):
            raw = self._class_number(raw, where)
        value = MISTAKE if raw is MISTAKE else self._typed(kind, raw, where)
        if value is not MISTAKE:
            for rule in metadata:
                if isinstance(rule, Constraint) and not rule.allows(value):
                    return self.problems.add(where, f"{show(raw)} does not fit; it must {rule.rule}.")
        return value

    def _field(self, item: "Field[Any]", kind: Any, raw: Mapping[str, object], where: str) -> Any:
        if item.name in raw:
            return self.value(kind, raw[item.name], _join(where, item.name))
        if item.default is MISSING and item.default_factory is MISSING:
            return self.problems.add(_join(where, item.name), f"missing; add `{item.name} = {example_of(kind)}`.")
        return MISSING

    def _typed(self, kind: Any, raw: object, where: str) -> Any:
        origin = get_origin(kind)
        if is_dataclass(kind):
            return self.table(kind, raw, where)  # type: ignore[arg-type]  # is_dataclass does not narrow to a class
        if origin is Literal:
            return self._choice(get_args(kind), raw, where)
        if origin in (types.UnionType, Union):
            return self._scalar(raw, where)
        if origin is tuple:
            return self._tuple(get_args(kind), raw, where)
        if origin is not None and issubclass(origin, Mapping):
            return self._mapping(get_args(kind)[1], raw, where)
        return self._plain(kind, raw, where)

    def _plain(self, kind: type, raw: object, where: str) -> Any:
        # TOML writes 1 for a float as well; a bool is no number although Python counts with it.
        if kind is float and type(raw) is int:
            return float(raw)
        if type(raw) is kind:
            return self._finite(raw, where)
        return self.problems.add(where, f"{show(raw)} where {describe(kind)} is needed; write {example_of(kind)}.")

    def _scalar(self, raw: object, where: str) -> Any:
        if isinstance(raw, bool | int | float | str):
            return self._finite(raw, where)
        return self.problems.add(where, f"{show(raw)} where a text, a number, true or false is needed.")

    def _finite(self, raw: object, where: str) -> Any:
        if isinstance(raw, float) and not math.isfinite(raw):
            return self.problems.add(where, f"{raw} is no number to compute with; give a finite one.")
        return raw

    def _choice(self, choices: tuple[str, ...], raw: object, where: str) -> Any:
        if raw in choices:
            return raw
        return self.problems.add(where, f"{show(raw)} is not one of the choices. {nearest(str(raw), choices)}")

    def _tuple(self, kinds: tuple[Any, ...], raw: object, where: str) -> Any:
        if not isinstance(raw, list):
            return self.problems.add(where, f"{show(raw)} where a list is needed; put it in square brackets.")
        endless = kinds[-1] is Ellipsis
        if not endless and len(raw) != len(kinds):
            return self.problems.add(where, f"{show(raw)} where {len(kinds)} entries are needed.")
        expected = [kinds[0]] * len(raw) if endless else kinds
        values = [self.value(expected[i], item, _entry(where, i, item)) for i, item in enumerate(raw)]
        return MISTAKE if any(value is MISTAKE for value in values) else tuple(values)

    def _mapping(self, kind: Any, raw: object, where: str) -> Any:
        if not isinstance(raw, Mapping):
            return self.problems.add(where, f"{show(raw)} where a table is needed; write {{ key = value }}.")
        values = {key: self.value(kind, item, _join(where, key)) for key, item in raw.items()}
        return MISTAKE if any(value is MISTAKE for value in values.values()) else values

    def _class_number(self, raw: object, where: str) -> object:
        """A class name becomes its number; numbers are held against the number of classes."""
        if isinstance(raw, str):
            if raw in self.classes:
                return list(self.classes).index(raw)
            return self.problems.add(
                where, f"{raw!r} is not a class of the training task. {nearest(raw, self.classes)}"
            )
        if type(raw) is int and self.classes and not 0 <= raw < len(self.classes):
            return self.problems.add(
                where, f"class number {raw}, but training.classes has {len(self.classes)} entries."
            )
        return raw


def _nothing(_: object) -> Iterable[Problem]:
    return ()


def _join(where: str, key: str) -> str:
    return ".".join(filter(None, (where, key)))


def _entry(where: str, index: int, item: object) -> str:
    """Path of a list's entry: by its id where it has one, otherwise by its place, counted from 1."""
    name = item.get("id") if isinstance(item, Mapping) else None
    return f"{where}[{name}]" if isinstance(name, str) and name else f"{where}[#{index + 1}]"
