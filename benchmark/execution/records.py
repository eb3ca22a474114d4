"""Build a row's files from its cells: the records, the method's card, and texts that each attack flipped."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import METRICS, Measurement
from benchmark.evaluation.parquet import read_attack
from benchmark.execution.cards import replace_text
from benchmark.execution.cell_files import read_measurements, read_training
from benchmark.execution.cells import ATTACKED, TABLES, Cell, Row, find_cell
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.schema import (
    MOST_EXAMPLES,
    Problem,
    UsageError,
    attack_example_line,
    card_fingerprint,
    excerpt,
    line_order,
    method_card_text,
    read_records,
    record_line,
    record_path,
    suite_name,
    validate_record,
    visible,
)
from benchmark.schema.attachments import (
    ATTACKS_FOLDER,
    LONGEST_ID,
    LONGEST_PAPER,
    LONGEST_SUMMARY,
    LONGEST_TEXT,
    METHOD_FILE,
)
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.migrations import RECORD_SCHEMA_VERSION
from benchmark.schema.record import LONGEST_SENTENCE
from benchmark.suites import Suite


def records_of(
    row: Row, cells: list[Cell], work: Workload, card: Mapping[str, Any], store: Store
) -> list[dict[str, Any]]:
    """Build all records of a finished row, in the order of its file."""
    train = cells[0]
    trained = find_cell(store, train)
    if trained is None:
        raise ValueError(f"{train.label} is not finished.")
    training = read_training(trained.folder)
    base = _base(row, card) | {"cost": training["cost"], "environment": training["environment"]}
    if training.get("ingredients"):
        base["tuning"] = {**base["tuning"], "ingredients": training["ingredients"]}
    records = []
    for cell in (c for c in cells if c.kind == "score"):
        values = _measurements(cell, store)
        upstream = next(c for c in cells if c.kind == cell.scored and c.subject == cell.subject)
        keys = {"train": train.key, cell.scored: upstream.key, "score": cell.key}
        common = base | {"keys": keys, "table": cell.reads["table"].files[TABLES[cell.scored]]}
        data = {"data": work.content_hash(cell.subject)}
        records += [_record(common, entry | data, name, values[name]) for entry, name in _wanted(card, cell.subject)]
    common = base | {"keys": {"train": train.key}, "table": None}
    for subject, absence in work.missing.items():
        nothing = Measurement(None, None, absence.reason)
        records += [_record(common, entry, name, nothing) for entry, name in _wanted(card, subject)]
    return sorted(records, key=line_order)


def failed_records(row: Row, card: Mapping[str, Any], reason: str, *, status: str = "failed") -> list[dict[str, Any]]:
    """Build a record without a value for every metric that the row should hold."""
    base = _base(row, card) | {"cost": None, "environment": {}, "keys": {}, "table": None}
    records = []
    for task in card["tasks"]:
        for name in task["metrics"]:
            records.append(_record(base, task, name, Measurement(None, None, reason), status=status))
    return sorted(records, key=line_order)


def require_recordable(rows: Sequence[Row], card: Mapping[str, Any], results: Path) -> None:
    """Check before anything is computed that the rows' records are valid and will not overwrite those of another row.

    Raises:
        UsageError: a name or a setting is not valid in a record, two rows share a file, or the results hold
            another row or another backbone in a row's place.
    """
    places: dict[str, Row] = {}
    for row in rows:
        record = failed_records(row, card, "It is not computed yet.")[0]
        for problem in validate_record(record):
            raise UsageError(f"{excerpt(row.label, 200)}: {_stated(problem, row)}")
        # Compare without case, since some file systems ignore it.
        other = places.setdefault(record_path(record).casefold(), row)
        if file_of(other, card) != record_path(record) or other.backbone.revision != row.backbone.revision:
            raise UsageError(
                f"{row.label} and {other.label} would be written to one file, {record_path(record)}; run them with "
                "another --out each."
            )
    _require_unused(rows, card, results)


_WAYS_OUT = {
    "/method/name": "Give its class a shorter name, or compose fewer methods.",
    "/method/version": "Give its class a version such as '1'.",
    "/method/configuration": "Make the values the defaults of a class of your own, or set them in the suite.",
    "/method/hyperparameters": "Give it another value.",
    "/backbone": "Call it by a name of your own: --backbone NAME={reference}.",
}


def _stated(problem: Problem, row: Row) -> str:
    """Say which name or setting a record cannot hold, and how to fix it."""
    reference = row.backbone.reference()
    ways = [way.format(reference=reference) for at, way in _WAYS_OUT.items() if problem.pointer.startswith(at)]
    part = problem.pointer.strip("/").replace("/", "'s ").replace("hyperparameters's ", "hyper-parameter ")
    return " ".join((f"in its records the {part} {problem.message}", *ways))


def _require_unused(rows: Sequence[Row], card: Mapping[str, Any], results: Path) -> None:
    """Refuse to replace records of another row, or of another backbone with the same name."""
    ours = {str(results / file_of(row, card)): row for row in rows}
    named = {row.backbone.name: row.backbone for row in rows}
    folder = results / suite_name(card)
    for path in sorted({*map(Path, ours), *(p for name in named for p in folder.glob(f"*/{name}/seed-*.jsonl"))}):
        there = first_record(path)
        if there is None:
            continue
        row = ours.get(str(path))
        if row is not None and _settings(there) != _settings(_base(row, card)):
            method = there["method"]
            raise UsageError(
                f"{path} holds {method['name']} ({method['configuration']}) and not {row.label}; move it away, or give "
                "another --out."
            )
        backbone = named[path.parent.name] if row is None else row.backbone
        revision = there["backbone"]["revision"]
        if revision not in (None, backbone.revision):
            raise UsageError(
                f"{path} holds records of another backbone called {backbone.name}, of revision {revision[:19]}…, and "
                f"this one has {backbone.revision[:19]}…. Give this one a name of its own, --backbone "
                f"NAME={backbone.reference()}, or give another --out."
            )


def _settings(record: Mapping[str, Any]) -> tuple[Any, ...]:
    method = record["method"]
    return method["name"], method["configuration"], tuple(record.get("protocol", ())), record["backbone"]["name"]


def first_record(path: Path) -> dict[str, Any] | None:
    """Read the first record of a file; return None if the file is missing or unreadable and so can be replaced."""
    try:
        with path.open("rb") as stream:
            record: dict[str, Any] = json.loads(stream.readline())
    except (OSError, ValueError):
        return None
    return record if not validate_record(record) else None


def write_records(results: Path, records: list[dict[str, Any]]) -> Path:
    """Write a row's file; every line is validated first, and an unchanged file is left alone."""
    path = results / record_path(records[0])
    replace_text(path, "".join(record_line(record) for record in records))
    return path


