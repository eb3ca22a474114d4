"""Read files of records, and whole results folders, where each record is compared with its card and its path."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.schema.attachments import Attachments, is_attachment, read_attachments
from benchmark.schema.canonical import file_fingerprint, lines_of, parse_json
from benchmark.schema.errors import IntegrityError, Problem, UsageError
from benchmark.schema.migrations import migrate
from benchmark.schema.record import RECORD, Record, contradictions, record_key, record_path, validate_record
from benchmark.schema.suite_card import Card, card_fingerprint, fingerprints_of, read_suite_card, suite_name
from benchmark.schema.trial import TRIALS_FILE, tuning_problems

_LOOSE_KEY = re.compile(rb'"[ \t\r]+:')
"""A key with white space before its colon, which canonical JSON does not have."""


@dataclass(frozen=True, slots=True)
class LocatedRecord:
    """A valid record and its place: file relative to its root folder, line from 1."""

    file: str
    line: int
    record: Record

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read_records(path: Path) -> list[Record]:
    """Read a file of records, one JSON object per line, migrated to the current schema and validated.

    Raises:
        IntegrityError: one line ``file:line: pointer: message`` for each problem of the whole file.
        OSError: the file cannot be read.
    """
    return [record for _, record in read_numbered_records(path)]


def read_numbered_records(path: Path) -> list[tuple[int, Record]]:
    """Read as `read_records` does, each record with its line number, from 1.

    Raises:
        IntegrityError: one line ``file:line: pointer: message`` for each problem of the whole file.
        OSError: the file cannot be read.
    """
    records: list[tuple[int, Record]] = []
    complaints: list[str] = []
    for number, line in enumerate(lines_of(path), start=1):
        record, problems = _current(line), list[Problem]()
        if record is None:
            record, problems = _any_version(line)
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        records.append((number, record))
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return records


def read_published(published: Path | None) -> tuple[LocatedRecord, ...]:
    """Read published records from their ``<paper>.jsonl`` files; None for none.

    Raises:
        UsageError: the folder does not exist.
        IntegrityError: a file is invalid; the message lists every problem of every file, one per line.
    """
    if published is not None and not published.is_dir():
        raise UsageError(f"There is no folder {published}; name a folder of published numbers, or leave it out.")
    located: list[LocatedRecord] = []
    complaints: list[str] = []
    for path in published_files(published):
        try:
            records = read_numbered_records(path)
        except IntegrityError as error:
            complaints.append(str(error))
            continue
        located += [LocatedRecord(f"published/{path.name}", line, record) for line, record in records]
        for line, record in records:
            if record["kind"] != "published":
                complaints.append(f"{path}:{line}: /kind: is measured; only what a paper prints belongs here.")
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return tuple(located)


def published_files(published: Path | None) -> tuple[Path, ...]:
    """List the files of published records in a folder, one per paper, by name."""
    return () if published is None else tuple(sorted(published.glob("[!.]*.jsonl")))


def _current(line: bytes) -> Record | None:
    """Read a valid line of the current schema in one pass; None for every other line."""
    try:
        record: Record = RECORD.adapter.validate_json(line)
    except ValidationError:
        return None
    # Compare the number of keys to detect duplicates, of which pydantic keeps only the last.
    keys = len(record) + len(record["method"]["hyperparameters"])
    for part in record.values():
        if type(part) is dict:
            keys += len(part)
    if line.count(b'":') != keys or _LOOSE_KEY.search(line) or any(contradictions(record)):
        return None
    return record


def _any_version(line: bytes) -> tuple[Any, list[Problem]]:
    """Read a line of any schema version, and list all of its problems."""
    if not line.strip():
        return None, [Problem("", "is empty; remove the line or restore its content.")]
    value, problems = parse_json(line)
    if not isinstance(value, dict):
        return value, problems or validate_record(value)
    try:
        value = migrate(value)
    except IntegrityError as error:
        pointer, _, message = str(error).partition(": ")
        return value, [*problems, Problem(pointer, message)]
    return value, problems + validate_record(value)


CARD_FILE = "suite.json"
RECORD_FILE = re.compile(r"(seed-(?P<seed>0|[1-9][0-9]*)|published)\.jsonl")

# Fields that all records of a file share, because one run wrote them.
_RUN_FIELDS = (("method", ("version", "source", "hyperparameters")), ("backbone", ("source", "revision")))


STALE = "its trials changed after it was run; run `temper run --settings tuned` again"
"""Reason for which a tuned row's records are not used."""


