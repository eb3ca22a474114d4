"""Train a seed of a submission again and compare its values: the only check that runs the submission's code."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmark.evaluation.metrics import HEADLINES
from benchmark.execution.cards import replace_text
from benchmark.execution.cells import Row
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.runner import Observer
from benchmark.execution.store import Store
from benchmark.execution.tuned_row import average_of, averages_trials, trials_path, tuned_method
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import IntegrityError, TemperError, read_records, record_key
from benchmark.schema.trial import trial_line
from benchmark.submission.read import Submission
from benchmark.submission.record_checks import stated_row
from benchmark.tuning.space import space_of

LEAST_TOLERANCE = 0.005
"""Half a point, for values that do not vary under resampling, such as an AUROC of 1."""


@dataclass(frozen=True)
class RemeasuredValue:
    """One headline value: the submitted one and the one trained again.

    Attributes:
        tolerance: Half the width of the 95 % interval over examples, and at least `LEAST_TOLERANCE`.
    """

    task: str
    metric: str
    submitted: float
    again: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Return whether the two values agree within the tolerance."""
        return abs(self.submitted - self.again) <= self.tolerance


def rerun(submission: Submission, work: Workload, seed: int, out: Path, observer: Observer) -> list[RemeasuredValue]:
    """Train, predict, attack and score a seed again, and compare its headline values.

    Raises:
        TemperError: the method that is registered here is not the submission's, or the row failed.
        UsageError: there is no such method.
    """
    row = _registered_row(submission, work, seed)
    if averages_trials(row.method):
        row = _with_ingredients(row, submission, work, out / "results")
    report = run_rows([row], work, Store(out / "store"), out / "results", observer)
    if report.failures:
        raise TemperError(f"Trained again, the row failed: {report.failures[0]}")
    again = {record_key(record): record for record in read_records(report.files[0])}
    compared = []
    for record in submission.records(seed):
        if record["metric"]["id"] not in HEADLINES or record["value"] is None:
            continue
        other = again[record_key(record)]
        if other["value"] is None:
            raise TemperError(f"Trained again, {record['task']['id']} has no value: {other['reason']}")
        tolerance = max(LEAST_TOLERANCE, 1.96 * float(np.std(record["replicates"] or [0.0])))
        names = record["task"]["id"], record["metric"]["id"]
        compared.append(RemeasuredValue(*names, record["value"], other["value"], tolerance))
    return compared


def _with_ingredients(row: Row, submission: Submission, work: Workload, results: Path) -> Row:
    """Return a row that averages trials with those that the submission states, and write their file."""
    if not submission.trials:
        raise IntegrityError(
            f"{row.method.label} averages trials, and the submission has none; tune, run and submit it."
        )
    source = replace(row, method=tuned_method(row.method))
    path = results / trials_path(source, work.suite)
    replace_text(path, "".join(map(trial_line, submission.trials)))
    return average_of(row, source, submission.trials, path)


def _registered_row(submission: Submission, work: Workload, seed: int) -> Row:
    """Return the row with the method that is registered here, which must be the submitted one."""
    stated = stated_row(submission, seed)
    method, backbone = stated.method, stated.backbone
    reference = work.suite.backbone
    if backbone.source.startswith("hub:"):
        reference = f"{backbone.name}={backbone.reference()}"
    elif backbone.source == f"artifact:{backbone.name}":
        reference = backbone.name
    place = resolve_backbone(reference)
    parts = dict(part.partition("=")[::2] for part in method.configuration.split(",") if part)
    request = MethodRequest(method.name, parts)
    request.require_known()
    here = configure(request)
    compared: list[tuple[str, object, object]] = [("source", here.source, method.source)]
    if stated.tuning:
        first, tuned = submission.trials[0], tuned_method(here)
        space = {name: search.plain() for name, search in space_of(tuned, work.suite.tuning_rule).items()}
        compared.append(("search space", space, first["space"]))
        compared.append(("defaults", dict(tuned.hyperparameters), first["method"]["hyperparameters"]))
        here = replace(here, hyperparameters=method.hyperparameters)
    compared.append(("hyper-parameters", dict(here.hyperparameters), method.hyperparameters))
    compared.append(("backbone", place.identity(), backbone.identity()))
    for what, mine, theirs in compared:
        if mine != theirs:
            raise IntegrityError(
                f"{method.name} has another {what} here ({mine}) than in the submission ({theirs}). Verify with the "
                f"version of {method.name} that was submitted, or run and submit it again."
            )
    return replace(stated, method=here, backbone=place)