def write_attachments(results: Path, attachments: Iterable[tuple[str, str]]) -> None:
    """Write the attachment files of a row's records; an unchanged file is left alone."""
    for place, text in attachments:
        replace_text(results / place, text)


def file_of(row: Row, card: Mapping[str, Any]) -> str:
    """Return the path of a row's records below the results folder."""
    return record_path(_base(row, card))


def failure_of(row: Row, card: Mapping[str, Any], results: Path) -> str:
    """Return why a row's last run failed, by its records; empty if it did not, or has none."""
    path = results / file_of(row, card)
    records = read_records(path) if path.is_file() else []
    return next((record["reason"] for record in records if record["status"] == "failed"), "")


def _base(row: Row, card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": RECORD_SCHEMA_VERSION,
        "kind": "measured",
        "suite": {"name": card["name"], "version": card["version"], "fingerprint": card_fingerprint(card)},
        "method": row.method.identity(),
        "backbone": row.backbone.identity(),
        "seed": row.seed,
        **({"protocol": list(row.protocol)} if row.protocol else {}),
        **({"tuning": dict(row.tuning)} if row.tuning is not None else {}),
        "verification": "self-reported",
        "source": None,
    }


def _wanted(card: Mapping[str, Any], subject: str) -> list[tuple[dict[str, Any], str]]:
    return [(entry, name) for entry in card["tasks"] if entry["id"] == subject for name in entry["metrics"]]