@dataclass(frozen=True, slots=True)
class DroppedItem:
    """A file or record in a results folder that no leaderboard uses, with the reason."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class SuiteFolder:
    """One suite version: its card, the card's fingerprint, the records the card lists, attachments, and dropped items.

    `files` holds the name, relative to the results folder, and the hash of every file that was read.
    """

    card: Card
    fingerprint: str
    records: tuple[LocatedRecord, ...]
    dropped: tuple[DroppedItem, ...]
    files: tuple[tuple[str, str], ...]
    attachments: Attachments = field(default_factory=Attachments)

    @property
    def stale(self) -> list[str]:
        """Names of the record files that were dropped because the trials changed after the row was run."""
        return [drop.where for drop in self.dropped if drop.reason == STALE]


def read_results(root: Path, published: Path | None = None) -> tuple[SuiteFolder, ...]:
    """Read a results folder and a folder of published records.

    Args:
        root: holds ``<suite>@<version>/suite.json`` and ``<suite>@<version>/<method>/<backbone>/seed-<n>.jsonl``.
        published: see `read_published`.

    Returns:
        Suites sorted by name, then by version from the newest. The order of a directory listing never matters.

    Raises:
        UsageError: a folder does not exist, or `root` is a level above or below the results folder.
        IntegrityError: a file is invalid; the message lists every problem of every file, one per line.
    """
    if not root.is_dir():
        raise UsageError(
            f"There is no folder {root}; name the results folder, which holds <suite>@<version>/{CARD_FILE}."
        )
    if home := _results_near(root):
        raise UsageError(f"{root} is not the results folder, which holds <suite>@<version>/{CARD_FILE}. Name {home}.")
    suites: list[SuiteFolder] = []
    complaints: list[str] = []
    printed: tuple[LocatedRecord, ...] = ()
    try:
        printed = read_published(published)
    except IntegrityError as error:
        complaints.append(str(error))
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            suites.append(
                _read_suite(
                    folder, [located for located in printed if suite_name(located.record["suite"]) == folder.name]
                )
            )
        except IntegrityError as error:
            complaints.append(str(error))
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return tuple(sorted(suites, key=lambda suite: (suite.card["name"], -suite.card["version"])))


def _results_near(root: Path) -> Path | None:
    """Return the results folder above a suite's folder, or inside the folder of a run; None if `root` is neither."""
    if (root / CARD_FILE).is_file():
        return root.parent if root.name not in ("", "..") else root.resolve().parent
    if any(root.glob(f"*/{CARD_FILE}")):
        return None
    inside = (root / "results", *sorted(path for path in root.iterdir() if path.is_dir()))
    return next((folder for folder in inside if any(folder.glob(f"*/{CARD_FILE}"))), None)


def _read_suite(folder: Path, published: Sequence[LocatedRecord]) -> SuiteFolder:
    """Read one suite's folder, and add the published records of the suite."""
    path, name = folder / CARD_FILE, folder.name
    if not path.is_file():
        raise IntegrityError(f"{path}: there is no suite card; run `temper run`, which writes it next to the records.")
    card = read_suite_card(path)
    if name != (full := suite_name(card)):
        raise IntegrityError(f"{path}: /name: the card of {full} is in the folder {name}; rename the folder.")
    gathering = _Gathering(card, card_fingerprint(card))
    gathering.files.append((f"{name}/{CARD_FILE}", file_fingerprint(path)))
    files, strays = _record_files(folder)
    root = folder.parent
    attached = [stray for stray in strays if is_attachment(stray, folder)]
    gathering.attachments = read_attachments(root, folder, attached)
    strays = [stray for stray in strays if stray not in attached]
    gathering.dropped += [DroppedItem(stray.relative_to(root).as_posix(), "not a record file") for stray in strays]
    for file in files:
        gathering.add_file(root, file)
    gathering.check_tuning()
    for located in published:
        gathering.add(located, located.file, [])
    if complaints := gathering.complaints + gathering.attachments.complaints:
        raise IntegrityError("\n".join(complaints))
    return gathering.folder()


