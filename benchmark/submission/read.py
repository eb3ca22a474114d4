"""Read a submission from the outside in: files, sizes, hashes, manifest, source, records, tables. Nothing is executed.

<folder>/submission.json                      the manifest: identity, keys, and a hash for every other file
<folder>/source.json                          the source texts whose hash is the records' method source
<folder>/records/<suite>@<version>/...        the suite card and the records, as in a results folder
<folder>/tables/seed-<n>/<subject>.parquet    the tables that the records were computed from
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, field_validator

from benchmark.evaluation.parquet import (
    InspectionTable,
    PredictionTable,
    read_attack,
    read_inspection,
    read_predictions,
)
from benchmark.schema import (
    IntegrityError,
    Problem,
    SuiteFolder,
    UsageError,
    file_fingerprint,
    method_slug,
    nearest,
    parse_json,
    printable,
    read_results,
)
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.base import STRICT, Count, Hash, Name, Schema, Whole, refusal
from benchmark.schema.errors import Loc, json_pointer
from benchmark.schema.record import Configuration
from benchmark.schema.trial import TRIALS_FILE

SUBMISSION_SCHEMA_VERSION = 1
MANIFEST, SOURCE, RECORDS, TABLES = "submission.json", "source.json", "records", "tables"

MEBIBYTE = 1 << 20
MOST_FILES, MOST_PARTS, LARGEST_FOLDER = 2000, 6, 64 * MEBIBYTE
LARGEST = {".json": 4 * MEBIBYTE, ".jsonl": 16 * MEBIBYTE, ".parquet": 8 * MEBIBYTE}
"""Maximum bytes of a file, by suffix; other suffixes are not allowed in a submission."""
LARGEST_UNPACKED, MOST_VALUES, MOST_COLUMNS = 64 * MEBIBYTE, 1 << 24, 32
_PLAIN_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED"}
"""Encodings whose declared size is the size in memory. A dictionary's is not: each row may refer to one long text."""
DEEPEST = 10
_MOST_SENTENCES, _LONGEST_SENTENCE, _SUGGESTED = 50, 600, 5

TableData: TypeAlias = PredictionTable | InspectionTable | list[AttackRow]


# -- the manifest ---------------------------------------------------------------------------------------------------


WeightFile: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$", max_length=200), Field(title="a file")
]
Module: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]{1,3}:)?[A-Za-z_][A-Za-z0-9_.]*$", max_length=400),
    Field(title="a module, or a class with its number"),
]
Texts: TypeAlias = dict[Module, str]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, **STRICT)


class SuiteIdentity(_Part):
    """The suite that was run."""

    name: Name
    version: Count
    fingerprint: Hash


class MethodIdentity(_Part):
    """The method that was run, with the settings that differ from the defaults."""

    name: Name
    configuration: Configuration
    tuned: bool = False


class Table(_Part):
    """A table of one seed: the evaluation task or attack that it is about, and the key of its stage."""

    subject: Name
    kind: Literal["predict", "inspect", "attack"]
    key: Hash


class Outcome(_Part):
    """The outcome of a training run."""

    cost: dict[str, Whole]
    environment: dict[str, str]
    best_epoch: Whole


class Run(_Part):
    """One seed: the spec and outcome of its training, the hashes of its weights, and its tables."""

    seed: Whole
    training: dict[str, Any]
    outcome: Outcome
    weights: Annotated[dict[WeightFile, Hash], Field(max_length=200)]
    tables: Annotated[list[Table], Field(min_length=1, max_length=500)]

    @field_validator("tables")
    @classmethod
    def _once(cls, tables: list[Table]) -> list[Table]:
        if len({table.subject for table in tables}) < len(tables):
            raise refusal([((), "names a subject twice; keep one table of each.")])
        return tables


class FileEntry(_Part):
    """Hash and size of a file."""

    sha256: Hash
    size: Whole


