"""Tune methods on a suite: run the trials that are missing and write each method's ``trials.jsonl``.

A trial is a training run and two predictions, on the validation part and on the same texts with typos. Its stages are
those of `temper run`, so both use each other's. The trials of an unfinished study are kept in the store.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from benchmark.evaluation.parquet import read_predictions
from benchmark.execution.cards import replace_text
from benchmark.execution.cell_files import read_training
from benchmark.execution.cells import PREDICTIONS, Cell, Row, cells_of, find_cell, training_hash
from benchmark.execution.costs import Costs, over_vanilla
from benchmark.execution.executors import LOCAL, Place
from benchmark.execution.explanation import state_of
from benchmark.execution.local import require_trainable
from benchmark.execution.method_registry import MethodRequest, registered
from benchmark.execution.plan import command, configure_all, require_resources, require_writable
from benchmark.execution.records import first_record
from benchmark.execution.row_outcomes import Outcome, compute_rows, forget_failures
from benchmark.execution.runner import Observer, Quiet, Runner
from benchmark.execution.store import Store
from benchmark.execution.trackers import TrackerName, make_tracker
from benchmark.execution.tuned_row import trials_path, tuned_method
from benchmark.execution.workload import VALIDATION, Workload, materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import (
    SANITY_CHECKS,
    IntegrityError,
    TemperError,
    UsageError,
    excerpt,
    file_fingerprint,
    fingerprint,
    method_slug,
)
from benchmark.schema.record import LONGEST_SENTENCE
from benchmark.schema.trial import (
    LEARNING_RATE_FACTOR,
    TRIAL_SCHEMA_VERSION,
    Trial,
    read_trials,
    selected,
    trial_line,
)
from benchmark.suites import Suite
from benchmark.tuning.space import Space, point, space_of
from benchmark.tuning.typos import typo_dataset

SEED = 0
"""Seed of all trials. It is a row's first seed, so a row's settings and its first seed share one training run."""

TYPOS = "validation-typos"
TRIALS = "trials"
"""Folder of unfinished studies in the store."""

Progress = Callable[[int, int, float | None], None]
"""Called with the finished trials, all trials, and the seconds left, or None if they cannot be estimated yet."""


@dataclass(frozen=True)
class Study:
    """The trials of one method.

    Attributes:
        row: The method with its defaults.
        space: What its trials vary.
        file: Its trials' file.
        unfinished: Where the trials are kept until all are finished, with gaps if several run at a time.
    """

    row: Row
    space: Space
    file: Path
    unfinished: Path

    def trial_row(self, number: int) -> Row:
        """Return the row of a trial; its `failure` says why the method refuses the settings, if it does."""
        values = point(self.space, number)
        factor = values.pop(LEARNING_RATE_FACTOR, 1.0)
        method = replace(self.row.method, hyperparameters={**self.row.method.hyperparameters, **values})
        row = replace(self.row, method=method, trial=number, learning_rate_factor=float(str(factor)))
        try:
            method.make()
        except UsageError as error:
            return replace(row, failure=f"{row.label}: {error}")
        return row

    @property
    def cost(self) -> float:
        """Return the cost of a trial relative to vanilla's, 1 if it was never counted."""
        point_of = registered().get(self.row.method.name)
        cost = Costs.for_method(point_of).methods.get(self.row.method.name) if point_of else None
        return 1.0 if cost is None else over_vanilla(cost.step)


@dataclass
class TuningReport:
    """The report of tuning.

    Attributes:
        files: The files of trials, in the order of the methods.
        run: Number of trials that were run now.
        failed: Number of failed trials, those of earlier runs included.
        chosen: The selected trial of each method; None if all failed.
    """

    files: list[Path] = field(default_factory=list)
    run: int = 0
    failed: int = 0
    chosen: list[Trial | None] = field(default_factory=list)


