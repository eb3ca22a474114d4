"""Methods by name: found through entry points, made from ``name`` or ``name:key=value:key=value``."""

import ast
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from benchmark.schema import fingerprint
from benchmark.schema.errors import TemperError, UsageError, nearest

if TYPE_CHECKING:
    from benchmark.training.method import Hyperparameter, Method

GROUP = "temper.methods"
TOOLBOX = "benchmark.training.toolbox"


@dataclass(frozen=True)
class MethodRequest:
    """A method as the user asked for it.

    Attributes:
        name: Registered name.
        overrides: What was written after the name, still as text.
    """

    name: str
    overrides: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "MethodRequest":
        """Read ``roast`` or ``roast:variant=released:alpha=0.6``.

        Raises:
            UsageError: a part after the name is not ``key=value``.
        """
        name, *parts = text.strip().split(":")
        pairs = [part.partition("=") for part in parts]
        if any(not key or not equals for key, equals, _ in pairs):
            raise UsageError(f"{text!r} is not a method; write name or name:key=value:key=value.")
        return cls(name, {key: value for key, _, value in pairs})


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method class with the hyper-parameters of one row of the board.

    Attributes:
        configuration: What differs from the defaults of class and suite, as ``key=value,key=value``; often empty.
        source: Hash of the plugin's source and of the toolbox that it is made of.
    """

    cls: "type[Method]"
    hyperparameters: "Mapping[str, Hyperparameter]"
    configuration: str
    source: str

    def make(self) -> "Method":
        """A fresh instance for one run."""
        return self.cls(**self.hyperparameters)

    @property
    def label(self) -> str:
        """How the row is named."""
        return self.cls.name + (f" ({self.configuration})" if self.configuration else "")


@cache
def registered() -> dict[str, EntryPoint]:
    """Entry points of all methods by name.

    Raises:
        TemperError: two packages register the same name; the message names both.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in found and found[point.name].value != point.value:
            raise TemperError(
                f"Two packages register the method {point.name!r}: {found[point.name].value} and {point.value}. "
                "Uninstall one of them."
            )
        found[point.name] = point
    return dict(sorted(found.items()))


def configure(request: MethodRequest, suite_overrides: Mapping[str, "Hyperparameter"]) -> ConfiguredMethod:
    """Load a method's class and settle its hyper-parameters: defaults, then the suite's, then the user's.

    Raises:
        UsageError: no such method, no such hyper-parameter, or a value of the wrong type.
        TemperError: the plugin does not import.
    """
    cls = _load(request.name)
    known = cls.defaults()
    types = get_type_hints(cls)
    for key in [*suite_overrides, *request.overrides]:
        if key not in known:
            raise UsageError(f"Method {request.name!r} has no hyper-parameter {key!r}. " + nearest(key, known))
    base = {**known, **suite_overrides}
    asked = {key: _convert(request.name, key, text, types[key]) for key, text in request.overrides.items()}
    differing = {key: value for key, value in sorted(asked.items()) if value != base[key]}
    configuration = ",".join(f"{key}={value}" for key, value in differing.items())
    settled = {key: _settle(types[key], value) for key, value in {**base, **asked}.items()}
    cls(**settled)  # a bad value is a usage error now, not after an hour
    return ConfiguredMethod(cls, settled, configuration, source_fingerprint(cls))


def summary(point: EntryPoint) -> str:
    """First sentence of a method's docstring, read from its source so that nothing heavy is imported."""
    module, _, name = point.value.partition(":")
    try:
        spec = importlib.util.find_spec(module)
        tree = ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8"))
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        return f"does not import: {error}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return f"does not import: {module} has no class {name}"


def source_fingerprint(cls: type) -> str:
    """Hash of the source files of a method's classes and of the toolbox modules that they import, however deep."""
    from benchmark.training.method import Method

    bases = [base for base in cls.__mro__ if issubclass(base, Method) and base is not Method]
    texts = {
        Path(inspect.getfile(base)).name: Path(inspect.getfile(base)).read_text(encoding="utf-8") for base in bases
    }
    waiting = [module for text in texts.values() for module in _toolbox_imports(text)]
    while waiting:
        module = waiting.pop()
        if module not in texts:
            texts[module] = Path(str(_origin(module))).read_text(encoding="utf-8")
            waiting += _toolbox_imports(texts[module])
    return fingerprint(texts)


def _toolbox_imports(source: str) -> list[str]:
    """Modules of the toolbox that a source text imports."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module]
    named = {str(node.module) for node in imports}
    named |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names if node.module == TOOLBOX}
    return sorted(name for name in named if name.startswith(f"{TOOLBOX}.") and _origin(name))


def _origin(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return None if spec is None else spec.origin


def _load(name: str) -> "type[Method]":
    from benchmark.training.method import Method

    points = registered()
    if name not in points:
        raise UsageError(f"There is no method {name!r}. " + nearest(name, points))
    try:
        cls = points[name].load()
    except Exception as error:
        raise TemperError(f"Method {name!r} ({points[name].value}) does not import: {error!r}.") from error
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise TemperError(f"Method {name!r} ({points[name].value}) is not a subclass of benchmark.training.Method.")
    if cls.name != name:
        raise TemperError(f"Method {name!r} ({points[name].value}) calls itself {cls.name!r}; the names must agree.")
    return cls


def _convert(method: str, key: str, text: str, kind: type) -> "Hyperparameter":
    """Read a hyper-parameter's text as the type its field declares."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text) if kind in {int, float} else text
    except (ValueError, KeyError):
        raise UsageError(f"{method}:{key}={text}: {key} takes {kind.__name__}.") from None


def _settle(kind: type, value: "Hyperparameter") -> "Hyperparameter":
    """An integer where a float is declared (``beta = 10`` in a suite) must not make another key."""
    return float(value) if kind is float and isinstance(value, int) and not isinstance(value, bool) else value
