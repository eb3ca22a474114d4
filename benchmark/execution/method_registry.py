"""Find methods by entry point and configure them from ``name``, ``name:key=value:key=value`` or ``name+name``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.execution.method_source import source_fingerprint
from benchmark.execution.plugins import GROUP, place_of, read_plugin, require_unchanged, require_usable_name
from benchmark.schema import SANITY_CHECKS
from benchmark.schema.errors import TemperError, UsageError, nearest

if TYPE_CHECKING:
    from benchmark.training.hyperparameters import Hyperparameter
    from benchmark.training.method import Method


_plugins: dict[str, EntryPoint] = {}


@dataclass(frozen=True)
class MethodRequest:
    """A method as the user asked for it.

    Attributes:
        name: Registered name, or several joined by ``+``.
        overrides: The settings after the name, still as text.
    """

    name: str
    overrides: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "MethodRequest":
        """Read ``roast``, ``roast:variant=released:alpha=0.6``, ``mvp+roast`` or ``mvp+roast:roast.alpha=0.6``.

        Raises:
            UsageError: a part after the name is not ``key=value``, a key is set twice, or a ``+`` has nothing on one
                side.
        """
        name, *parts = text.strip().split(":")
        members = [member.strip() for member in name.split("+")]
        if len(members) > 1 and not all(members):
            raise UsageError(f"{name!r} is not a composition; write two or more methods as a+b.")
        pairs = [part.partition("=") for part in parts]
        if any(not key or not equals for key, equals, _ in pairs):
            raise UsageError(f"{text!r} is not a method; write name or name:key=value:key=value.")
        overrides: dict[str, str] = {}
        for key, _, value in pairs:
            if key in overrides:
                raise UsageError(f"{text!r} sets {key} to {overrides[key]} and to {value}; set it once.")
            overrides[key] = value
        return cls("+".join(members), overrides)

    @property
    def members(self) -> tuple[str, ...]:
        """Return the registered names of the composed methods, or the one name."""
        return tuple(self.name.split("+"))

    def require_known(self) -> None:
        """Check that the method is registered, without loading it.

        Raises:
            UsageError: it is not, with the nearest name, or it composes a sanity check.
        """
        for member in self.members:
            if member in SANITY_CHECKS and len(self.members) > 1:
                raise UsageError(f"{self.name} composes the sanity check {member}; run {member} on its own.")
            if member not in _with_sanity_checks():
                raise UsageError(_unknown(member))


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method with the hyper-parameters of one row of the leaderboard.

    Attributes:
        name: Registered name.
        version: The method's version.
        configuration: Settings that differ from the defaults, as ``key=value,key=value``.
        source: Hash of the plugin's source and of the toolbox modules that it uses.
        plugin: The class. None for a row of a submission, which is data and never runs.
        reads: The files that the method reads, as a submission states them. None to ask the class.
    """

    name: str
    version: str
    hyperparameters: "Mapping[str, Hyperparameter]"
    configuration: str
    source: str
    plugin: "type[Method] | None" = None
    reads: Mapping[str, str] | None = None

    @classmethod
    def of(
        cls, plugin: "type[Method]", hyperparameters: "Mapping[str, Hyperparameter]", configuration: str, source: str
    ) -> "ConfiguredMethod":
        """Configure a loaded class."""
        return cls(plugin.name, plugin.version, hyperparameters, configuration, source, plugin)

    @property
    def cls(self) -> "type[Method]":
        """Return the class.

        Raises:
            ValueError: the row is a submission's, whose code is not loaded.
        """
        if self.plugin is None:
            raise ValueError(f"The class of {self.name} is not loaded.")
        return self.plugin

    def identity(self) -> "dict[str, Any]":
        """Return the method as records state it."""
        return {
            "name": self.name,
            "version": self.version,
            "configuration": self.configuration,
            "source": self.source,
            "hyperparameters": dict(self.hyperparameters),
        }

    def make(self) -> "Method":
        """Create an instance for one run."""
        return self.cls(**self.hyperparameters)

    @property
    def argument(self) -> str:
        """Return the method as `--methods` takes it, such as ``roast:alpha=0.6:beta=1.0``."""
        return ":".join(filter(None, (self.name, *self.configuration.split(","))))

    @property
    def label(self) -> str:
        """Return the row's name."""
        return self.name + (f" ({self.configuration})" if self.configuration else "")


@cache
def registered(*, sanity: bool = False) -> dict[str, EntryPoint]:
    """Return the entry points of all methods by name, including those of `load_plugin`, or those of the sanity checks.

    Raises:
        TemperError: two packages register the same name; the message names both.
    """
    points: dict[str, EntryPoint] = {}
    for point in (*entry_points(group=GROUP), *_plugins.values()):
        if point.name in points and points[point.name].value != point.value:
            raise TemperError(
                f"Two packages register the method {point.name!r}: {points[point.name].value} and {point.value}. "
                "Uninstall one of them."
            )
        points[point.name] = point
    return {name: point for name, point in sorted(points.items()) if (name in SANITY_CHECKS) == sanity}


