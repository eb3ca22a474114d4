"""Records and the suite card, made from finished cells."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import ATTACK_METRICS, HEADLINES, METRICS, Measurement
from benchmark.execution.cells import ATTACKED, MEASURED, PREDICTIONS, TRAINING, Cell, Row, probe_metrics
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.schema import UsageError, fingerprint, line_order, record_line, record_path, suite_card_text
from benchmark.schema.records import RECORD_SCHEMA_VERSION
from benchmark.suites import Attack, Probe

CALIBRATION = "calibration"
_CALIBRATION_METRICS = {"ece", "ece_adaptive", "ece_temperature", "ece_roast", "brier", "nll"}


def suite_card(work: Workload) -> dict[str, Any]:
    """The closed list of what a complete row of this suite holds, with the words that explain it."""
    suite = work.suite
    probes = [entry for probe in suite.probes for entry in _probe_entries(probe, work)]
    probes += [_entry(a, "adversarial", sorted(ATTACK_METRICS), work.attacked[a.id]) for a in suite.attacks]
    used = sorted({metric for probe in probes for metric in probe["metrics"]})
    return {
        "schema": 1,
        "name": suite.name,
        "version": suite.version,
        "title": suite.title,
        "note": suite.note,
        "ranked": suite.ranked,
        "minimum_seeds": suite.minimum_seeds,
        "settings": {"ece_bins": suite.metrics.ece_bins, "resamples": suite.metrics.resamples},
        "training": {
            "title": suite.training.title,
            "description": suite.training.description,
            "data": work.splits.train.content_hash,
            "n": len(work.splits.train),
        },
        "probes": probes,
        "metrics": {name: _metric(name) for name in used},
        "overlap": [
            {"probe": name, "exact": o.exact, "near": o.near, "n": o.n} for name, o in sorted(work.overlaps().items())
        ],
    }


def _probe_entries(probe: Probe, work: Workload) -> Iterator[dict[str, Any]]:
    """A labelled probe is listed twice: under its perspective, and under calibration."""
    data = work.probes[probe.id]
    own = [m for m in probe_metrics(probe) if m not in _CALIBRATION_METRICS]
    calibration = [m for m in probe_metrics(probe) if m in _CALIBRATION_METRICS]
    if own:
        yield _entry(probe, probe.perspective, own, data)
    if calibration:
        yield _entry(probe, CALIBRATION, calibration, data)


def _entry(probe: Probe | Attack, perspective: str, metrics: list[str], data: Any) -> dict[str, Any]:
    return {
        "id": probe.id,
        "version": probe.version,
        "perspective": perspective,
        "title": probe.title,
        "description": probe.description,
        "data": data.content_hash,
        "n": len(data),
        "metrics": metrics,
        "headline": next((m for m in metrics if m in HEADLINES), metrics[0]),
    }


def _metric(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {
        "version": metric.version,
        "direction": metric.direction,
        "title": metric.title,
        "description": metric.description,
        "unit": metric.unit,
    }


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
        file = ATTACKED if ATTACKED in cell.reads["table"].files else PREDICTIONS
        read_by = "attack" if file == ATTACKED else "predict"
        upstream = next(c for c in cells if c.kind == read_by and c.subject == cell.subject)
        keys = {"train": train.key, read_by: upstream.key, "score": cell.key}
        common = base | {"keys": keys, "table": cell.reads["table"].files[file]}
        made += [_record(common, entry, name, values[name]) for entry, name in _wanted(card, cell.subject)]
    return sorted(made, key=line_order)


def failed_records(row: Row, card: Mapping[str, Any], reason: str) -> list[dict[str, Any]]:
    """A record without a value for everything that the row should have held."""
    base = _base(row, card) | {"cost": None, "environment": {}, "keys": {}, "table": None}
    made = []
    for probe in card["probes"]:
        for name in probe["metrics"]:
            made.append(_record(base, probe, name, Measurement(None, None, reason), status="failed"))
    return sorted(made, key=line_order)


def write_records(results: Path, records: list[dict[str, Any]]) -> Path:
    """Write a row's file; every line is validated first, and an unchanged file is left alone."""
    path = results / record_path(records[0])
    _replace(path, "".join(record_line(record) for record in records))
    return path


def write_companions(results: Path, companions: Iterable[tuple[str, str]]) -> None:
    """Write what stands beside a row's records; an unchanged file is left alone."""
    for place, text in companions:
        _replace(results / place, text)


def write_card(results: Path, card: dict[str, Any], ours: Collection[str]) -> Path:
    """Write ``suite.json`` beside the suite's rows.

    Args:
        results: Folder of records.
        card: What to write.
        ours: Paths below `results` of the rows that will be written anew.

    Raises:
        UsageError: rows that stay belong to another state of the suite; the board would refuse them all.
    """
    path = results / f"{card['name']}@{card['version']}" / "suite.json"
    text = suite_card_text(card)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        others = sorted({str(p.relative_to(results)) for p in path.parent.rglob("*.jsonl")} - set(ours))
        if others:
            raise UsageError(
                f"{results} holds rows of another state of {card['name']}@{card['version']}, such as {others[0]}. Run "
                "their methods and seeds together with these, raise the suite's version, or give another --out."
            )
    _replace(path, text)
    return path


def file_of(row: Row, card: Mapping[str, Any]) -> str:
    """Where a row's records stand below the results folder."""
    return record_path(_base(row, card))


def _replace(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _base(row: Row, card: Mapping[str, Any]) -> dict[str, Any]:
    method = row.method
    return {
        "schema": RECORD_SCHEMA_VERSION,
        "kind": "measured",
        "suite": {"name": card["name"], "version": card["version"], "fingerprint": fingerprint(card)},
        "method": {
            "name": method.cls.name,
            "version": method.cls.version,
            "configuration": method.configuration,
            "source": method.source,
            "hyperparameters": dict(method.hyperparameters),
        },
        "backbone": row.backbone.identity(),
        "seed": row.seed,
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
