"""One seed trained again: the only check that runs the submission's code, and only where it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import HEADLINES
from benchmark.execution.cells import Row
from benchmark.execution.local import run_rows
from benchmark.execution.observer import Observer
from benchmark.execution.registry import MethodRequest, configure
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import IntegrityError, TemperError, read_records, record_key
from benchmark.submission.intake import Submission

LEAST_TOLERANCE = 0.005
"""Ours: half a point, for values that no resampling moves, such as an AUROC of 1."""


@dataclass(frozen=True)
class Difference:
    """One headline value, submitted and trained again.

    Attributes:
        tolerance: Half the width of the 95 % interval over examples, 1.96 standard deviations of the replicates, and
            `LEAST_TOLERANCE` at least.
    """

    probe: str
    metric: str
    submitted: float
    again: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        return abs(self.submitted - self.again) <= self.tolerance


def rerun(submission: Submission, work: Workload, seed: int, out: Path, observer: Observer) -> list[Difference]:
    """Train, predict, attack and score a seed again, and compare the headline metrics of its records.

    Raises:
        TemperError: the method that is registered here is not the submission's, or the row failed.
        UsageError: there is no such method.
    """
    row = _row(submission, work, seed)
    report = run_rows([row], work, Store(out / "store"), out / "results", observer)
    if report.failures:
        raise TemperError(f"Trained again, the row failed: {report.failures[0]}")
    again = {record_key(record): record for record in read_records(report.files[0])}
    headlines = [record for record in submission.records(seed) if record["metric"]["id"] in HEADLINES]
    return [_difference(record, again[record_key(record)]) for record in headlines if record["value"] is not None]


def _row(submission: Submission, work: Workload, seed: int) -> Row:
    """The row as it is registered here, which must be the one that was submitted."""
    stated = submission.records(seed)[0]
    method, backbone = stated["method"], resolve_backbone(_reference(stated["backbone"], work))
    parts = dict(part.partition("=")[::2] for part in method["configuration"].split(",") if part)
    request = MethodRequest(method["name"], parts)
    request.require_known()
    here = configure(request, request.overrides_of(work.suite.hyperparameters))
    for what, mine, theirs in (
        ("source", here.source, method["source"]),
        ("hyper-parameters", dict(here.hyperparameters), method["hyperparameters"]),
        ("backbone", backbone.identity(), stated["backbone"]),
    ):
        if mine != theirs:
            raise IntegrityError(f"{method['name']} has another {what} here ({mine}) than in the records ({theirs}).")
    return Row(here, backbone, seed)


def _reference(stated: Mapping[str, Any], work: Workload) -> str:
    kind, _, name = stated["source"].partition(":")
    if kind == "hub":
        return f"{stated['name']}={stated['source']}@{stated['revision']}"
    return str(stated["name"]) if kind == "artifact" and name == stated["name"] else work.suite.backbone


def _difference(stated: Mapping[str, Any], again: Mapping[str, Any]) -> Difference:
    if again["value"] is None:
        raise TemperError(f"Trained again, {stated['probe']['id']} has no value: {again['reason']}")
    tolerance = max(LEAST_TOLERANCE, 1.96 * float(np.std(stated["replicates"] or [0.0])))
    return Difference(stated["probe"]["id"], stated["metric"]["id"], stated["value"], again["value"], tolerance)