def _record_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Split the files of a suite folder, without its card, into record files and others."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    good = [path for path in files if len(path.relative_to(folder).parts) == 3 and RECORD_FILE.fullmatch(path.name)]
    known = {*good, folder / CARD_FILE}
    return good, [path for path in files if path not in known]


@dataclass(slots=True)
class _Gathering:
    """The content of one suite's folder while it is being read."""

    card: Card
    fingerprint: str
    records: list[LocatedRecord] = field(default_factory=list)
    dropped: list[DroppedItem] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    seen: dict[tuple[str | int, ...], LocatedRecord] = field(default_factory=dict)
    attachments: Attachments = field(default_factory=Attachments)
    entries: dict[tuple[str, str], dict[str, Any]] = field(init=False)
    data: dict[str, LocatedRecord] = field(default_factory=dict)
    accepted: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = {(entry["id"], entry["perspective"]): entry for entry in self.card["tasks"]}
        self.accepted = fingerprints_of(self.card)

    def folder(self) -> SuiteFolder:
        """Return the finished suite folder."""
        records, dropped, files = tuple(self.records), tuple(self.dropped), (*self.files, *self.attachments.files)
        return SuiteFolder(self.card, self.fingerprint, records, dropped, files, self.attachments)

    def check_tuning(self) -> None:
        """Drop tuned records of other trials; add a complaint for trials that are missing or give other settings."""
        digests, stale = dict(self.attachments.files), set[str]()
        firsts: dict[str, LocatedRecord] = {}
        for located in self.records:
            if "tuning" in located.record:
                firsts.setdefault(located.file, located)
        for file, located in firsts.items():
            suite, row = file.partition("/")[0], "/".join(file.split("/")[1:3])
            trials = self.attachments.trials.get(row)
            if trials is None:
                missing = Problem("/tuning", f"needs {TRIALS_FILE} next to the record; `temper tune` writes it.")
                problems = [missing] if f"{suite}/{row}/{TRIALS_FILE}" not in digests else []
            elif located.record["tuning"]["trials"] != digests[f"{suite}/{row}/{TRIALS_FILE}"]:
                # `temper tune` may add trials at any time, which must not hide the other rows.
                stale.add(file)
                continue
            else:
                problems = list(tuning_problems(located.record, trials))
            self.complaints += [f"{located}: {problem}" for problem in problems]
        self.dropped += [DroppedItem(file, STALE) for file in sorted(stale)]
        self.records = [located for located in self.records if located.file not in stale]

    def add_file(self, root: Path, path: Path) -> None:
        """Read one record file; add a complaint for each problem."""
        try:
            records = read_numbered_records(path)
        except IntegrityError as error:
            self.complaints.append(str(error))
            return
        if not records:
            self.complaints.append(f"{path}: holds no record; restore its content, or remove the file.")
        name = path.relative_to(root).as_posix()
        self.files.append((name, file_fingerprint(path)))
        for line, record in records:
            problems = [*_fits_place(record, name), *_same_run(record, records[0][1])]
            self.add(LocatedRecord(name, line, record), str(path), problems)

    def add(self, this: LocatedRecord, file: str, problems: list[Problem]) -> None:
        """Add one record; add a complaint for each of `problems` and for each further problem."""
        problems += [*self._fits_suite(this.record), *self._same_data(this)]
        other = self.seen.setdefault(record_key(this.record), this)
        if other is not this:
            problems.append(Problem("/metric/id", f"repeats {other}: same row, seed, task and metric; keep one."))
        self.complaints += [f"{file}:{this.line}: {problem}" for problem in problems]
        if reason := self._unlisted(this.record):
            self.dropped.append(DroppedItem(str(this), reason))
        else:
            self.records.append(this)

    def _same_data(self, this: LocatedRecord) -> Iterator[Problem]:
        """Check that an evaluation task has the same data in every record, even if the card declares no hash."""
        task = this.record["task"]
        if task["data"] is None:
            return
        other = self.data.setdefault(task["id"], this)
        if other.record["task"]["data"] != task["data"]:
            there = f"{other.record['task']['data']} in {other}"
            yield Problem("/task/data", f"is {task['data']}, but {there}; measure both rows on one data set.")

    def _unlisted(self, record: Record) -> str:
        """Say why the card's closed list does not include a record; empty if it does."""
        task, metric = record["task"], record["metric"]["id"]
        entry = self.entries.get((task["id"], task["perspective"]))
        if entry is None and record["kind"] == "published" and task["id"] == task["perspective"]:
            return "a mean over the paper's own sets; `temper reproduce` shows it"
        if entry is None:
            return f"the suite card has no task {task['id']} under {task['perspective']}"
        return "" if metric in entry["metrics"] else f"the suite card does not list {metric} for {task['id']}"

    def _fits_suite(self, record: Record) -> Iterator[Problem]:
        """Compare a record with the card: suite fingerprint, evaluation task and metric."""
        stated = record["suite"]["fingerprint"]
        if stated is not None and stated not in self.accepted:
            message = f"is {stated}, the suite card's is {self.fingerprint}; run the record again with this suite."
            yield Problem("/suite/fingerprint", message)
            return
        entry = self.entries.get((record["task"]["id"], record["task"]["perspective"]))
        metric = self.card["metrics"].get(record["metric"]["id"])
        if entry is not None:
            yield from _agrees(record["task"], entry, "/task", ("version", "data", "n"))
        if metric is not None:
            yield from _agrees(record["metric"], metric, "/metric", ("version", "direction"))
        if entry is not None and metric is not None and entry["headline"] == record["metric"]["id"]:
            yield from _fractions(record) if metric["unit"] == "fraction" else ()


