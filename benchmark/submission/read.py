"""Read a submission from the outside in: files, sizes, hashes, manifest, source, records, tables. Nothing is executed.

<folder>/submission.json                               the manifest: identity, keys, and a hash for every other file
<folder>/source.json                                   the source texts whose hash is the records' method source
<folder>/records/<suite>@<version>/...                 the suite card and the records, as in a results folder
<folder>/tables/seed-<n>/<subject>.parquet             the tables that the records were computed from
<folder>/tables/seed-<n>/features/<subject>.parquet    those of features, in suites with metrics of features
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints

from benchmark.evaluation.parquet import (
    FeatureTable,
    InspectionTable,
    PredictionTable,
    read_attack,
    read_features,
    read_inspection,
    read_predictions,
)
from benchmark.schema import (
    IntegrityError,
    SuiteFolder,
    TemperError,
    UsageError,
    canonical_json,
    file_fingerprint,
    method_slug,
    parse_json,
    printable,
    read_results,
)
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.base import NAME_LIMIT, STRICT, Count, Hash, Name, Schema, Whole, refusal
from benchmark.schema.record import Configuration, row_folder
from benchmark.schema.trial import TRIALS_FILE, Trial

SUBMISSION_SCHEMA_VERSION = 1
MANIFEST, SOURCE, RECORDS, TABLES = "submission.json", "source.json", "records", "tables"

MEBIBYTE = 1 << 20
MOST_FILES, MOST_PARTS, LARGEST_FOLDER = 2000, 6, 64 * MEBIBYTE
LARGEST = {".json": 4 * MEBIBYTE, ".jsonl": 16 * MEBIBYTE, ".parquet": 8 * MEBIBYTE}
"""Maximum bytes of a file, by suffix; other suffixes are not allowed in a submission."""
DEEPEST = 100
"""Maximum number of levels of objects and lists in a JSON file."""
LARGEST_UNPACKED, MOST_VALUES = 64 * MEBIBYTE, 1 << 24
_PLAIN_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED"}
"""Encodings whose declared size is the size in memory. A dictionary's is not: each row may refer to one long text."""
_MOST_SENTENCES, _LONGEST_SENTENCE = 50, 600

TableKind: TypeAlias = Literal["predict", "inspect", "features", "attack"]
TableData: TypeAlias = PredictionTable | InspectionTable | FeatureTable | list[AttackRow]
_READERS: Mapping[TableKind, Callable[[Path], TableData]] = {
    "predict": read_predictions,
    "inspect": read_inspection,
    "features": read_features,
    "attack": read_attack,
}

Subject: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*( part| before training)?$", max_length=NAME_LIMIT + 16),
    Field(title="a name as `temper submit` writes it"),
]
"""An evaluation task or attack, or what only features are of: the training part, a task "before training"."""


# -- the manifest ---------------------------------------------------------------------------------------------------


def _unique(*fields: str) -> AfterValidator:
    """Refuse a list in which two items have the same values of some fields."""

    def check(items: list[Any]) -> list[Any]:
        if len({tuple(getattr(item, field) for field in fields) for item in items}) < len(items):
            raise refusal([((), f"names a {' and '.join(fields)} twice; keep one entry of each.")])
        return items

    return AfterValidator(check)


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

    subject: Subject
    kind: TableKind
    key: Hash


class Outcome(_Part):
    """The outcome of a training run."""

    cost: dict[str, Whole]
    environment: dict[str, str]
    best_epoch: Whole
    ingredients: list[Whole] | None = None


