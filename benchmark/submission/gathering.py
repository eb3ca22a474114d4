"""From a finished run to a submission: complete, with every table, the same bytes each time; or the reason why not."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.execution.cards import suite_card
from benchmark.execution.cells import MODEL, TABLES, TRAINING, Cell, Row, cells_of
from benchmark.execution.effect import has_vanilla_weights
from benchmark.execution.explaining import explain, state_of
from benchmark.execution.records import file_of, records_of
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload
from benchmark.schema import (
    IntegrityError,
    TemperError,
    UnavailableError,
    UsageError,
    card_fingerprint,
    file_fingerprint,
    read_records,
    record_line,
    suite_card_text,
)
from benchmark.submission.intake import destination, read_submission
from benchmark.submission.layout import MANIFEST, RECORDS, SOURCE, SUBMISSION_SCHEMA_VERSION, row_folder, table_path
from benchmark.submission.sources import source_texts


@dataclass(frozen=True)
class Gathered:
    """A submission that was made.

    Attributes:
        folder: Where it is.
        size: Its bytes.
        files: How many files it has.
        idle: Seeds whose weights are vanilla's.
    """

    folder: Path
    size: int
    files: int
    idle: tuple[int, ...] = ()


def seeds_to_submit(row: Row, work: Workload, results: Path, card: Mapping[str, Any]) -> list[int]:
    """The seeds that a submission must hold: from 0 to the highest that was run, and as many as the board asks for.

    Args:
        row: The row with any seed.
        work: The suite.
        results: Folder of the run's records.
        card: The suite card.
    """
    folder = (results / file_of(row, card)).parent
    found = [int(path.stem.removeprefix("seed-")) for path in folder.glob("seed-*.jsonl") if path.stem[5:].isdigit()]
    least = work.suite.minimum_seeds if work.suite.ranked else 1
    return list(range(max(least, max(found, default=-1) + 1)))


def gather(rows: Sequence[Row], work: Workload, store: Store, results: Path, submissions: Path) -> Gathered:
    """Gather the rows of one method, one for each seed, into a folder below `submissions`.

    Raises:
        TemperError: something is missing, failed, broken or does not agree; one sentence a line.
    """
    require_whole(work, "submitted")
    card = suite_card(work)
    finished = [_finished(row, work, store, results, card) for row in rows]
    problems = [problem for one in finished if isinstance(one, list) for problem in one]
    if problems:
        raise TemperError("\n".join(problems))
    idle = [row.seed for row in rows if has_vanilla_weights(row, work, store)]
    if len(idle) == len(rows):
        raise TemperError(
            f"{rows[0].method.label} has no effect: the weights of every seed are vanilla's, so its row would repeat "
            "vanilla's. Run `temper check` on the method."
        )
    runs = [one for one in finished if isinstance(one, _Run)]
    submissions.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=submissions, prefix=".gathering-") as scratch:
        folder = Path(scratch) / "submission"
        manifest = _write(folder, runs, card)
        read_submission(folder)
        return _move(folder, destination(submissions, manifest), idle)


def require_whole(work: Workload, what: str) -> None:
    """Refuse to work on a suite of which some data is not here.

    Raises:
        UnavailableError: one sentence a line for each probe or attack, with the command that gets its data.
    """
    if work.missing:
        told = [f"{name} cannot be {what} here: {absence.here}" for name, absence in work.missing.items()]
        raise UnavailableError("\n".join(told))


@dataclass(frozen=True)
class _Run:
    """A seed with everything that it made."""

    row: Row
    trained: Artifact
    cells: list[Cell]
    tables: dict[str, tuple[Cell, Artifact]]
    records: list[dict[str, Any]]


def _finished(row: Row, work: Workload, store: Store, results: Path, card: Mapping[str, Any]) -> "_Run | list[str]":
    """A seed's artifacts and records, or sentences about what is not there."""
    path = results / file_of(row, card)
    failed = _failed(path, row)
    if failed:
        return [failed]
    cells = list(cells_of(row, work, store))
    lacking = list(_lacking(row, cells, work, store))
    if lacking:
        return lacking
    records = records_of(row, cells, work, card, store)
    text = "".join(record_line(record) for record in records)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        return [
            f"{path} is not what the tables give; run `temper run` again, which writes it anew and computes nothing."
        ]
    kept = {cell.subject: (cell, _found(cell, store)) for cell in cells if cell.kind in TABLES}
    return _Run(row, _found(cells[0], store), cells, kept, records)


