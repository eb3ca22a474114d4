"""What a submission's folder holds: its names, its limits, and the field table of its manifest.

<folder>/submission.json                      the manifest: identity, keys, and a hash for every other file
<folder>/source.json                          the texts whose hash is the records' method source
<folder>/records/<suite>@<version>/...        the suite card and the records, as in a results folder
<folder>/tables/seed-<n>/<subject>.parquet    what the records were scored from
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from benchmark.schema.fields import Choice, ListOf, MapOf, Problem, Scalar, Text, Whole, child, describe, shape
from benchmark.schema.records import CONFIGURATION, HASH, NAME, SCHEMA, method_slug

SUBMISSION_SCHEMA_VERSION = 1

MANIFEST, SOURCE, RECORDS, TABLES = "submission.json", "source.json", "records", "tables"

MEBIBYTE = 1 << 20
MOST_FILES, MOST_PARTS, LARGEST_FOLDER = 2000, 6, 64 * MEBIBYTE
LARGEST = {".json": 4 * MEBIBYTE, ".jsonl": 16 * MEBIBYTE, ".parquet": 8 * MEBIBYTE}
"""Most bytes of a file by the end of its name; a file that ends otherwise has no place in a submission."""

MOST_LEAVES, DEEPEST = 2000, 8


@dataclass(frozen=True, slots=True)
class Tree:
    """A JSON object of modest size, with some keys that it must have: what a training's spec and outcome are."""

    needs: tuple[str, ...]

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for nesting or a size beyond the limits, and for every leaf that is no scalar."""
        if not isinstance(value, dict) or not value.keys() >= set(self.needs):
            yield Problem(pointer, f"is {describe(value)}; write an object with {', '.join(self.needs)}.")
            return
        pending: list[tuple[object, str, int]] = [(value, pointer, 0)]
        leaves = 0
        while pending:
            item, place, depth = pending.pop()
            leaves += 1
            if depth > DEEPEST or leaves > MOST_LEAVES:
                yield Problem(pointer, f"is nested deeper than {DEEPEST} or holds over {MOST_LEAVES} values.")
                return
            if isinstance(item, dict):
                pending += [(inner, child(place, key), depth + 1) for key, inner in item.items()]
            elif isinstance(item, list):
                pending += [(inner, child(place, number), depth + 1) for number, inner in enumerate(item)]
            else:
                yield from Scalar().problems(item, place)


@dataclass(frozen=True, slots=True)
class Sources:
    """The source texts of a method by module; of a composition by member and then by module."""

    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem for everything that is not as a run writes it."""
        if isinstance(value, dict) and "members" in value:
            yield from _COMPOSED.problems(value, pointer)
        else:
            yield from _MODULES.problems(value, pointer)


@dataclass(frozen=True, slots=True)
class _Source:
    def problems(self, value: object, pointer: str) -> Iterator[Problem]:
        """Yield a problem unless it is a text that a file can hold."""
        if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
            yield Problem(pointer, f"is {describe(value)}; write the text of a module.")


_MODULE = Text(
    "a class with its number in the lineage, or a module", r"([0-9]{1,3}:)?[A-Za-z_][A-Za-z0-9_.]*", limit=400
)
_MODULES = MapOf(_Source(), key=_MODULE)
_COMPOSED = shape(members=MapOf(_MODULES, key=NAME), composition=_Source())


TABLE = shape(subject=NAME, kind=Choice(("predict", "inspect", "attack")), key=HASH)
RUN = shape(
    seed=Whole(),
    training=Tree(("kind", "method", "recipe", "seed")),
    outcome=Tree(("cost", "environment")),
    weights=MapOf(HASH, key=Text("a file", r"[A-Za-z0-9_-][A-Za-z0-9_./-]*", limit=200)),
    tables=ListOf(TABLE, minimum=1, maximum=500),
)
SUBMISSION = shape(
    schema=SCHEMA,
    suite=shape(name=NAME, version=Whole(minimum=1), fingerprint=HASH),
    method=shape(name=NAME, configuration=CONFIGURATION),
    backbone=NAME,
    runs=ListOf(RUN, minimum=1, maximum=100),
    files=MapOf(shape(sha256=HASH, size=Whole()), key=Text("a path", limit=600)),
)


def table_path(seed: int, subject: str) -> str:
    """Where a table lies in the folder."""
    return f"{TABLES}/seed-{seed}/{subject}.parquet"


def row_folder(manifest: Mapping[str, Any]) -> PurePosixPath:
    """``<suite>@<version>/<method>/<backbone>``: where the row's records lie, and the submission itself."""
    suite, method = manifest["suite"], manifest["method"]
    slug = method_slug(method["name"], method["configuration"])
    return PurePosixPath(f"{suite['name']}@{suite['version']}", slug, manifest["backbone"])


def expected_files(manifest: Mapping[str, Any]) -> set[str]:
    """Every file but the manifest that a submission has, by what its manifest says; no path in it is trusted."""
    row = row_folder(manifest)
    files = {SOURCE, f"{RECORDS}/{row.parts[0]}/suite.json"}
    for run in manifest["runs"]:
        files.add(f"{RECORDS}/{row}/seed-{run['seed']}.jsonl")
        files |= {table_path(run["seed"], table["subject"]) for table in run["tables"]}
    return files