class Manifest(_Part):
    """``submission.json``."""

    schema_version: Count = Field(alias="schema")
    suite: SuiteIdentity
    method: MethodIdentity
    backbone: Name
    runs: Annotated[list[Run], Field(min_length=1, max_length=100)]
    files: Annotated[dict[str, FileEntry], Field(max_length=100_000)]

    @field_validator("runs")
    @classmethod
    def _once(cls, runs: list[Run]) -> list[Run]:
        seeds = sorted(run.seed for run in runs)
        if len(set(seeds)) < len(seeds):
            raise refusal([((), f"names a seed twice ({', '.join(map(str, seeds))}); keep one run of each.")])
        return runs

    @property
    def row(self) -> PurePosixPath:
        """Folder of the row's records, and of the submission itself."""
        suite, method = self.suite, self.method
        names = suite.name, suite.version, method.name, method.configuration, self.backbone
        return row_folder(*names, tuned=method.tuned)

    def expected_files(self) -> set[str]:
        """Return the required files except the manifest, without trusting any path in the manifest."""
        files = {SOURCE, f"{RECORDS}/{self.row.parts[0]}/suite.json"}
        if self.method.tuned:
            files.add(f"{RECORDS}/{self.row}/{TRIALS_FILE}")
        for run in self.runs:
            files.add(f"{RECORDS}/{self.row}/seed-{run.seed}.jsonl")
            files |= {table_path(run.seed, table.subject) for table in run.tables}
        return files


class _Composed(_Part):
    """The source of a composition: its members' texts, and the text of the composing module."""

    members: dict[Name, Texts]
    composition: str


_MANIFEST, _COMPOSED = Schema(Manifest), Schema(_Composed)
_TEXTS = Schema(Annotated[Texts, Strict()])


def table_path(seed: int, subject: str) -> str:
    """Return the path of a table in the folder."""
    return f"{TABLES}/seed-{seed}/{subject}.parquet"


def row_folder(
    suite: str, version: int, method: str, configuration: str, backbone: str, *, tuned: bool = False
) -> PurePosixPath:
    """Return ``<suite>@<version>/<method>/<backbone>``."""
    return PurePosixPath(f"{suite}@{version}", method_slug(method, configuration, tuned=tuned), backbone)


# -- the folder -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Submission:
    """A submission whose files are those of its manifest, and whose records are valid.

    Attributes:
        folder: The submission's folder.
        manifest: ``submission.json``.
        sources: The method's source texts, as `source_texts` returns them.
        results: Suite card and records.
    """

    folder: Path
    manifest: Manifest
    sources: Mapping[str, Any]
    results: SuiteFolder

    @property
    def runs(self) -> dict[int, Run]:
        """Return the runs by seed, in order."""
        return {run.seed: run for run in sorted(self.manifest.runs, key=lambda run: run.seed)}

    def records(self, seed: int) -> list[dict[str, Any]]:
        """Return the records of a seed, in the order of their file."""
        return [located.record for located in self.results.records if located.record["seed"] == seed]


def read_submission(folder: Path) -> Submission:
    """Read a submission.

    Raises:
        UsageError: the folder does not exist.
        IntegrityError: something is wrong; one sentence per line.
    """
    if folder.is_symlink() or not folder.is_dir():
        what = "is a link" if folder.is_symlink() else "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}. Name the folder that `temper submit` wrote.")
    sizes = _scan(folder)
    value = _parse(folder, MANIFEST, sizes)
    stated = value.get("schema") if isinstance(value, dict) else None
    if isinstance(stated, int) and stated > SUBMISSION_SCHEMA_VERSION:
        raise IntegrityError(
            f"{MANIFEST}: /schema: is {stated}; this version reads {SUBMISSION_SCHEMA_VERSION}. Update Temper."
        )
    manifest: Manifest = _validated(_MANIFEST, value, MANIFEST)
    _refuse(_file_problems(folder, manifest, sizes))
    sources = _parse(folder, SOURCE, sizes)
    _validated(_COMPOSED if isinstance(sources, dict) and "members" in sources else _TEXTS, sources, SOURCE)
    return Submission(folder, manifest, sources, _read_records(folder, manifest))