def _with_sanity_checks() -> dict[str, EntryPoint]:
    return {**registered(), **registered(sanity=True)}


def _unknown(name: str) -> str:
    """Say that a method is not registered; one that this folder's project declares only has to be installed."""
    project = Path("pyproject.toml")
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    if re.search(rf'^"?{re.escape(name)}"?\s*=\s*"[\w.]+:\w+"', text, re.MULTILINE):
        return (
            f"Method {name!r} is declared in {project.resolve()} but not installed. Run `pip install -e .` in that "
            "folder."
        )
    return f"There is no method {name!r}. " + nearest(name, _with_sanity_checks())


def configure(request: MethodRequest) -> ConfiguredMethod:
    """Load a method's class and replace its defaults by the user's settings.

    Raises:
        UsageError: no such method, no such hyper-parameter, a value of the wrong type, or members that do not compose.
        TemperError: the plugin does not import, or has a hyper-parameter without a default.
    """
    cls = method_class(request.name)
    known, declared, name = cls.defaults(), cls.hyperparameter_fields(), request.name
    if declared.keys() - known.keys():
        bare = ", ".join(sorted(declared.keys() - known.keys()))
        raise TemperError(f"Method {name!r} has no default for {bare}; every hyper-parameter needs one.")
    written = {_full_key(name, key, known): text for key, text in request.overrides.items()}
    if len(written) < len(request.overrides):
        raise UsageError(f"{name} sets {' and '.join(request.overrides)}, of which two are the same; set it once.")
    base = {key: declared[key].check(name, key, value) for key, value in known.items()}
    asked = {key: declared[key].parse(name, key, text) for key, text in written.items()}
    differing = {key: value for key, value in sorted(asked.items()) if value != base[key]}
    configuration = ",".join(f"{key}={value}" for key, value in differing.items())
    settled = {**base, **asked}
    _try(name, cls, settled)
    return ConfiguredMethod.of(cls, settled, configuration, source_fingerprint(cls))


def _try(name: str, cls: "type[Method]", settled: "Mapping[str, Hyperparameter]") -> None:
    """Create the method once, so that an invalid value is a usage error now and not after an hour."""
    try:
        cls(**settled)
    except TemperError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"Method {name!r} does not take {dict(settled)}: {error}") from error


def load_plugin(text: str) -> None:
    """Register the method of ``file.py:Class`` for this process under the name that the class gives itself.

    The same file may be loaded again, as long as it has not changed.

    Raises:
        UsageError: not of that form, no such file or class, no method, or a name that is taken or unusable.
        TemperError: the file does not import.
    """
    point = read_plugin(text)
    known = _with_sanity_checks()
    if point.name in known and place_of(known[point.name]) != place_of(point):
        raise UsageError(
            f"--plugin {text} calls itself {point.name!r}, and so does {place_of(known[point.name])}; "
            "give it another name."
        )
    _plugins[point.name] = point
    registered.cache_clear()


def loaded_plugins() -> list[str]:
    """Return the arguments with which another process loads the same plugins with `load_plugin`."""
    return [place_of(point) for point in _plugins.values()]


def method_class(name: str) -> "type[Method]":
    """Return the class of a registered name or of a composition."""
    members = name.split("+")
    if len(members) == 1:
        return _load(name)
    from benchmark.training.composition import compose
    from benchmark.training.trial_average import TrialAverage

    classes = [_load(member) for member in members]
    if averages := next((cls for cls in classes if issubclass(cls, TrialAverage)), None):
        others = "+".join(member for member in members if member != averages.name)
        raise UsageError(
            f"{name} cannot be composed: {averages.name} averages the trials of a method. Write "
            f"{averages.name}:of={others}."
        )
    return compose(classes)


def _full_key(method: str, key: str, known: Iterable[str]) -> str:
    """Return a hyper-parameter's full key; the member may be omitted if only one member has that name."""
    if key in known:
        return key
    matches = [full for full in known if full.partition(".")[2] == key]
    if len(matches) > 1:
        raise UsageError(f"{method}:{key} could be {' or '.join(matches)}; write which.")
    if not matches:
        raise UsageError(f"Method {method!r} has no hyper-parameter {key!r}. " + nearest(key, known))
    return matches[0]


def _load(name: str) -> "type[Method]":
    from benchmark.training.method import Method

    points = _with_sanity_checks()
    if name not in points:
        raise UsageError(_unknown(name))
    require_unchanged(points[name])
    try:
        cls = points[name].load()
    except (Exception, SystemExit) as error:
        raise TemperError(f"Method {name!r} ({points[name].value}) does not import: {error!r}.") from error
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise TemperError(f"Method {name!r} ({points[name].value}) is not a subclass of benchmark.training.Method.")
    if cls.name != name:
        raise TemperError(f"Method {name!r} ({points[name].value}) calls itself {cls.name!r}; the names must agree.")
    require_usable_name(cls.name, f"Method {name!r} ({points[name].value})")
    return cls
