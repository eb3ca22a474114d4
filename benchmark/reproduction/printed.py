"""A CSV of numbers that a paper prints, as records; every mistake is told with its line and column."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import METRICS
from benchmark.execution.registry import registered
from benchmark.reproduction.printed_lines import COLUMNS, PrintedError, Reading, lines_of
from benchmark.schema import (
    PERSPECTIVES,
    RECORD_SCHEMA_VERSION,
    Record,
    TemperError,
    nearest,
    record_key,
    validate_record,
)
from benchmark.schema.errors import printable
from benchmark.suites import Suite, available_suites, load_suite

_FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]")
_NUMBER = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,12})?)(\s*%)?")


def read_printed(path: Path) -> list[Record]:
    """Read a CSV with the columns `COLUMNS` into published records.

    A probe is a probe or attack of the suite, or the name of a perspective for the mean over the paper's own sets. A
    value is written as a fraction or in percent with its sign: ``0.842`` or ``84.2%``.

    Raises:
        PrintedError: the file has mistakes; all of them are listed.
    """
    reading = Reading(path.name)
    records: list[Record] = []
    for line, cells in lines_of(path, reading):
        known = len(reading.complaints)
        record = _record(line, cells, reading)
        if len(reading.complaints) == known:
            records.append(record)
    if reading.complaints:
        raise PrintedError("\n".join(reading.complaints))
    if not records:
        raise PrintedError(f"{path.name} has no line below its header; nothing was imported.")
    return records


def _record(line: int, cells: Mapping[str, str], reading: Reading) -> Record:
    """A line's record; what is wrong joins the complaints, and then the record is worth nothing."""
    known = len(reading.complaints)
    for column in COLUMNS[:-1]:
        if not cells[column]:
            reading.complain(line, column, "is empty; fill it in.")
        elif _FORMULA.match(cells[column]):
            reading.complain(line, column, f"begins with {cells[column][0]!r}, a formula to a spreadsheet; remove it.")
    if len(reading.complaints) > known:
        return {}
    suite = _suite(line, cells["suite"], reading)
    metric = _metric(line, cells["metric"], reading)
    method = _method(line, cells["method"], reading)
    if suite is None or metric is None:
        return {}
    probe = _probe(line, cells["probe"], metric, suite, reading)
    value = _value(line, cells["value"], metric, reading)
    record = _assembled(suite, cells, method, {"probe": probe, "value": value})
    if len(reading.complaints) == known:
        _check(line, record, reading)
    return record


def _suite(line: int, name: str, reading: Reading) -> Suite | None:
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


def _metric(line: int, name: str, reading: Reading) -> str | None:
    if name in METRICS:
        return name
    reading.complain(line, "metric", f"there is no metric {name[:60]!r}. {nearest(name[:60], METRICS)}")
    return None


def _method(line: int, text: str, reading: Reading) -> dict[str, Any]:
    """Name and configuration; a method that Temper lacks may have been published, another spelling of one may not."""
    name, _, settings = text.partition(":")
    for known in registered():
        if name != known and name.casefold().replace("-", "_") == known.casefold().replace("-", "_"):
            reading.complain(line, "method", f"{name!r} is called {known!r} here; write that.")
    return {"name": name, "configuration": settings.replace(":", ",")}


def _probe(line: int, name: str, metric: str, suite: Suite, reading: Reading) -> dict[str, Any]:
    """The probe's entry in a record; a perspective's name stands for the mean over the paper's own sets."""
    probes = {probe.id: (probe.version, str(probe.perspective), tuple(probe.metrics)) for probe in suite.probes}
    probes |= {attack.id: (attack.version, "adversarial", attack.metrics) for attack in suite.attacks}
    if name not in probes and name not in PERSPECTIVES:
        reading.complain(line, "probe", f"{suite.name} has no probe {name[:60]!r}. {nearest(name[:60], probes)}")
        return {}
    version, perspective, metrics = probes.get(name, (1, name, ()))
    if metrics and metric not in metrics:
        reading.complain(line, "metric", f"{metric!r} is not measured on {name}. {nearest(metric, metrics)}")
    if metrics and METRICS[metric].calibration:
        perspective = "calibration"
    return {"id": name, "version": version, "perspective": perspective, "data": None, "n": None}


def _value(line: int, text: str, metric: str, reading: Reading) -> float | None:
    """Decimal arithmetic: 84.2 % is 0.842 and not 0.8420000000000001."""
    found = _NUMBER.fullmatch(text)
    fraction = METRICS[metric].unit == "fraction"
    if found is None:
        reading.complain(line, "value", f"{printable(text[:40])!r} is no number; write one such as 84.2% or 0.842.")
        return None
    try:
        number = Decimal(found[1]) / (100 if found[2] else 1)
    except InvalidOperation as error:
        raise TemperError(f"{reading.place}: line {line}, column value: {error}.") from error
    if found[2] and not fraction:
        reading.complain(line, "value", f"is in percent, which {metric} is not; write the number without the sign.")
    elif fraction and not 0 <= number <= 1:
        reading.complain(line, "value", f"{text} is no fraction; write {text.rstrip(' %')}% or a number from 0 to 1.")
    return float(number)


def _assembled(suite: Suite, cells: Mapping[str, str], method: dict[str, Any], found: dict[str, Any]) -> Record:
    known = METRICS[cells["metric"]]
    return {
        "schema": RECORD_SCHEMA_VERSION,
        "kind": "published",
        "suite": {"name": suite.name, "version": suite.version, "fingerprint": None},
        "method": {**method, "version": None, "source": None, "hyperparameters": {}},
        "backbone": {"name": cells["backbone"], "source": None, "revision": None},
        "seed": None,
        **found,
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


def _check(line: int, record: Record, reading: Reading) -> None:
    """Hold the record against the schema, and against the lines before it."""
    for problem in validate_record(record):
        column = _CSV_COLUMN.get(problem.pointer, problem.pointer.rpartition("/")[2])
        reading.complain(line, column, problem.message)
    other = reading.seen.setdefault(record_key(record), line)
    if other != line:
        reading.complain(line, "", f"repeats line {other}: same paper, method, backbone, probe and metric; keep one.")