class Run(_Part):
    """One seed: the spec and outcome of its training, the hashes of its weights, and its tables."""

    seed: Whole
    training: dict[str, Any]
    outcome: Outcome
    weights: Annotated[dict[str, Hash], Field(max_length=200)]
    tables: Annotated[list[Table], Field(min_length=1, max_length=500), _unique("subject", "kind")]


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
    runs: Annotated[list[Run], Field(min_length=1, max_length=100), _unique("seed")]
    files: Annotated[dict[str, FileEntry], Field(max_length=100_000)]

    @property
    def row(self) -> PurePosixPath:
        """Folder of the row's records, and of the submission itself."""
        suite, method = self.suite, self.method
        slug = method_slug(method.name, method.configuration, tuned=method.tuned)
        return PurePosixPath(row_folder(suite.name, suite.version, slug, self.backbone))

    def expected_files(self) -> set[str]:
        """Return the required files except the manifest, without trusting any path in the manifest."""
        files = {SOURCE, f"{RECORDS}/{self.row.parts[0]}/suite.json"}
        if self.method.tuned:
            files.add(f"{RECORDS}/{self.row}/{TRIALS_FILE}")
        for run in self.runs:
            files.add(f"{RECORDS}/{self.row}/seed-{run.seed}.jsonl")
            files |= {table_path(run.seed, table.kind, table.subject) for table in run.tables}
        return files


class _Composed(_Part):
    """The source of a composition: its members' texts, and the text of the composing module."""

    members: dict[Name, dict[str, str]]
    composition: str


_MANIFEST, _COMPOSED, _TEXTS = Schema(Manifest), Schema(_Composed), Schema(Annotated[dict[str, str], Strict()])


def table_path(seed: int, kind: str, subject: str) -> str:
    """Return the path of a table in the folder."""
    return f"{TABLES}/seed-{seed}/{'features/' if kind == 'features' else ''}{subject}.parquet"


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

    @property
    def trials(self) -> list[Trial]:
        """Return the trials of a tuned row; empty for a row with default settings."""
        return next(iter(self.results.attachments.trials.values()), [])

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
    sizes: dict[str, int] = {}
    _refuse(_size_problems(folder, sizes))
    value = _parse(folder, MANIFEST)
    stated = value.get("schema") if isinstance(value, dict) else None
    if isinstance(stated, int) and stated > SUBMISSION_SCHEMA_VERSION:
        newest = SUBMISSION_SCHEMA_VERSION
        raise IntegrityError(f"{MANIFEST}: /schema: is {stated}; this version reads {newest}. Update Temper.")
    manifest: Manifest = _validated(_MANIFEST, value, MANIFEST)
    _refuse(_file_problems(folder, manifest, sizes))
    sources = _parse(folder, SOURCE)
    _validated(_COMPOSED if isinstance(sources, dict) and "members" in sources else _TEXTS, sources, SOURCE)
    try:
        (results,) = read_results(folder / RECORDS)
    except IntegrityError as error:
        _refuse(str(error).replace(f"{folder}/", "").split("\n"))
        raise
    _refuse(f"{RECORDS}/{drop.where}: {drop.reason}." for drop in results.dropped)
    return Submission(folder, manifest, sources, results)


def _size_problems(folder: Path, sizes: dict[str, int]) -> Iterator[str]:
    """Add the size of every file to `sizes`; yield links, special files, unknown suffixes, and too much data."""
    for root, folders, files in os.walk(folder):
        for path in sorted(Path(root, name) for name in (*folders, *files)):
            inner, status = path.relative_to(folder), path.lstat()
            name = ascii(inner.as_posix())
            if len(sizes) >= MOST_FILES or len(inner.parts) > MOST_PARTS:
                yield f"{name}: is one of more than {MOST_FILES} files, or over {MOST_PARTS} folders deep; remove it."
                return
            if stat.S_ISDIR(status.st_mode):
                continue
            sizes[inner.as_posix()] = status.st_size
            if not stat.S_ISREG(status.st_mode):
                yield f"{name}: is a link or a special file; a submission holds plain files only."
            elif path.suffix not in LARGEST:
                yield f"{name}: does not belong in a submission, which holds {', '.join(LARGEST)} only; remove it."
            elif status.st_size > LARGEST[path.suffix]:
                most = LARGEST[path.suffix]
                yield f"{name}: has {status.st_size} bytes; a {path.suffix} file has at most {most}."
    if (total := sum(sizes.values())) > LARGEST_FOLDER:
        yield f"The folder holds {total} bytes; a submission has at most {LARGEST_FOLDER}."
    if MANIFEST not in sizes:
        yield f"{MANIFEST}: is missing; run `temper submit` again."


