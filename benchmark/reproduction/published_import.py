"""Import numbers that papers print: read a CSV, convert its lines to records, and add them to the papers' files."""

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import METRICS
from benchmark.execution.method_registry import registered
from benchmark.schema import (
    PERSPECTIVES,
    RECORD_SCHEMA_VERSION,
    LocatedRecord,
    Record,
    TemperError,
    UsageError,
    line_order,
    nearest,
    read_published,
    record_key,
    record_line,
    validate_record,
)
from benchmark.schema.atomic_io import sync
from benchmark.schema.errors import printable
from benchmark.suites import Suite, available_suites, load_suite

COLUMNS = ("paper", "table", "row", "column", "suite", "backbone", "method", "task", "metric", "value")
MOST_BYTES, MOST_LINES, MOST_CHARACTERS = 4_000_000, 5_000, 100_000
_FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]")
_NUMBER = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,12})?)(\s*%)?")


class PrintedError(UsageError):
    """A CSV has errors; the message has one sentence per error."""


@dataclass
class CsvReader:
    """State while the lines of a file are read."""

    place: str
    complaints: list[str] = field(default_factory=list)
    suites: dict[str, Suite] = field(default_factory=dict)
    seen: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def complain(self, line: int, column: str, sentence: str) -> None:
        """Record an error of a column, or of the line if `column` is empty."""
        where = f", column {column}" if column else ""
        self.complaints.append(f"{self.place}: line {line}{where}: {sentence}")


