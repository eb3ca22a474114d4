"""Records, made from finished cells."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import METRICS, Measurement
from benchmark.execution.cards import replace_text
from benchmark.execution.cells import MEASURED, TABLES, TRAINING, Cell, Row
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.schema import card_fingerprint, line_order, record_line, record_path
from benchmark.schema.records import RECORD_SCHEMA_VERSION


def records_of(
    row: Row, cells: list[Cell], work: Workload, card: Mapping[str, Any], store: Store
) -> list[dict[str, Any]]:
    """Every record of a finished row, in the order of its file."""
    train = cells[0]
    trained = store.find("train", train.key or "")
    if trained is None:
        raise ValueError(f"{train.label} is not finished.")
    training = json.loads((trained.folder / TRAINING).read_text(encoding="utf-8"))
    base = _base(row, card) | {"cost": training["cost"], "environment": training["environment"]}
    made = []
    for cell in (c for c in cells if c.kind == "score"):
        values = _measurements(cell, store)
        upstream = next(c for c in cells if c.kind == cell.scored and c.subject == cell.subject)
        keys = {"train": train.key, cell.scored: upstream.key, "score": cell.key}
        common = base | {"keys": keys, "table": cell.reads["table"].files[TABLES[cell.scored]]}
        data = {"data": work.content_hash(cell.subject)}
        made += [_record(common, entry | data, name, values[name]) for entry, name in _wanted(card, cell.subject)]
    common = base | {"keys": {"train": train.key}, "table": None}
    for subject, absence in work.missing.items():
        nothing = Measurement(None, None, absence.reason)
        made += [_record(common, entry, name, nothing) for entry, name in _wanted(card, subject)]
    return sorted(made, key=line_order)


def failed_records(row: Row, card: Mapping[str, Any], reason: str, *, status: str = "failed") -> list[dict[str, Any]]:
    """A record without a value for everything that the row should have held."""
    base = _base(row, card) | {"cost": None, "environment": {}, "keys": {}, "table": None}
    made = []
    for probe in card["probes"]:
        for name in probe["metrics"]:
            made.append(_record(base, probe, name, Measurement(None, None, reason), status=status))
    return sorted(made, key=line_order)


def write_records(results: Path, records: list[dict[str, Any]]) -> Path:
    """Write a row's file; every line is validated first, and an unchanged file is left alone."""
    path = results / record_path(records[0])
    replace_text(path, "".join(record_line(record) for record in records))
    return path


def write_companions(results: Path, companions: Iterable[tuple[str, str]]) -> None:
    """Write what stands beside a row's records; an unchanged file is left alone."""
    for place, text in companions:
        replace_text(results / place, text)


def file_of(row: Row, card: Mapping[str, Any]) -> str:
    """Where a row's records stand below the results folder."""
    return record_path(_base(row, card))


def _base(row: Row, card: Mapping[str, Any]) -> dict[str, Any]:
    method = row.method
    return {
        "schema": RECORD_SCHEMA_VERSION,
        "kind": "measured",
        "suite": {"name": card["name"], "version": card["version"], "fingerprint": card_fingerprint(card)},
        "method": {
            "name": method.cls.name,
            "version": method.cls.version,
            "configuration": method.configuration,
            "source": method.source,
            "hyperparameters": dict(method.hyperparameters),
        },
        "backbone": row.backbone.identity(),
        "seed": row.seed,
        **({"protocol": list(row.protocol)} if row.protocol else {}),
        "verification": "self-reported",
        "source": None,
    }


def _wanted(card: Mapping[str, Any], subject: str) -> list[tuple[dict[str, Any], str]]:
    return [(entry, name) for entry in card["probes"] if entry["id"] == subject for name in entry["metrics"]]


def _measurements(cell: Cell, store: Store) -> dict[str, Measurement]:
    artifact = store.find("score", cell.key or "")
    if artifact is None:
        raise ValueError(f"{cell.label} is not finished.")
    loaded = json.loads((artifact.folder / MEASURED).read_text(encoding="utf-8"))
    return {name: Measurement(**fields) for name, fields in loaded.items()}


def _record(
    base: Mapping[str, Any], probe: Mapping[str, Any], name: str, measured: Measurement, status: str = "unavailable"
) -> dict[str, Any]:
    metric = METRICS[name]
    return {
        **base,
        "probe": {key: probe[key] for key in ("id", "version", "perspective", "data", "n")},
        "metric": {"id": metric.id, "version": metric.version, "direction": metric.direction},
        "value": measured.value,
        "status": "ok" if measured.value is not None else status,
        "reason": measured.reason,
        "replicates": None if measured.replicates is None else list(measured.replicates),
    }