@dataclass(frozen=True)
class TuningPlan:
    """The trials of several methods, with everything checked that can be checked before training.

    Attributes:
        studies: One per method.
        trials: Number of trials of each.
        work: The suite's training task; the typos are its only evaluation task.
        store: Where artifacts are kept.
        sanity: The requested sanity checks, which are not tuned.
        at_default: The hyper-parameters that were given at their default, which does not fix them.
    """

    studies: Sequence[Study]
    trials: int
    work: Workload
    store: Store
    sanity: Sequence[str] = ()
    at_default: Sequence[str] = ()

    def execute(
        self,
        observer: Observer | None = None,
        progress: Progress = lambda *_: None,
        place: Place = LOCAL,
        track: TrackerName | None = None,
    ) -> TuningReport:
        """Run the missing trials and write the files of trials.

        A trial that fails is spent: it is written down with its reason and is not run again.

        Args:
            observer: Receives the progress of each stage. Another process gets a copy.
            progress: Called before the first trial and after each.
            place: Where the trials are run.
            track: Tracker that curves are sent to.

        Raises:
            UsageError: the output folder is not writable, a backbone is not supported, or the tracker's library is
                not installed.
            TemperError: something other than a method failed, such as a full disk or the death of a process.
        """
        observer = observer or Quiet()
        require_writable(self.store.root.parent)
        require_trainable([study.row for study in self.studies], self.work, self.store)
        report = TuningReport()
        runner = Runner(self.work, self.store, observer, make_tracker(track, self.store.root.parent))
        known = [self.finished(study, observer) for study in self.studies]
        missing = [
            (study, trials, study.trial_row(number))
            for study, trials in zip(self.studies, known, strict=True)
            for number in range(self.trials)
            if number not in trials
        ]
        forget_failures([row for _, _, row in missing], runner)
        done = sum(map(len, known))
        total = done + len(missing)
        executor = place.executor(runner, len(missing))
        clock = _Clock(sum(study.cost for study, _, _ in missing), first=min(executor.slots, len(missing)))
        for study, trials in zip(self.studies, known, strict=True):
            self._write(study, trials)
        progress(done, total, clock.seconds_left())
        places = {id(row): (study, trials) for study, trials, row in missing}
        with closing(compute_rows([row for _, _, row in missing], runner, executor)) as outcomes:
            for row, outcome in outcomes:
                study, trials = places[id(row)]
                trials[row.trial or 0] = self._trial(study, row, outcome)
                self._write(study, trials)
                instant = bool(row.failure) or (outcome.reused > 0 and outcome.computed == 0)
                clock.spend(study.cost, instant=instant)
                report.run += 1
                progress(done + report.run, total, clock.seconds_left())
        for study in self.studies:
            if _has_stale_records(study.file):
                observer.note(
                    f"{study.row.method.label}: its tuned records are of other trials, and the leaderboard leaves them "
                    "out until `temper run --settings tuned` has computed them again."
                )
            finished = read_trials(study.file)
            report.files.append(study.file)
            report.failed += sum(trial["status"] == "failed" for trial in finished)
            report.chosen.append(selected(finished))
        return report

    def _write(self, study: Study, trials: Mapping[int, Trial]) -> None:
        """Write a study's file once enough trials are finished. Others are kept in the store."""
        lines = [trial_line(trial).encode() for trial in _prefix(trials)]
        held = study.file.read_bytes() if study.file.is_file() else b""
        # A study that was finished with more trials keeps them; trials of a longer one that is not finished wait.
        size = max(self.trials, len(held.splitlines()) if b"".join(lines).startswith(held) else 0)
        done = lines[:size] if len(lines) >= self.trials else []
        with self.store.guarded():
            if done:
                replace_text(study.file, b"".join(done).decode())
            if len(done) < len(trials):
                replace_text(study.unfinished, "".join(trial_line(trials[number]) for number in sorted(trials)))
            else:
                study.unfinished.unlink(missing_ok=True)

    def finished(self, study: Study, observer: Observer) -> dict[int, Trial]:
        """Read the trials that were run before, as far as they are those of this study, by number."""
        for path, gaps in ((study.unfinished, True), (study.file, False)):
            try:
                trials = read_trials(path, gaps=gaps) if path.is_file() else []
            except IntegrityError as error:
                observer.note(f"{error} These trials are not used.")
                continue
            if not all(self._fits(trial, study) for trial in trials):
                observer.note(f"{path} is not used: its trials are of another method source, space, recipe or data.")
            elif trials:
                return {trial["trial"]: trial for trial in trials}
        return {}

    def begun(self, study: Study, known: Mapping[int, Trial]) -> list[int]:
        """Return the numbers of the trials whose training was started and is not finished."""
        rows = [study.trial_row(number) for number in range(self.trials) if number not in known]
        firsts = [next(cells_of(row, self.work, self.store)) for row in rows if not row.failure]
        return [cell.row.trial or 0 for cell in firsts if state_of(cell, self.store) in ("running", "begun")]

    def _fits(self, trial: Trial, study: Study) -> bool:
        """Return whether a trial is the one with its number in a study."""
        wanted = {**self._base(study, study.trial_row(trial["trial"])), "status": None, "reason": None}
        # Trials of earlier versions do not state what they were trained on.
        here = {"training": wanted["training"]}
        stated = {**here, **trial, "status": None, "reason": None, "validation": None, "typos": None, "cost": None}
        data = {"validation": self.work.splits.validation, "typos": self.work.tasks[TYPOS]}
        hashes = all(trial[part] is None or trial[part]["data"] == data[part].content_hash for part in data)
        return stated == wanted and hashes

    def _base(self, study: Study, row: Row) -> Trial:
        """Return a trial without its outcome."""
        suite = self.work.suite
        return {
            "schema": TRIAL_SCHEMA_VERSION,
            "suite": {"name": suite.name, "version": suite.version},
            "method": row.method.identity(),
            "backbone": row.backbone.identity(),
            "seed": row.seed,
            "training": training_hash(self.work),
            "trial": row.trial,
            LEARNING_RATE_FACTOR: row.learning_rate_factor,
            "space": {name: search.plain() for name, search in study.space.items()},
            "validation": None,
            "typos": None,
            "cost": None,
        }

    def _trial(self, study: Study, row: Row, outcome: Outcome) -> Trial:
        """Return a trial that was just run."""
        base = self._base(study, row)
        if outcome.failure:
            return {**base, "status": "failed", "reason": excerpt(outcome.failure, LONGEST_SENTENCE)}
        train, *predicted = cells_of(row, self.work, self.store)
        answers = {cell.subject: self._answers(cell) for cell in predicted}
        trained = find_cell(self.store, train)
        if trained is None:
            raise TemperError(f"{train.label} was removed while it was used. Run the same command again.")
        cost = read_training(trained.folder)["cost"]
        measured = {"validation": answers[VALIDATION], "typos": answers[TYPOS], "cost": cost}
        return {**base, **measured, "status": "ok", "reason": None}

    def _answers(self, cell: Cell) -> dict[str, Any]:
        """Count the right answers in a table of predictions."""
        data = self.work.examples(cell.subject)
        artifact = find_cell(self.store, cell)
        if artifact is None:
            raise TemperError(
                f"The predictions on {cell.subject} were removed while they were used. Run the command again."
            )
        table = read_predictions(artifact.folder / PREDICTIONS)
        labels = [example.label for example in data.examples]
        correct = int((table.logits.argmax(axis=1) == labels).sum())
        return {"data": data.content_hash, "n": len(data), "correct": correct}