def _parse(folder: Path, name: str) -> Any:
    """Parse a JSON file of the folder; refuse what cannot be hashed or written: NaN, lone surrogates, deep nesting."""
    value, problems = parse_json((folder / name).read_bytes())
    _refuse(f"{name}: {problem}" for problem in problems)
    if _is_deeper(value, DEEPEST):
        _refuse([f"{name}: is nested too deeply; run `temper submit` again."])
    try:
        canonical_json(value).encode()
    except TemperError as error:
        _refuse([f"{name}: {error}"])
    except UnicodeEncodeError:
        _refuse([f"{name}: holds half of a surrogate pair, which no file can; remove it."])
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether objects and lists are nested more deeply. Python's own limit depends on its version."""
    level = [value]
    for _ in range(levels):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [item for items in inner for item in items]
    return bool(level)


def _validated(schema: Schema, value: object, name: str) -> Any:
    """Validate a value; raise all problems together, each with file and pointer."""
    valid, problems = schema.read(value)
    _refuse(f"{name}: {problem}" for problem in problems)
    return valid


def _file_problems(folder: Path, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[str]:
    """Compare the existing files, the listed files, and those that the rest of the manifest requires."""
    expected = manifest.expected_files()
    for name in sorted({*expected, *sizes, *manifest.files} - {MANIFEST}):
        if name not in expected:
            yield f"{name!a}: is not part of this submission; remove it, also from {MANIFEST}."
        elif name not in sizes:
            yield f"{name}: is missing; run `temper submit` again."
        elif manifest.files.get(name) != FileEntry(sha256=file_fingerprint(folder / name), size=sizes[name]):
            yield f"{name}: is not the file that {MANIFEST} lists: its size or hash differs."


def _refuse(problems: Iterable[str]) -> None:
    """Raise the problems, one sentence per line; shorten a very long list."""
    sentences = list(problems)
    if sentences:
        more = [f"And {len(sentences) - _MOST_SENTENCES} more."] if len(sentences) > _MOST_SENTENCES else []
        raise IntegrityError("\n".join((*map(shown_sentence, sentences[:_MOST_SENTENCES]), *more)))


def shown_sentence(sentence: str) -> str:
    """Make a sentence about a submission safe for a terminal: printable, on one line, without a very long middle."""
    half = _LONGEST_SENTENCE // 2
    short = sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[:half]} … {sentence[-half:]}"
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(printable(short).split()))


# -- tables ---------------------------------------------------------------------------------------------------------


def read_table(path: Path, kind: TableKind, rows: int, name: str) -> TableData:
    """Read a table of a submission.

    Args:
        path: The file.
        kind: The kind of stage that writes such a table.
        rows: The number of examples that it must hold.
        name: The table's name in messages.

    Raises:
        IntegrityError: it declares more than `rows` or than a table may hold, or is not such a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Read the footer first, so that nothing is unpacked from a table that declares too much.
    try:
        footer = pq.read_metadata(path)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise IntegrityError(f"{name}: is not a parquet file ({shown_sentence(str(error))[:200]}).") from error
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(column) for group in groups for column in range(group.num_columns)]
    size, values = sum(chunk.total_uncompressed_size for chunk in chunks), sum(chunk.num_values for chunk in chunks)
    odd = {encoding for chunk in chunks for encoding in chunk.encodings} - _PLAIN_ENCODINGS
    if footer.num_rows != rows:
        raise IntegrityError(f"{name}: has {footer.num_rows} rows; the suite's data has {rows}.")
    if size > LARGEST_UNPACKED or values > MOST_VALUES:
        most = f"{LARGEST_UNPACKED} bytes and {MOST_VALUES} values"
        raise IntegrityError(f"{name}: unpacks to {size} bytes and {values} values; a table has at most {most}.")
    # Metadata may name extension types, whose readers have run code in some versions of pyarrow.
    if odd or footer.metadata:
        what = f"is encoded as {min(odd)}" if odd else "carries metadata"
        raise IntegrityError(f"{name}: {what}; `temper submit` writes plain values and nothing else.")
    try:
        return _READERS[kind](path)
    except IntegrityError as error:
        raise IntegrityError(shown_sentence(str(error).replace(str(path), name))) from error
