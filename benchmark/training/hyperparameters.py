"""Hyper-parameters as a method's fields declare them: their types, ranges and choices, and the check of a value."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from benchmark.schema.errors import UsageError
from benchmark.training.search import Search

Hyperparameter = bool | int | float | str | None
"""A value of a hyper-parameter."""


@dataclass(frozen=True)
class HyperparameterField:
    """Declaration of one hyper-parameter of a method.

    Attributes:
        annotation: The type, such as ``Annotated[float, Gt(0)]`` or ``Literal["paper", "released"]``. Constraints of
            annotated_types and pydantic are checked, and a `Search` is what tuning may try. Anything else in
            ``Annotated`` is kept but not checked.
        default: The default value, or `dataclasses.MISSING`.
    """

    annotation: Any
    default: Any

    @cached_property
    def legal(self) -> str:
        """The legal values in words, such as ``a finite number > 0 and < 1``."""
        return _legal(self.annotation)

    @cached_property
    def search(self) -> Search | None:
        """The search space, or None if the hyper-parameter is not tuned."""
        metadata = get_args(self.annotation)[1:] if get_origin(self.annotation) is Annotated else ()
        return next((item for item in metadata if isinstance(item, Search)), None)

    def check(self, method: str, key: str, value: object) -> Hyperparameter:
        """Return the value if the field allows it; an integer becomes a float where only a float is allowed.

        Raises:
            UsageError: names the method, the field, the value and the legal values.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            raise UsageError(f"{method}:{key}={value}: {key} must be {self.legal}.{self._hint(value, error)}") from None

    def parse(self, method: str, key: str, text: str) -> Hyperparameter:
        """Parse a value from the command line: none, true, false, a number, or the text itself.

        Raises:
            UsageError: as `check`.
        """
        for value in _readings(text):
            try:
                return self._adapter.validate_python(value)
            except ValidationError:
                continue
        return self.check(method, key, text)

    @cached_property
    def _adapter(self) -> TypeAdapter[Hyperparameter]:
        return TypeAdapter(self.annotation, config=ConfigDict(strict=True, allow_inf_nan=False))

    def _hint(self, value: object, error: ValidationError) -> str:
        """Return the nearest choice, or pydantic's message for a constraint that `legal` does not describe."""
        close = get_close_matches(str(value), [c for c in get_args(self.annotation) if isinstance(c, str)], n=1)
        if close:
            return f" Did you mean {close[0]!r}?"
        other = [e["msg"] for e in error.errors() if e["type"] not in _DESCRIBED and not e["type"].endswith("_type")]
        return f" {other[0]}." if other else ""


_DESCRIBED = {
    "finite_number", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "literal_error"
}  # fmt: skip
_NAMES = {bool: "true or false", int: "an integer", float: "a finite number", str: "text", type(None): "none"}


def _readings(text: str) -> Iterator[Hyperparameter]:
    """Yield the possible values of a text, the text itself last."""
    words: dict[str, Hyperparameter] = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        yield words[text.lower()]
    for kind in (int, float):
        try:
            yield kind(text)
        except ValueError:
            continue
    yield text


def _legal(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        bounds = " and ".join(text for item in metadata for text in _bounds(item))
        return f"{_legal(kind)} {bounds}".strip()
    if get_origin(annotation) is Literal:
        *others, last = (repr(choice) for choice in get_args(annotation))
        return f"{', '.join(others)} or {last}" if others else last
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_legal(one) for one in get_args(annotation))
    return _NAMES[annotation]


def _bounds(constraint: object) -> Iterator[str]:
    """Yield the bounds that a constraint sets, such as ``> 0``."""
    match constraint:
        case Gt(gt=end):
            yield f"> {end}"
        case Ge(ge=end):
            yield f">= {end}"
        case Lt(lt=end):
            yield f"< {end}"
        case Le(le=end):
            yield f"<= {end}"
        case FieldInfo(metadata=parts):
            yield from (text for part in parts for text in _bounds(part))
        case GroupedMetadata():
            yield from (text for part in constraint for text in _bounds(part))


# -- from a class to its fields ---------------------------------------------------------------------------------


def declared_fields(cls: type, base: type) -> dict[str, HyperparameterField]:
    """Return the hyper-parameters of a method class by name.

    Args:
        cls: The class.
        base: The base class of all methods, which has none.

    Raises:
        UsageError: a hyper-parameter in a class body would be ignored, or its type can be written on no command line
            and into no record. The message names the class, the field and the fix.
    """
    init_fields = _init_fields(cls, base)
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise UsageError(
            f"{_place(cls)}: an annotation names {error.name!r}, which is not defined when the class is used. "
            "Import it outside of `if TYPE_CHECKING`."
        ) from error
    for name in (f.name for f in init_fields):
        if not _is_scalar(hints[name]):
            raise UsageError(
                f"{_place(cls)}: the hyper-parameter {name} is declared as {inspect.formatannotation(hints[name])}. "
                "Declare it as bool, int, float, str, one of these or None, or a Literal of them; mark state with "
                "field(init=False)."
            )
    return {f.name: HyperparameterField(hints[f.name], f.default) for f in init_fields}


def _init_fields(cls: type, base: type) -> "list[Field[Any]]":
    names: set[str] = set()
    for part in reversed(cls.__mro__[: cls.__mro__.index(base)]):
        annotations = inspect.get_annotations(part)
        public = [n for n, a in annotations.items() if not n.startswith("_") and not _CLASS_VARIABLE.match(str(a))]
        if public and "__dataclass_fields__" not in vars(part):
            raise UsageError(
                f"{_place(part)} declares {public[0]} and is not a dataclass, so the value would be ignored. Write "
                "@dataclass(kw_only=True, eq=False) above the class."
            )
        hidden = sorted((names & vars(part).keys()) - annotations.keys())
        if hidden:
            raise UsageError(
                f"{_place(part)} sets {hidden[0]} without a type, so the default of the base class would be used. "
                f"Write `{hidden[0]}: <type> = ...` in a dataclass."
            )
        names |= set(public)
    return [f for f in fields(cls) if f.init]


_CLASS_VARIABLE = re.compile(r"(\w+\.)*ClassVar\b")


def _place(cls: type) -> str:
    """Name a class and its file."""
    try:
        return f"Class {cls.__qualname__} in {inspect.getfile(cls)}"
    except (OSError, TypeError):  # typed in at a prompt
        return f"Class {cls.__qualname__}"


def _is_scalar(annotation: Any) -> bool:
    """Return whether values of a type can be written on a command line and into a record."""
    if get_origin(annotation) is Annotated:
        return _is_scalar(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return all(isinstance(choice, bool | int | float | str | None) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return all(_is_scalar(one) for one in get_args(annotation))
    return annotation in _NAMES