def _has_stale_records(file: Path) -> bool:
    """Return whether the records next to a file of trials are of other trials."""
    firsts = (first_record(path) for path in file.parent.glob("seed-*.jsonl"))
    digest = file_fingerprint(file)
    return any(first is not None and first.get("tuning", {}).get("trials") != digest for first in firsts)


def _prefix(trials: Mapping[int, Trial]) -> list[Trial]:
    """Return the trials from 0 up to the first gap."""
    return [trials[number] for number in takewhile(trials.__contains__, count())]


class _Clock:
    """Estimate the time left from the time that the trials of this run took, weighted by cost.

    Args:
        left: Cost of all trials that are to be run.
        first: Number of trials to wait for before there is an estimate: those that start at once end together.
    """

    def __init__(self, left: float, first: int) -> None:
        self._left, self._first = left, first
        self._spent = 0.0
        self._started = time.monotonic()

    def spend(self, cost: float, *, instant: bool) -> None:
        """Count a finished trial; one that was refused, or whose stages were all done already, took no time."""
        self._left -= cost
        if not instant:
            self._first -= 1
            self._spent += cost

    def seconds_left(self) -> float | None:
        """Return the estimate; None before the first trials are finished."""
        if self._left <= 0:
            return 0.0
        return (time.monotonic() - self._started) / self._spent * self._left if self._first <= 0 else None


def plan_tuning(
    suite: Suite,
    requests: Sequence[MethodRequest],
    backbone: str | None,
    out: Path,
    trials: int | None = None,
    *,
    work: Workload | None = None,
) -> TuningPlan:
    """Read the suite's training data and check the whole request before anything long starts.

    Args:
        suite: The suite.
        requests: The methods.
        backbone: As in `benchmark.run`; the suite's by default.
        out: Folder of artifacts (``out/store``) and of trials (``out/results``).
        trials: Number of trials per method; the suite's by default.
        work: The suite's data, if it has been read already.

    Raises:
        UsageError: an option or a search space is invalid, or no method can be tuned.
        UnavailableError: the backbone or the training data is missing.
    """
    sanity = [request.name for request in requests if request.name in SANITY_CHECKS]
    requests = [request for request in requests if request.name not in SANITY_CHECKS]
    if not requests:
        instead = command("run", suite, ",".join(sanity), backbone, out)
        raise UsageError(f"Sanity checks have nothing to tune: {', '.join(sanity)}. Run `{instead}` instead.")
    rule = suite.tuning_rule
    training = replace(suite, tasks=(), attacks=())
    require_resources(training, backbone or suite.backbone)
    methods = [tuned_method(method) for method in configure_all(requests)]
    at_default = [
        f"{request.name}: {name}"
        for request, method in zip(requests, methods, strict=True)
        for name in space_of(method, rule)
        # A setting of a composition may be given without its member.
        if {name, name.partition(".")[2]} & request.overrides.keys()
    ]
    methods = list({method.label: method for method in methods}.values())
    place = resolve_backbone(backbone or suite.backbone)
    spaces = [space_of(method, rule) for method in methods]
    work = work or materialise(training)
    work = replace(work, suite=training, tasks={TYPOS: typo_dataset(work.splits.validation)})
    store, studies = Store(out / "store"), []
    for method, space in zip(methods, spaces, strict=True):
        row = Row(method, place, SEED)
        slug = method_slug(method.name, method.configuration, tuned=True)
        name = fingerprint([suite.name, suite.version, slug, place.identity()]).removeprefix("sha256:")
        unfinished = store.root / TRIALS / f"{name}.jsonl"
        studies.append(Study(row, space, out / "results" / trials_path(row, suite), unfinished))
    return TuningPlan(studies, trials or rule.trials, work, store, sanity, at_default)
