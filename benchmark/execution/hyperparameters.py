"""Hyper-parameters as their fields declare them: read from text, checked wherever they come from."""

import math
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from benchmark.schema.errors import UsageError

if TYPE_CHECKING:
    from benchmark.training.method import Hyperparameter


def read(method: str, key: str, text: str, declared: Any) -> "Hyperparameter":
    """Read a value written on the command line.

    Args:
        method: Named in errors.
        key: The hyper-parameter.
        text: As it was written; ``none`` stands for no value where the field allows that.
        declared: The field's type: bool, int, float, str, one of these or None, or a Literal.

    Raises:
        UsageError: the text is not of that type.
    """
    allowed = _alternatives(declared)
    if type(None) in allowed and text.lower() == "none":
        return None
    for kind in (bool, int, float):
        if kind in allowed and (value := _number(kind, text)) is not None:
            return check(method, key, value, declared)
    return check(method, key, text, declared)


def check(method: str, key: str, value: object, declared: Any) -> "Hyperparameter":
    """Check a value from a suite, a default or the command line; an integer becomes a float where one is declared.

    Raises:
        UsageError: it is of another type, not finite, or not among a Literal's values.
    """
    choices = get_args(declared) if get_origin(declared) is Literal else ()
    allowed = _alternatives(declared)
    if choices and value in choices:
        return value  # type: ignore[return-value]  # a Literal's value is one of the scalars
    if not choices and isinstance(value, bool | int | float | str | None):
        if type(value) in allowed and not (isinstance(value, float) and not math.isfinite(value)):
            return value
        # `beta = 10` in a suite must not make another key than 10.0.
        if type(value) is int and float in allowed:
            return float(value)
    names = " or ".join(map(repr, choices) if choices else map(_name, allowed))
    raise UsageError(f"{method}:{key}={value}: {key} must be {names}.")


def _alternatives(declared: Any) -> tuple[type, ...]:
    """The plain types of ``float``, ``float | None`` or ``Optional[float]``."""
    return get_args(declared) if get_origin(declared) in (Union, types.UnionType) else (declared,)


def _number(kind: type, text: str) -> bool | int | float | None:
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    try:
        number: int | float = kind(text)
    except ValueError:
        return None
    return number


def _name(kind: type) -> str:
    return {
        bool: "true or false",
        int: "an integer",
        float: "a finite number",
        str: "text",
        type(None): "none",
    }.get(kind, kind.__name__)