def _failed(path: Path, row: Row) -> str:
    """Why a row that was run has no values; empty where it has."""
    try:
        records = read_records(path) if path.is_file() else []
    except IntegrityError as error:
        return str(error)
    reason = next((record["reason"] for record in records if record["status"] == "failed"), "")
    return f"{row.label} failed: {reason} A failed row is no submission; mend it and run it again." if reason else ""


def _lacking(row: Row, cells: Sequence[Cell], work: Workload, store: Store) -> Iterator[str]:
    """Say what is missing, and of a training that is missing because something changed, what did."""
    states = {cell.label: state_of(cell, store) for cell in cells}
    first = next((cell for cell in cells if states[cell.label] != "done"), None)
    if first is None:
        return
    changed = [found.pointer for one in explain([row], work, store) for found in one.differences][:3]
    if "/method/source" in changed:
        yield (
            f"{row.label}: the method's source is not the one that was run; the records would not be of this plugin. "
            "Run `temper run` again."
        )
        return
    what = {"broken": "does not have the hashes of its receipt", "begun": "is begun and not finished"}
    state = what.get(states[first.label], "is not there")
    more = sum(states[cell.label] != "done" for cell in cells) - 1
    yield (
        f"{first.label} {state}, and {more} cells that follow: run `temper run {work.suite.name} --methods "
        f"{row.method.cls.name} --seeds {row.seed + 1}`, which computes what is missing."
    )


def _found(cell: Cell, store: Store) -> Artifact:
    artifact = store.peek(cell.kind, cell.key or "")
    if artifact is None:
        raise TemperError(f"{cell.label} is not there; run `temper run` again.")
    return artifact


def _write(folder: Path, runs: Sequence[_Run], card: Mapping[str, Any]) -> dict[str, Any]:
    """Write all files and then the manifest with their hashes."""
    method = runs[0].row.method
    manifest: dict[str, Any] = {
        "schema": SUBMISSION_SCHEMA_VERSION,
        "suite": {"name": card["name"], "version": card["version"], "fingerprint": card_fingerprint(card)},
        "method": {"name": method.cls.name, "configuration": method.configuration},
        "backbone": runs[0].row.backbone.name,
        "runs": [_run_entry(run) for run in runs],
    }
    records = folder / RECORDS / row_folder(manifest)
    records.mkdir(parents=True)
    (records.parents[1] / "suite.json").write_text(suite_card_text(dict(card)), encoding="utf-8")
    (folder / SOURCE).write_text(_json(source_texts(method.cls)), encoding="utf-8")
    for run in runs:
        text = "".join(record_line(record) for record in run.records)
        (records / f"seed-{run.row.seed}.jsonl").write_text(text, encoding="utf-8")
        _copy_tables(folder, run)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest["files"] = {path.relative_to(folder).as_posix(): _entry(path) for path in files}
    (folder / MANIFEST).write_text(_json(manifest), encoding="utf-8")
    return manifest


def _run_entry(run: _Run) -> dict[str, Any]:
    weights = {name.removeprefix(f"{MODEL}/"): digest for name, digest in run.trained.files.items()}
    return {
        "seed": run.row.seed,
        "training": run.cells[0].spec,
        "outcome": json.loads((run.trained.folder / TRAINING).read_text(encoding="utf-8")),
        "weights": {name: weights[name] for name in sorted(weights) if f"{MODEL}/{name}" in run.trained.files},
        "tables": [
            {"subject": subject, "kind": cell.kind, "key": cell.key}
            for subject, (cell, _) in sorted(run.tables.items())
        ],
    }


def _copy_tables(folder: Path, run: _Run) -> None:
    for subject, (cell, artifact) in run.tables.items():
        target = folder / table_path(run.row.seed, subject)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.folder / TABLES[cell.kind], target)


def _entry(path: Path) -> dict[str, Any]:
    return {"sha256": file_fingerprint(path), "size": path.stat().st_size}


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _move(folder: Path, target: Path, idle: Sequence[int]) -> Gathered:
    """Put the folder in its place; one that an earlier call made there gives way, and nothing else does."""
    if target.exists():
        if not (target / MANIFEST).is_file():
            raise UsageError(f"{target} is there and is no submission; move it away, or name another folder with --to.")
        # The old one stays whole until the new one stands.
        target.rename(folder.with_name("before"))
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    return Gathered(target, sum(sizes), len(sizes), tuple(idle))
