"""Build a complete, reproducible submission from a finished run, or refuse with the reason."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import METRICS, FeatureDetection
from benchmark.execution.cards import suite_card
from benchmark.execution.cell_files import read_training
from benchmark.execution.cells import MODEL, TABLES, Cell, Row, cells_of, find_cell
from benchmark.execution.explanation import explain, state_of
from benchmark.execution.local import has_vanilla_weights
from benchmark.execution.method_source import source_texts
from benchmark.execution.plan import command
from benchmark.execution.records import failure_of, file_of, records_of
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import (
    TemperError,
    UsageError,
    card_fingerprint,
    file_fingerprint,
    method_slug,
    record_line,
    suite_card_text,
)
from benchmark.schema.errors import counted
from benchmark.schema.record import TUNED, row_folder
from benchmark.schema.trial import TRIALS_FILE
from benchmark.submission.read import (
    LARGEST,
    LARGEST_FOLDER,
    MANIFEST,
    MEBIBYTE,
    RECORDS,
    SOURCE,
    SUBMISSION_SCHEMA_VERSION,
    read_submission,
    table_path,
)
from benchmark.submission.verify import require_whole


@dataclass(frozen=True)
class SubmissionSummary:
    """A written submission: its folder, its files, its bytes, and the seeds whose weights equal vanilla's."""

    folder: Path
    files: int
    size: int
    idle: tuple[int, ...]


@dataclass(frozen=True)
class FinishedSeed:
    """A finished seed: its stages, the artifact of each stage that wrote a file, and its records."""

    row: Row
    cells: list[Cell]
    artifacts: dict[str, Artifact]
    records: list[dict[str, Any]]


def seeds_to_submit(row: Row, work: Workload, results: Path, card: Mapping[str, Any]) -> list[int]:
    """Return the seeds that a submission must hold: 0 to the highest that was run, and as many as the suite requires.

    Args:
        row: The row with any seed.
        work: The suite.
        results: Folder of the run's records.
        card: The suite card.
    """
    stems = [path.stem.removeprefix("seed-") for path in (results / file_of(row, card)).parent.glob("seed-*.jsonl")]
    return list(range(max(work.suite.required_seeds, *(int(stem) + 1 for stem in stems if stem.isdigit()), 1)))


def build(rows: Sequence[Row], work: Workload, store: Store, results: Path, submissions: Path) -> SubmissionSummary:
    """Gather the rows of one method, one per seed, into a folder below `submissions`.

    Raises:
        TemperError: something is missing, failed or inconsistent; one line per problem says what to do.
    """
    require_whole(work, "submitted")
    card = suite_card(work)
    runs, problems = list[FinishedSeed](), list[str]()
    for row in rows:
        try:
            runs.append(finished_seed(row, work, store, results, card))
        except TemperError as error:
            problems += str(error).split("\n")
    if problems:
        # Remove duplicates, since several seeds often need the same command.
        raise TemperError("\n".join(dict.fromkeys(problems)))
    _require_small_features(runs, work)
    idle = tuple(row.seed for row in rows if has_vanilla_weights(row, work, store))
    if len(idle) == len(rows):
        raise TemperError(
            f"{rows[0].method.label} has no effect: the weights of every seed are vanilla's.\n"
            "Its row would repeat vanilla's. Run `temper check` on the method."
        )
    submissions.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=submissions, prefix=".building-") as scratch:
        folder = Path(scratch) / "submission"
        _write(folder, runs, results, card)
        target = submissions / read_submission(folder).manifest.row
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        _move(folder, target)
    return SubmissionSummary(target, len(sizes), sum(sizes), idle)


def finished_seed(row: Row, work: Workload, store: Store, results: Path, card: Mapping[str, Any]) -> FinishedSeed:
    """Return a seed's stages, artifacts and records.

    Raises:
        TemperError: it is not finished; the message says what is missing and what to do.
    """
    path = results / file_of(row, card)
    if reason := failure_of(row, card, results):
        raise TemperError(f"{row.label} failed: {reason}\nA failed row cannot be submitted. Fix it and run it again.")
    cells = list(cells_of(row, work, store))
    if absent := [cell for cell in cells if state_of(cell, store) != "done"]:
        raise TemperError(_missing(row, absent, work, store, results))
    records = records_of(row, cells, work, card, store)
    text = "".join(record_line(record) for record in records)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise TemperError(
            f"{path}: does not match the stored tables.\n"
            f"Run `{_run_command(row, work, results)}`, which rewrites the records and recomputes nothing."
        )
    artifacts = {cell.label: find_cell(store, cell) for cell in cells}
    return FinishedSeed(row, cells, {label: artifact for label, artifact in artifacts.items() if artifact}, records)


