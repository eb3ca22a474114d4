"""Compute the records of a seed again from its tables, and compare keys and values."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.execution.cell_files import write_training
from benchmark.execution.cells import MODEL, TABLES, Cell, Row, cells_of, find_cell, train_spec
from benchmark.execution.explanation import differences
from benchmark.execution.method_registry import ConfiguredMethod
from benchmark.execution.records import records_of
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload
from benchmark.models.backbones import Backbone
from benchmark.schema import fingerprint, record_key
from benchmark.submission.read import MANIFEST, Run, Submission, TableData, table_path

EXACT, ROUNDED = 1e-9, 2e-6
"""Largest relative difference of a value (order of summation), and largest of a replicate (six decimals)."""


@dataclass
class Seed:
    """One seed under verification.

    Attributes:
        run: Its entry in the manifest.
        row: The row that its records state, without a method class.
        folder: Folder for copies of its tables and for scores.
        store: Holds the artifacts that the manifest states; scores are added to it.
        tables: Its valid tables by kind and subject.
        cells: Its stages, set when its records are recomputed.
    """

    run: Run
    row: Row
    folder: Path
    store: Store
    tables: dict[tuple[str, str], TableData] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)


def stated_seed(submission: Submission, number: int, folder: Path) -> Seed:
    """Set up a seed: its row, without a method class, and a store with the artifacts that the manifest states.

    Args:
        submission: The submission; the seed has records.
        number: The seed.
        folder: An empty folder.
    """
    run = submission.runs[number]
    store, files = Store(folder / "store"), submission.manifest.files
    for table in run.tables:
        path = table_path(number, table.kind, table.subject)
        copy = folder / table.subject / TABLES[table.kind]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(submission.folder / path, copy)
        store.hold(table.kind, table.key, Artifact(copy.parent, {copy.name: files[path].sha256}))
    return Seed(run, stated_row(submission, number), folder, store)


def stated_row(submission: Submission, number: int) -> Row:
    """Return the row that the records of a seed state, without a method class."""
    record, training = submission.records(number)[0], submission.runs[number].training.get("method")
    reads = training.get("reads") if isinstance(training, dict) else None
    method = ConfiguredMethod(**record["method"], reads=reads if isinstance(reads, dict) else {})
    tuning = record.get("tuning")
    factor = float(tuning["learning_rate_factor"] or 1.0) if tuning else 1.0
    backbone = Backbone(**record["backbone"], path=Path())
    return Row(method, backbone, number, learning_rate_factor=factor, tuning=tuning)


def shortened(text: str) -> str:
    """Return the start of a text that a sentence quotes."""
    return text[:120] or "nothing"


def key_problems(seed: Seed, work: Workload) -> Iterator[str]:
    """Compare the stated training and table keys with those computed from the suite and the stated weights."""
    run, expected = seed.run, train_spec(seed.row, work)
    for difference in differences(expected, run.training):
        # A suite may leave the precision to the submitter's device.
        free = work.suite.recipe.precision == "auto" and difference.pointer == "/recipe/precision"
        if not (free and difference.actual in ('"fp32"', '"bf16"')):
            here, there = shortened(difference.actual), shortened(difference.expected)
            yield f"was trained with {difference.pointer} {here}; the suite and the records say {there}."
    if run.outcome.ingredients is not None and seed.row.tuning is None:
        yield f"{MANIFEST} names ingredients, which only a row that averages trials has; run and submit again."
    write_training(seed.folder, run.outcome.model_dump())
    trained = Artifact(seed.folder, {f"{MODEL}/{name}": digest for name, digest in run.weights.items()})
    for spec in (expected, run.training):
        seed.store.hold("train", fingerprint(spec), trained)
    seed.cells = list(cells_of(seed.row, work, seed.store))
    stated: dict[tuple[str, str], str] = {(one.subject, one.kind): f"{one.kind} key {one.key}" for one in run.tables}
    cells = (cell for cell in seed.cells if cell.kind in TABLES)
    computed: dict[tuple[str, str], str] = {(cell.subject, cell.kind): f"{cell.kind} key {cell.key}" for cell in cells}
    for name in sorted(computed.keys() | stated.keys()):
        here, there = stated.get(name, "missing"), computed.get(name, "none")
        if here != there:
            yield f"the table of {name[0]} is {here}; the stated weights and the suite's data give {there}."


def rescore(seed: Seed, work: Workload, card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compute the records of a seed from its tables, with the same code as a run."""
    runner = Runner(work, seed.store, Quiet())
    for cell in (cell for cell in seed.cells if cell.kind == "score"):
        if find_cell(seed.store, cell) is None:
            runner.run(cell)
    # Use the stated precision, which depends on the submitter's device. All other training settings were compared.
    seed.cells[0] = replace(seed.cells[0], spec=seed.run.training)
    return records_of(seed.row, seed.cells, work, card, seed.store)


def record_problems(stated: Sequence[Mapping[str, Any]], computed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every record that is missing, not in the suite, or different from its recomputed value."""
    theirs, ours = ({record_key(record): record for record in records} for records in (stated, computed))
    for key in sorted(theirs.keys() | ours.keys(), key=str):
        record, right = theirs.get(key), ours.get(key)
        some = record or right or {}
        name = f"seed {some['seed']}, {some['task']['id']}, {some['metric']['id']}"
        if record is None:
            yield f"{name}: the record is missing."
        elif right is None:
            yield f"{name}: is not among the suite's records."
        else:
            rounding = (("value", EXACT), ("replicates", ROUNDED))
            close = {part: right[part] for part, gap in rounding if _close(record[part], right[part], gap)}
            for difference in differences(right, {**record, **close}):
                here, there = shortened(difference.actual), shortened(difference.expected)
                yield f"{name}: {difference.pointer} is {here}; the manifest, the tables and the suite give {there}."


def _close(stated: Any, computed: Any, gap: float) -> bool:
    """Return whether a value, or each of several, is the computed one up to rounding."""
    if stated is None or computed is None or np.shape(stated) != np.shape(computed):
        return False
    return bool(np.allclose(stated, computed, rtol=EXACT, atol=gap))