def lines_of(path: Path, reading: CsvReader) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines with their numbers; skip empty lines."""
    lines = _csv_text(path).splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        # The csv module's own limit holds for the whole process, and other libraries raise it.
        if len(line) > MOST_CHARACTERS:
            raise PrintedError(f"{path.name}: line {number}: not a CSV (over {MOST_CHARACTERS} characters).")
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, reading)
        for cells in reader:
            if reader.line_num > MOST_LINES:
                raise PrintedError(f"{path.name} has more than {MOST_LINES} lines; import it in parts.")
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                reading.complain(reader.line_num, "", f"has {len(cells)} cells where the header has {len(header)}.")
                continue
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise PrintedError(f"{path.name}: line {reader.line_num}: not a CSV ({error}); correct the quotes.") from error


def _csv_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a CSV file.") from error
    if len(data) > MOST_BYTES:
        raise PrintedError(f"{path.name} has {len(data):,} bytes; import at most {MOST_BYTES:,} at once.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PrintedError(f"{path.name}: line {line}: is not UTF-8; save the file as UTF-8.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise PrintedError(f"{path.name}: line {line}: holds a NUL character; remove it.")
    return text


def _check_header(header: list[str], reading: CsvReader) -> None:
    """Check the header, on which reading the lines depends."""
    for name in header:
        if name not in COLUMNS:
            reading.complain(1, printable(name[:60]), f"is unknown. {nearest(name[:60], COLUMNS)}")
        elif header.count(name) > 1:
            reading.complain(1, name, "is a duplicate; keep one.")
    if missing := [name for name in COLUMNS if name not in header]:
        reading.complain(1, "", f"lacks {', '.join(missing)}; the first line names the columns {','.join(COLUMNS)}.")
    if reading.complaints:
        raise PrintedError("\n".join(dict.fromkeys(reading.complaints)))


def read_printed(path: Path) -> list[Record]:
    """Read a CSV with the columns `COLUMNS` into published records.

    The column `task` is an evaluation task or attack of the suite, or a perspective for the mean over the paper's own
    sets. A value is a fraction or a percentage with its sign: ``0.842`` or ``84.2%``.

    Raises:
        PrintedError: the file has errors; all of them are listed.
    """
    reading = CsvReader(path.name)
    records: list[Record] = []
    for line, cells in lines_of(path, reading):
        known = len(reading.complaints)
        record = _record(line, cells, reading)
        if len(reading.complaints) == known:
            records.append(record)
    if reading.complaints:
        raise PrintedError("\n".join(reading.complaints))
    if not records:
        raise PrintedError(f"{path.name} has no line below its header. Nothing was imported.")
    return records


def _record(line: int, cells: Mapping[str, str], reading: CsvReader) -> Record:
    """Convert a line to a record; with an error, which joins the complaints, the record is invalid."""
    known = len(reading.complaints)
    for column in COLUMNS[:-1]:
        if not cells[column]:
            reading.complain(line, column, "is empty; fill it in.")
        elif _FORMULA.match(cells[column]):
            reading.complain(
                line, column, f"begins with {cells[column][0]!r}, which a spreadsheet reads as a formula; remove it."
            )
    if len(reading.complaints) > known:
        return {}
    suite = _suite(line, cells["suite"], reading)
    metric = _metric(line, cells["metric"], reading)
    method = _method(line, cells["method"], reading)
    if suite is None or metric is None:
        return {}
    task = _task(line, cells["task"], metric, suite, reading)
    value = _value(line, cells["value"], metric, reading)
    record = _assembled(suite, cells, method, {"task": task, "value": value})
    if len(reading.complaints) == known:
        _check(line, record, reading)
    return record


def _suite(line: int, name: str, reading: CsvReader) -> Suite | None:
    plain, _, version = name.partition("@")
    if plain not in available_suites():
        reading.complain(line, "suite", f"there is no suite {plain[:60]!r}. {nearest(plain[:60], available_suites())}")
        return None
    suite = reading.suites.setdefault(plain, load_suite(plain))
    if version and version != str(suite.version):
        reading.complain(
            line, "suite", f"is version {version[:20]!r}, {plain} is at {suite.version} here; write {plain}."
        )
    return suite


def _metric(line: int, name: str, reading: CsvReader) -> str | None:
    if name in METRICS:
        return name
    reading.complain(line, "metric", f"there is no metric {name[:60]!r}. {nearest(name[:60], METRICS)}")
    return None


def _method(line: int, text: str, reading: CsvReader) -> dict[str, Any]:
    """Return name and configuration; unknown methods are allowed, but not other spellings of known ones."""
    name, _, settings = text.partition(":")
    for known in registered():
        if name != known and name.casefold().replace("-", "_") == known.casefold().replace("-", "_"):
            reading.complain(line, "method", f"{name!r} is called {known!r} here; write that.")
    return {"name": name, "configuration": settings.replace(":", ",")}


def _task(line: int, name: str, metric: str, suite: Suite, reading: CsvReader) -> dict[str, Any]:
    """Return the evaluation task's entry in a record; a perspective means the average over the paper's own sets."""
    tasks = {task.id: (task.version, str(task.perspective), tuple(task.metrics)) for task in suite.tasks}
    tasks |= {attack.id: (attack.version, "adversarial", attack.metrics) for attack in suite.attacks}
    if name not in tasks and name not in PERSPECTIVES:
        reading.complain(line, "task", f"{suite.name} has no task {name[:60]!r}. {nearest(name[:60], tasks)}")
        return {}
    version, perspective, metrics = tasks.get(name, (1, name, ()))
    if metrics and metric not in metrics:
        reading.complain(line, "metric", f"{metric!r} is not measured on {name}. {nearest(metric, metrics)}")
    if metrics and METRICS[metric].calibration:
        perspective = "calibration"
    return {"id": name, "version": version, "perspective": perspective, "data": None, "n": None}


def _value(line: int, text: str, metric: str, reading: CsvReader) -> float | None:
    """Parse a value with decimal arithmetic: 84.2 % is 0.842 and not 0.8420000000000001."""
    match = _NUMBER.fullmatch(text)
    fraction = METRICS[metric].unit == "fraction"
    if match is None:
        reading.complain(line, "value", f"{printable(text[:40])!r} is not a number; write one such as 84.2% or 0.842.")
        return None
    try:
        number = Decimal(match[1]) / (100 if match[2] else 1)
    except InvalidOperation as error:
        raise TemperError(f"{reading.place}: line {line}, column value: {error}.") from error
    if match[2] and not fraction:
        reading.complain(line, "value", f"is in percent, which {metric} is not; write the number without %.")
    elif fraction and not 0 <= number <= 1:
        reading.complain(
            line, "value", f"{text} is not a fraction; write {text.rstrip(' %')}% or a number from 0 to 1."
        )
    return float(number)


def _assembled(suite: Suite, cells: Mapping[str, str], method: dict[str, Any], task: dict[str, Any]) -> Record:
    known = METRICS[cells["metric"]]
    return {
        "schema": RECORD_SCHEMA_VERSION,
        "kind": "published",
        "suite": {"name": suite.name, "version": suite.version, "fingerprint": None},
        "method": {**method, "version": None, "source": None, "hyperparameters": {}},
        "backbone": {"name": cells["backbone"], "source": None, "revision": None},
        "seed": None,
        **task,
        "metric": {"id": known.id, "version": known.version, "direction": known.direction},
        "status": "ok",
        "reason": None,
        "replicates": None,
        "cost": None,
        "environment": {},
        "keys": {},
        "table": None,
        "verification": "self-reported",
        "source": {name: cells[name] for name in COLUMNS[:4]},
    }


_CSV_COLUMN = {"/method/name": "method", "/method/configuration": "method", "/backbone/name": "backbone"}


def _check(line: int, record: Record, reading: CsvReader) -> None:
    """Validate the record, and compare it with the lines before it."""
    for problem in validate_record(record):
        column = _CSV_COLUMN.get(problem.pointer, problem.pointer.rpartition("/")[2])
        reading.complain(line, column, problem.message)
    other = reading.seen.setdefault(record_key(record), line)
    if other != line:
        reading.complain(line, "", f"repeats line {other}: same paper, method, backbone, task and metric; keep one.")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import: numbers of new and known records, and the changed files."""

    added: int
    known: int
    files: tuple[Path, ...]