def _scan(folder: Path) -> dict[str, int]:
    """Return every file with its size; refuse links, special files, unknown suffixes, and too much data."""
    sizes: dict[str, int] = {}
    problems = list(_walk(folder, PurePosixPath(), sizes))
    if (total := sum(sizes.values())) > LARGEST_FOLDER:
        problems.append(f"The folder holds {total} bytes; a submission has at most {LARGEST_FOLDER}.")
    _refuse(problems)
    return sizes


def _walk(folder: Path, inner: PurePosixPath, sizes: dict[str, int]) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = inner / entry.name
        name = ascii(str(path))
        if len(sizes) >= MOST_FILES or len(path.parts) > MOST_PARTS:
            yield f"{name}: is one of more than {MOST_FILES} files, or over {MOST_PARTS} folders deep; remove it."
            return
        if entry.is_symlink():
            yield f"{name}: is a link; a submission holds plain files only."
        elif entry.is_dir(follow_symlinks=False):
            if not any(os.scandir(folder / entry.name)):
                yield f"{name}: is an empty folder; remove it."
            yield from _walk(folder / entry.name, path, sizes)
        elif not entry.is_file(follow_symlinks=False):
            yield f"{name}: is neither a file nor a folder; remove it."
        else:
            size = sizes[str(path)] = entry.stat(follow_symlinks=False).st_size
            if path.suffix not in LARGEST:
                yield f"{name}: does not belong in a submission, which holds {', '.join(LARGEST)} only; remove it."
            elif size > LARGEST[path.suffix]:
                yield f"{name}: has {size} bytes; a {path.suffix} file has at most {LARGEST[path.suffix]}."


def _parse(folder: Path, name: str, sizes: Mapping[str, int]) -> Any:
    """Parse a JSON file of the folder."""
    if name not in sizes:
        raise IntegrityError(f"{name}: is missing; `temper submit` writes it.")
    value, problems = parse_json((folder / name).read_bytes())
    _refuse(f"{name}: {problem}" for problem in problems or _value_problems(value, ()))
    return value


def _value_problems(value: object, place: Loc) -> Iterator[Problem]:
    """Yield a problem for values that JSON allows but a hash or a file does not, and for deep nesting."""
    if len(place) > DEEPEST:
        yield Problem(json_pointer(place), f"is nested deeper than {DEEPEST}; a submission is not.")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (Problem(json_pointer(place), problem.message) for problem in _value_problems(key, ()))
            yield from _value_problems(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _value_problems(item, (*place, number))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(json_pointer(place), f"is {value}, which is not a value; run `temper submit` again.")
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield Problem(json_pointer(place), "holds half of a surrogate pair, which no file can; remove it.")


def _validated(schema: Schema, value: object, name: str) -> Any:
    """Validate a value; raise all problems together, each with file and pointer."""
    _refuse(f"{name}: {problem}" for problem in schema.problems(value))
    return schema.adapter.validate_python(value)


def _file_problems(folder: Path, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[str]:
    """Compare the existing files, the listed files, and those that the rest of the manifest requires."""
    listed, expected = manifest.files, manifest.expected_files()
    for number, name in enumerate(sorted(set(listed) - expected)):
        # Suggest the nearest name only for the first few: it is slow, and a manifest may list thousands of names.
        near = nearest(name[:200], expected) if number < _SUGGESTED else ""
        yield f"{MANIFEST}: /files: lists {name!a}, which is not part of this submission. {near}"
    for name in sorted(sizes.keys() - expected - {MANIFEST}):
        yield f"{name!a}: is not part of this submission; remove it."
    for name in sorted(expected - sizes.keys()):
        yield f"{name}: is missing; run `temper submit` again."
    for name in sorted(expected & sizes.keys()):
        entry = listed.get(name)
        if entry is None:
            yield f"{MANIFEST}: /files: does not list {name}; run `temper submit` again."
        elif (entry.size, entry.sha256) != (sizes[name], file_fingerprint(folder / name)):
            with (folder / name).open("rb") as stream:
                converted = b"\r\n" in stream.read(1 << 16)
            hint = " Its lines end in CR LF: do not let git convert it." if converted else ""
            yield f"{name}: is not the file that {MANIFEST} lists: its size or hash differs.{hint}"


def _read_records(folder: Path, manifest: Manifest) -> SuiteFolder:
    try:
        (results,) = read_results(folder / RECORDS)
    except IntegrityError as error:
        _refuse(str(error).replace(f"{folder}/", "").split("\n"))
        raise
    problems = [f"{RECORDS}/{drop.where}: {drop.reason}." for drop in results.dropped]
    if "earlier_fingerprints" in results.card:
        problems.append(
            f"{RECORDS}: the suite card is of an older schema version. Run `temper run` and `temper submit` again."
        )
    if results.fingerprint != manifest.suite.fingerprint:
        problems.append(f"{MANIFEST}: /suite/fingerprint: is not that of the suite card next to the records.")
    for located in results.records:
        kind, level = located.record["kind"], located.record["verification"]
        if kind != "measured":
            problems.append(f"{located}: /kind: is {kind}; a submission holds measured records only.")
        if level != "self-reported":
            problems.append(f"{located}: /verification: is {level}; only `temper verify` may write that.")
    _refuse(problems)
    return results


def _refuse(problems: Iterable[str]) -> None:
    """Raise the problems, one sentence per line; shorten a very long list."""
    sentences = list(problems)
    if sentences:
        shown = [shown_sentence(sentence) for sentence in sentences[:_MOST_SENTENCES]]
        more = [f"And {len(sentences) - _MOST_SENTENCES} more."] if len(sentences) > _MOST_SENTENCES else []
        raise IntegrityError("\n".join((*shown, *more)))


def shown_sentence(sentence: str) -> str:
    """Make a sentence about a submission safe for a terminal: printable, on one line, without a very long middle."""
    half = _LONGEST_SENTENCE // 2
    short = sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[:half]} … {sentence[-half:]}"
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(printable(short).split()))


