"""Names of new methods: which may be taken, and what is called after them."""

import keyword
import re

from benchmark.execution.plugins import place_of
from benchmark.execution.registry import registered
from benchmark.schema import UsageError

_NAME = re.compile("[a-z][a-z0-9_]{1,39}")
_SPOKEN_FOR = frozenset({"all", "method", "methods", "batch", "classifier", "context", "tensor", "conftest"})
"""`--methods all` means every method, and the rest are names that a method's file imports or lies beside."""


def require_free_name(name: str) -> None:
    """Refuse a name that cannot be a module, a class and an entry point, or that is taken.

    Raises:
        UsageError: says what is wrong and what a name looks like.
    """
    if not _NAME.fullmatch(name) or name.endswith("_") or "__" in name:
        raise UsageError(
            f"{name!r} cannot be a method's name; write 2 to 40 small letters, digits and single _, like my_method."
        )
    if keyword.iskeyword(name) or name in _SPOKEN_FOR:
        raise UsageError(f"{name!r} has another meaning to Python or to Temper; choose another name, like my_{name}.")
    if name in registered():
        raise UsageError(f"There is a method {name!r} already, {place_of(registered()[name])}; choose another name.")


def class_name(name: str) -> str:
    """``my_method`` as the name of a class: ``MyMethod``."""
    return "".join(part.capitalize() for part in name.split("_"))