def _fits_place(record: Record, name: str) -> Iterator[Problem]:
    """Compare a record with the path of its file, part by part."""
    pointers = ("/suite", "/method", "/backbone/name", "/seed")
    for pointer, stated, actual in zip(pointers, record_path(record).split("/"), name.split("/"), strict=True):
        if stated != actual:
            fix = f"move the record to {record_path(record)}"
            yield Problem(pointer, f"is {stated}, the path of the file says {actual}; {fix}.")


def _agrees(here: Mapping[str, Any], card: Mapping[str, Any], at: str, names: tuple[str, ...]) -> Iterator[Problem]:
    """Compare fields with the suite card's; null (in a published record, or an undeclared hash) matches everything."""
    for name in names:
        if None not in (here[name], card[name]) and here[name] != card[name]:
            yield Problem(f"{at}/{name}", f"is {here[name]}, the suite card says {card[name]}; never mix versions.")


def _fractions(record: Record) -> Iterator[Problem]:
    """Check that a headline fraction is between 0 and 1. Other metrics, such as a cosine, may be outside."""
    if record["value"] is not None and not 0 <= record["value"] <= 1:
        yield Problem("/value", f"is {record['value']}; the metric is a fraction, from 0 to 1.")
    replicates = record["replicates"] or (0,)
    if min(replicates) >= 0 and max(replicates) <= 1:
        return
    for index, value in enumerate(replicates):
        if not 0 <= value <= 1:
            yield Problem(f"/replicates/{index}", f"is {value}; the metric is a fraction, from 0 to 1.")


def _same_run(record: Record, first: Record) -> Iterator[Problem]:
    """Compare the fields that one run fixes with the file's first record; null matches everything."""
    if record["kind"] == "published" or record is first:
        return
    message = "differs from the file's first record; one file holds one run."
    for part, fields in _RUN_FIELDS:
        here, there = record[part], first[part]
        if here == there:
            continue
        for name in fields:
            if None not in (here[name], there[name]) and here[name] != there[name]:
                yield Problem(f"/{part}/{name}", message)
    if record.get("tuning") != first.get("tuning"):
        yield Problem("/tuning", message)
    if None not in (record["cost"], first["cost"]) and record["cost"] != first["cost"]:
        yield Problem("/cost", message)