def _require_small_features(runs: Sequence[FinishedSeed], work: Workload) -> None:
    """Refuse features that are too large for a submission, and say how to submit without them.

    Raises:
        TemperError: with their size.
    """
    cells = [(cell, run.artifacts[cell.label].folder) for run in runs for cell in run.cells if cell.kind in TABLES]
    sizes = [(cell.kind, (folder / TABLES[cell.kind]).stat().st_size) for cell, folder in cells]
    total, largest = (
        sum(size for _, size in sizes),
        max((size for kind, size in sizes if kind == "features"), default=0),
    )
    if largest and (largest > LARGEST[".parquet"] or total > LARGEST_FOLDER):
        suite = work.suite
        metrics = {name for task in suite.tasks for name in task.metrics if METRICS[name].table is FeatureDetection}
        raise TemperError(
            f"{suite.name} cannot be submitted: with the features for {', '.join((*sorted(metrics), *work.retained))} "
            f"its tables have {total / MEBIBYTE:.1f} MiB, the largest {largest / MEBIBYTE:.1f} MiB. A submission has "
            f"at most {LARGEST_FOLDER // MEBIBYTE} MiB, a table {LARGEST['.parquet'] // MEBIBYTE} MiB.\n"
            "Remove these metrics and retention tasks from a copy of the suite with another name, and run it with the "
            "same --out: nothing is trained again."
        )


def _missing(row: Row, absent: Sequence[Cell], work: Workload, store: Store, results: Path) -> str:
    """Say which stages are missing; if one is missing because the method's source changed, say that."""
    run = _run_command(row, work, results)
    nearest = [{difference.pointer for difference in one.differences} for one in explain([row], work, store)]
    if any("/method/source" in pointers and "/method/name" not in pointers for pointers in nearest):
        return f"{row.label}: the method's source changed after the run.\nRun `{run}` again with this source."
    what = {"broken": "does not match its checksum", "begun": "is not finished", "running": "is being computed"}
    state = what.get(state_of(absent[0], store), "is missing")
    more = f", and {counted(len(absent) - 1, 'stage')} after it" if len(absent) > 1 else ""
    return f"{absent[0].label} {state}{more}.\nRun `{run}`."


def _run_command(row: Row, work: Workload, results: Path) -> str:
    """Write the command that computes a row."""
    reference, default = row.backbone.reference(), work.suite.backbone
    # The suite's own backbone is not looked up on the Hub, which might download it.
    local = reference in (default, str(Path(default).expanduser().resolve()))
    own = local and resolve_backbone(reference) == row.backbone
    backbone = None if own else f"{row.backbone.name}={reference}"
    options = ["--seeds", str(row.seed + 1)]
    options += ["--settings", TUNED] if row.tuning is not None else []
    options += ["--protocol", ",".join(row.protocol)] if row.protocol else []
    return command("run", work.suite, row.method.argument, backbone, results.parent, *options)


def _write(folder: Path, runs: Sequence[FinishedSeed], results: Path, card: Mapping[str, Any]) -> None:
    """Write all files, then the manifest with their hashes."""
    row = runs[0].row
    method, name, version = row.method, card["name"], card["version"]
    tuned = row.tuning is not None
    slug = method_slug(method.name, method.configuration, tuned=tuned)
    place = row_folder(name, version, slug, row.backbone.name)
    records = folder / RECORDS / place
    records.mkdir(parents=True)
    if tuned:
        shutil.copyfile(results / place / TRIALS_FILE, records / TRIALS_FILE)
    (records.parents[1] / "suite.json").write_text(suite_card_text(dict(card)), encoding="utf-8")
    (folder / SOURCE).write_text(_json(source_texts(method.cls)), encoding="utf-8")
    for run in runs:
        text = "".join(record_line(record) for record in run.records)
        (records / f"seed-{run.row.seed}.jsonl").write_text(text, encoding="utf-8")
        for cell in (cell for cell in run.cells if cell.kind in TABLES):
            target = folder / table_path(run.row.seed, cell.kind, cell.subject)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.artifacts[cell.label].folder / TABLES[cell.kind], target)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "schema": SUBMISSION_SCHEMA_VERSION,
        "suite": {"name": name, "version": version, "fingerprint": card_fingerprint(card)},
        "method": {
            "name": method.name,
            "configuration": method.configuration,
            **({"tuned": True} if tuned else {}),
        },
        "backbone": row.backbone.name,
        "runs": [_entry(run) for run in runs],
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": file_fingerprint(path), "size": path.stat().st_size}
            for path in files
        },
    }
    (folder / MANIFEST).write_text(_json(manifest), encoding="utf-8")


def _entry(run: FinishedSeed) -> dict[str, Any]:
    """Return the manifest's entry of a seed."""
    train, model = run.cells[0], f"{MODEL}/"
    trained = run.artifacts[train.label]
    tables = sorted((cell for cell in run.cells if cell.kind in TABLES), key=lambda cell: (cell.subject, cell.kind))
    return {
        "seed": run.row.seed,
        "training": train.spec,
        "outcome": read_training(trained.folder),
        "weights": {
            name.removeprefix(model): digest for name, digest in trained.files.items() if name.startswith(model)
        },
        "tables": [{"subject": cell.subject, "kind": cell.kind, "key": cell.key} for cell in tables],
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _move(folder: Path, target: Path) -> None:
    """Move the folder to its target; replace an earlier submission there, and nothing else."""
    if target.exists():
        if not (target / MANIFEST).is_file():
            raise UsageError(
                f"{target} exists and is not a submission.\nMove it away, or name another folder with --to."
            )
        # Keep the old submission until the new one is in place.
        target.rename(folder.with_name("before"))
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
