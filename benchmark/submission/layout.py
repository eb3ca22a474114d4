"""What a submission's folder holds: its names, its limits, and the field table of its manifest.

<folder>/submission.json                      the manifest: identity, keys, and a hash for every other file
<folder>/source.json                          the texts whose hash is the records' method source
<folder>/records/<suite>@<version>/...        the suite card and the records, as in a results folder
<folder>/tables/seed-<n>/<subject>.parquet    what the records were scored from
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, with_config
from typing_extensions import TypedDict

from benchmark.schema.base import STRICT, Count, Hash, Name, Scalar, Schema, Whole, refusal
from benchmark.schema.record import Configuration, method_slug

SUBMISSION_SCHEMA_VERSION = 1

MANIFEST, SOURCE, RECORDS, TABLES = "submission.json", "source.json", "records", "tables"

MEBIBYTE = 1 << 20
MOST_FILES, MOST_PARTS, LARGEST_FOLDER = 2000, 6, 64 * MEBIBYTE
LARGEST = {".json": 4 * MEBIBYTE, ".jsonl": 16 * MEBIBYTE, ".parquet": 8 * MEBIBYTE}
"""Most bytes of a file by the end of its name; a file that ends otherwise has no place in a submission."""

MOST_LEAVES, DEEPEST = 2000, 8


_SCALAR = Schema(Scalar)


def _modest(value: object) -> object:
    """Refuse an object that is nested beyond the limits, holds too many values or a leaf that is not a scalar."""
    pending: list[tuple[object, tuple[str | int, ...]]] = [(value, ())]
    leaves, problems = 0, []
    while pending:
        item, loc = pending.pop()
        leaves += 1
        if len(loc) > DEEPEST or leaves > MOST_LEAVES:
            raise refusal([((), f"is nested deeper than {DEEPEST} or holds over {MOST_LEAVES} values.")])
        if isinstance(item, dict):
            pending += [(inner, (*loc, key)) for key, inner in item.items()]
        elif isinstance(item, list):
            pending += [(inner, (*loc, number)) for number, inner in enumerate(item)]
        else:
            problems += [(loc, problem.message) for problem in _SCALAR.problems(item)]
    if problems:
        raise refusal(problems)
    return value


@with_config({**STRICT, "extra": "allow"})
class Training(TypedDict):
    """The spec of a training, as its stage stores it."""

    kind: Any
    method: Any
    recipe: Any
    seed: Any


@with_config({**STRICT, "extra": "allow"})
class Outcome(TypedDict):
    """What a training has left: its cost and its environment."""

    cost: Any
    environment: Any


class Table(TypedDict):
    """A table that values were scored from."""

    subject: Name
    kind: Literal["predict", "inspect", "attack"]
    key: Hash


class Run(TypedDict):
    """One seed of the row."""

    seed: Whole
    training: Annotated[Training, BeforeValidator(_modest)]
    outcome: Annotated[Outcome, BeforeValidator(_modest)]
    weights: dict[
        Annotated[
            str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$", max_length=200), Field(title="a file")
        ],
        Hash,
    ]
    tables: Annotated[list[Table], Field(min_length=1, max_length=500)]


class SuiteName(TypedDict):
    """The suite of the row."""

    name: Name
    version: Count
    fingerprint: Hash


class MethodName(TypedDict):
    """The method of the row, with the settings that were asked for."""

    name: Name
    configuration: Configuration


class File(TypedDict):
    """A file of the submission."""

    sha256: Hash
    size: Whole


@with_config(STRICT)
class Submission(TypedDict):
    """The manifest: identity, keys, and a hash for every other file."""

    schema: Count
    suite: SuiteName
    method: MethodName
    backbone: Name
    runs: Annotated[list[Run], Field(min_length=1, max_length=100)]
    files: dict[Annotated[str, StringConstraints(min_length=1, max_length=600), Field(title="a path")], File]


Module = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]{1,3}:)?[A-Za-z_][A-Za-z0-9_.]*$", max_length=400),
    Field(title="a class with its number in the lineage, or a module"),
]
Source = Annotated[str, StringConstraints(strict=True, pattern=r"^[\s\S]*$")]
Modules = Annotated[dict[Module, Source], Field(title="the source texts of a method by module")]


@with_config(STRICT)
class ComposedSources(TypedDict):
    """The source texts of a composition, by member and then by module."""

    members: dict[Name, Modules]
    composition: Source


SUBMISSION, MODULES, COMPOSED = Schema(Submission), Schema(Modules), Schema(ComposedSources)


def sources_schema(value: object) -> Schema:
    """Tell the sources of a composition from those of a method."""
    return COMPOSED if isinstance(value, dict) and "members" in value else MODULES


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