def _measurements(cell: Cell, store: Store) -> dict[str, Measurement]:
    artifact = find_cell(store, cell)
    if artifact is None:
        raise ValueError(f"{cell.label} is not finished.")
    return read_measurements(artifact.folder)


def _record(
    base: Mapping[str, Any], task: Mapping[str, Any], name: str, measured: Measurement, status: str = "unavailable"
) -> dict[str, Any]:
    metric = METRICS[name]
    return {
        **base,
        "task": {key: task[key] for key in ("id", "version", "perspective", "data", "n")},
        "metric": {"id": metric.id, "version": metric.version, "direction": metric.direction},
        "value": measured.value,
        "status": "ok" if measured.value is not None else status,
        "reason": None if measured.reason is None else excerpt(measured.reason, LONGEST_SENTENCE),
        "replicates": None if measured.replicates is None else list(measured.replicates),
    }


def attachments_of(cells: list[Cell], place: str, suite: Suite) -> Iterator[tuple[str, str]]:
    """Yield the attachment files of a finished row.

    Args:
        cells: The row's cells.
        place: Path of its records below the results folder: ``<suite>/<method>/<backbone>/seed-<n>.jsonl``.
        suite: The row's suite.

    Yields:
        The path below the results folder, and the text. Attacked texts are the first flipped ones of seed 0's table.
    """
    cls = cells[0].row.method.cls
    yield method_card(place, cls.name, inspect.getdoc(cls) or "", cls.paper)
    yield from flipped_texts(cells, place, suite)


def method_card(place: str, name: str, doc: str, paper: str) -> tuple[str, str]:
    """Return path and text of a method's card: the first paragraph of its documentation, and its paper."""
    summary = " ".join(doc.partition("\n\n")[0].split()) or "No description."
    text = method_card_text(name, excerpt(summary, LONGEST_SUMMARY), excerpt(str(paper), LONGEST_PAPER))
    return str(Path(place).parents[1] / METHOD_FILE), text


def flipped_texts(cells: list[Cell], place: str, suite: Suite) -> Iterator[tuple[str, str]]:
    """Yield path and text of each attack's examples, for seed 0 and a suite that shows them."""
    home = Path(place).parent
    for cell in cells if cells[0].row.seed == 0 and suite.show_attacked_texts else ():
        if cell.kind == "score" and cell.scored == "attack":
            yield str(home / ATTACKS_FOLDER / f"{cell.subject}.jsonl"), _examples(cell)


def _examples(cell: Cell) -> str:
    artifact = cell.reads["table"]
    flipped = [row for row in read_attack(artifact.folder / ATTACKED) if row.outcome == "flipped"]
    shown = [_example(row, cell.row.seed, artifact.files[ATTACKED]) for row in flipped[:MOST_EXAMPLES]]
    return "".join(map(attack_example_line, shown))


def _example(row: AttackRow, seed: int, table: str) -> dict[str, Any]:
    # Exclude the label: rounding to three decimals can make its logit equal to the predicted class's.
    logits = dict(enumerate(row.logits_final or ()))
    logits.pop(row.label, None)
    return {
        "seed": seed,
        "table": table,
        "id": excerpt(row.id, LONGEST_ID),
        "outcome": row.outcome,
        "label": row.label,
        "predicted": max(logits, key=logits.__getitem__),
        "queries": row.queries,
        "similarity": None if row.similarity is None or not isfinite(row.similarity) else round(row.similarity, 4),
        "original": excerpt(visible(row.original), LONGEST_TEXT),
        "perturbed": excerpt(visible(row.perturbed or ""), LONGEST_TEXT),
    }