def file_records(records: Sequence[Record], published: Path) -> ImportReport:
    """Add records to the papers' files.

    Raises:
        UsageError: a number exists with another value, or the folder is not writable; nothing is changed.
        IntegrityError: an existing file is invalid.
    """
    filed = read_published(published if published.is_dir() else None)
    known = {record_key(located.record): located for located in filed}
    new = [record for record in records if record_key(record) not in known]
    _refuse_conflicts(records, known)
    papers = {located.record["source"]["paper"]: located.file.partition("/")[2] for located in known.values()}
    files: dict[str, list[Record]] = {}
    for record in new:
        paper = record["source"]["paper"]
        name = papers.setdefault(paper, _name(paper, set(papers.values())))
        files.setdefault(name, []).append(record)
    for located in known.values():
        if (name := located.file.partition("/")[2]) in files:
            files[name].append(located.record)
    texts = {published / name: _text(lines) for name, lines in sorted(files.items())}
    try:
        _replace_all(texts)
    except OSError as error:
        raise UsageError(f"{published} is not writable: {error.strerror}. Nothing was imported.") from error
    return ImportReport(len(new), len(records) - len(new), tuple(texts))


def _refuse_conflicts(records: Sequence[Record], known: Mapping[tuple[str | int, ...], LocatedRecord]) -> None:
    clashes = []
    for record in records:
        located = known.get(record_key(record))
        if located is not None and located.record != record:
            value = f"{located.record['value']} from {' / '.join(located.record['source'].values())}"
            what = f"{record['method']['name']}, {record['task']['id']}, {record['metric']['id']}"
            clashes.append(f"{what}: {located} has {value}; remove that line, or correct the CSV.")
    if clashes:
        raise UsageError("\n".join(clashes))


def _name(paper: str, taken: Collection[str]) -> str:
    """Return an unused file name for a paper: letters, digits and hyphens, with a number if it exists."""
    slug = re.sub("[^a-z0-9]+", "-", paper.lower()).strip("-")[:60].rstrip("-") or "paper"
    numbered = (f"{slug}{'' if number == 1 else f'-{number}'}.jsonl" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def _text(records: Sequence[Record]) -> str:
    def order(record: Record) -> tuple[object, ...]:
        suite, method = record["suite"], record["method"]
        row = (suite["name"], suite["version"], record["backbone"]["name"], method["name"], method["configuration"])
        return (*row, line_order(record))

    return "".join(record_line(record) for record in sorted(records, key=order))


def _replace_all(texts: Mapping[Path, str]) -> None:
    """Write all new files next to the old ones first, so that a full disk changes none of them."""
    partials: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partials[path] = path.with_name(f".{path.name}.{os.getpid()}.partial")
            partials[path].write_text(text, encoding="utf-8")
            sync(partials[path])
        for path, partial in partials.items():
            partial.replace(path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