# -- tables ---------------------------------------------------------------------------------------------------------


def read_table(path: Path, kind: str, rows: int, name: str) -> TableData:
    """Read a table of a submission.

    Args:
        path: The file.
        kind: "predict", "inspect" or "attack".
        rows: The number of examples that it must hold.
        name: The table's name in messages.

    Raises:
        IntegrityError: it declares more than `rows` or than a table may hold, or is not such a table.
    """
    _require_small(path, rows, name)
    try:
        if kind == "attack":
            return read_attack(path)
        return read_inspection(path) if kind == "inspect" else read_predictions(path)
    except IntegrityError as error:
        raise IntegrityError(shown_sentence(str(error).replace(str(path), name))) from error


def _require_small(path: Path, rows: int, name: str) -> None:
    """Refuse a table that declares too much, before any page is unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"{name}: is not a parquet file ({shown_sentence(str(error))[:200]}).") from error
    if footer.num_rows != rows:
        raise IntegrityError(f"{name}: has {footer.num_rows} rows; the suite's data has {rows}.")
    if footer.metadata:
        raise IntegrityError(f"{name}: carries metadata of its own; `temper submit` writes tables without.")
    groups, columns = footer.num_row_groups, footer.num_columns
    if groups > 1 or columns > MOST_COLUMNS:
        raise IntegrityError(f"{name}: has {groups} row groups of {columns} columns; `temper submit` writes one group.")
    chunks = [footer.row_group(group).column(column) for group in range(groups) for column in range(columns)]
    if odd := {encoding for chunk in chunks for encoding in chunk.encodings} - _PLAIN_ENCODINGS:
        raise IntegrityError(f"{name}: is encoded as {min(odd)}; `temper submit` writes plain values.")
    size, values = sum(c.total_uncompressed_size for c in chunks), max((c.num_values for c in chunks), default=0)
    if size > LARGEST_UNPACKED or values > MOST_VALUES:
        raise IntegrityError(
            f"{name}: unpacks to {size} bytes and {values} values per column; a table has at most {LARGEST_UNPACKED} "
            f"bytes and {MOST_VALUES} values."
        )
