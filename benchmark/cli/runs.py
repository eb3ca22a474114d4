"""`temper run`, `status` and `explain`."""

import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchmark.cli.display import console, examples, print_table, say, say_next, show
from benchmark.cli.leaderboard_commands import print_section
from benchmark.cli.options import (
    BackboneOption,
    ExecutorOption,
    JobsOption,
    MethodsOption,
    OutOption,
    PluginOption,
    ProtocolOption,
    SeedsOption,
    SettingsOption,
    SuiteArgument,
    TrackOption,
    each_suite,
)
from benchmark.cli.progress import CellDisplay, resumable
from benchmark.execution.executors import Place, place_of_rows
from benchmark.execution.plan import Settings, parse_methods, plan, require_writable
from benchmark.execution.trackers import TrackerName
from benchmark.schema import SANITY_CHECKS, TemperError, method_slug
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from benchmark.execution.cells import Row
    from benchmark.execution.method_registry import MethodRequest
    from benchmark.execution.plan import Plan
    from benchmark.execution.workload import Workload
    from benchmark.suites import Suite

RUN_EXAMPLES = examples(
    ("Compare two methods on the demonstration", "temper run demo --methods vanilla,freelb"),
    ("Set a hyper-parameter, and run three seeds", "temper run demo --methods roast:variant=released --seeds 3"),
    ("Run a method from a file of your own", "temper run demo --plugin my_method.py --methods my_method"),
)
STATUS_EXAMPLES = examples(
    ("See what is done of a run, and where its models are", "temper status demo --methods vanilla,freelb"),
    ("Name the run's folder, if it is not runs", "temper status demo --methods roast --out other"),
)
EXPLAIN_EXAMPLES = examples(
    ("See why stages would be computed", "temper explain demo --methods vanilla,freelb"),
    ("See what another setting changes", "temper explain demo --methods roast:variant=released"),
)


@dataclass(frozen=True)
class RunRequest:
    """The options that `temper run`, `status`, `explain` and `details` share."""

    methods: "Sequence[MethodRequest]"
    seeds: int
    backbone: str | None
    out: Path
    protocol: str
    settings: Settings

    def plan(self, suite: "Suite", *, partly_tuned: bool = False) -> "Plan":
        """Check the whole request before training starts."""
        with console.status("Reading the suite's data"):
            return plan(
                suite,
                self.methods,
                self.seeds,
                self.backbone,
                self.out,
                protocol=self.protocol,
                settings=self.settings,
                partly_tuned=partly_tuned,
            )


def run(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
    track: TrackOption = None,
) -> None:
    """Train, predict, attack and score; compute only what is missing. The same command resumes."""
    request = RunRequest(parse_methods(methods, plugin or ()), seeds, backbone, out, protocol, settings)
    place = place_of_rows(executor, jobs)
    for one, attempt in each_suite(suite):
        with attempt:
            _run(request.plan(one), out, place, track)


def _run(planned: "Plan", out: Path, place: Place, track: TrackerName | None) -> None:
    """Run all rows of one suite and write their records."""
    rows, work = planned.rows, planned.work
    require_writable(out)
    for subject, absence in work.missing.items():
        say(f"note: {subject} is left out, with the reason in its records: {absence.here}")
    for task, count in work.excluded().items():
        say(f"note: {task}: {counted(count, 'example')} that training has seen dropped.")

    with resumable(), closing(CellDisplay(live=place.alone)) as display:
        report = planned.execute(display, place, track)
    if report.computed or report.failures:
        say(f"Computed {counted(report.computed, 'stage')}; {report.reused} reused.")
    else:
        say(f"Nothing to compute: all {counted(report.reused, 'stage')} are done.")
    _print_results(rows, work, out / "results")
    if report.failures:
        say(f"{len(report.failures)} of {counted(len(rows), 'row')} failed; their records say why.")
        raise typer.Exit(1)


def _print_results(rows: "Sequence[Row]", work: "Workload", results: Path) -> None:
    """Print the leaderboard's tables of the rows that were run, the place of the records, and the next command."""
    import leaderboard

    suite = work.suite.full_name
    backbones = {row.backbone.name for row in rows}
    try:
        board = leaderboard.load_board(results)
    except TemperError as error:
        say(f"note: no table, since {results} holds a file that is refused: {error}")
    else:
        sections = tuple(s for s in board.sections if s.suite == suite and s.backbone in backbones)
        for table in leaderboard.text_tables(replace(board, sections=sections)):
            print_section(table)
    say(f"Records: {results / suite}")
    folder = shlex.quote(str(results))
    names = list(dict.fromkeys(_name(row) for row in rows))
    if len(names) > 1:
        first, second = (shlex.quote(name) for name in sorted(names[:2], key=lambda name: name.startswith("vanilla")))
        say_next(f"temper compare {first} {second} --results {folder}")
    say_next(f"temper board build --results {folder}")


def _name(row: "Row") -> str:
    """Return the name of a row's folder, which `temper compare` takes."""
    method = row.method
    return method_slug(method.cls.name, method.configuration, row.protocol, tuned=row.tuning is not None)


def status(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
) -> None:
    """Show which stages of a run are done, started or missing."""
    request = RunRequest(parse_methods(methods, plugin or ()), seeds, backbone, out, protocol, settings)
    for one, attempt in each_suite(suite):
        with attempt:
            planned = request.plan(one, partly_tuned=True)
            _status(planned)
            _print_trials(planned, request)


def _status(planned: "Plan") -> None:
    from benchmark.execution.attack_parts import owners
    from benchmark.execution.cards import suite_card
    from benchmark.execution.cells import MODEL, cells_of
    from benchmark.execution.explanation import state_of
    from benchmark.execution.records import failure_of

    rows, work, store = planned.rows, planned.work, planned.store
    lines: list[tuple[str, str, str]] = []
    models, running, failures = [], [], []
    card = suite_card(work)
    for row in rows:
        if row.failure:
            lines.append((row.label, "trials", "all failed"))
            continue
        if reason := failure_of(row, card, planned.results):
            failures.append(f"Failed: {reason}")
        for cell in cells_of(row, work, store):
            name, state = f"{cell.kind} {cell.subject}".rstrip(), state_of(cell, store)
            lines.append((cell.row.label, name, state))
            if cell.kind == "train" and cell.key is not None and state == "done":
                models.append(f"Model of {cell.row.label}: {store.folder(cell.kind, cell.key) / MODEL}")
            if cell.key is not None and state == "running":
                known = list(dict.fromkeys(filter(None, owners(cell, store)))) or ["a process that has just ended"]
                running += [f"Running: {cell.label}, by {owner}" for owner in known]
    for subject in work.missing:
        lines.append(("all rows", subject, "unavailable"))
    if lines:
        print_table(("Row", "Stage", "State"), lines)
    for line in (*running, *failures, *models):
        show(line)


def explain(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
) -> None:
    """Say why stages would be computed. Lists what differs from the nearest finished stage."""
    request = RunRequest(parse_methods(methods, plugin or ()), seeds, backbone, out, protocol, settings)
    for one, attempt in each_suite(suite):
        with attempt:
            planned = request.plan(one, partly_tuned=True)
            _explain(planned)
            if settings == "tuned" or planned.untuned:
                _print_trials(planned, request)


def _explain(planned: "Plan") -> None:
    from benchmark.execution.explanation import explain as explanations

    rows, work, store = planned.rows, planned.work, planned.store
    count = len(planned.untuned)
    for row in rows:
        if row.failure:
            show(f"{row.label}: {row.failure}")
    for explanation in explanations([row for row in rows if not row.failure], work, store):
        count += 1
        show(f"{explanation.label}: missing.")
        if not explanation.nearest:
            show("  No stage of this kind is finished yet.")
            continue
        show(f"  The nearest finished stage, of {explanation.nearest_row or explanation.nearest}, differs in:")
        for difference in explanation.differences:
            requested, stored = difference.expected or "nothing", difference.actual or "nothing"
            show(f"    {difference.pointer}: requested {requested}, stored {stored}")
    for note in store.notes:
        say(f"note: {note}")
    if not count:
        show("Every stage whose inputs are known is done.")


def _print_trials(planned: "Plan", request: RunRequest) -> None:
    """Print how many trials of each method are done, and which methods are not tuned; nothing if nobody tunes."""
    from benchmark.schema.trial import read_trials, selected
    from benchmark.tuning.study import TRIALS, plan_tuning

    begun = planned.untuned or (planned.store.root / TRIALS).is_dir()
    if not begun or all(method.name in SANITY_CHECKS for method in request.methods):
        return
    tuning = plan_tuning(planned.work.suite, request.methods, request.backbone, request.out, work=planned.work)
    known = [tuning.finished(study, CellDisplay()) for study in tuning.studies]
    lines = []
    for study, trials in zip(tuning.studies, known, strict=True):
        failed = sum(trial["status"] == "failed" for trial in trials.values())
        under_way = ", ".join(f"trial {number}" for number in tuning.begun(study, trials))
        chosen = "not yet"
        if trials and study.file.is_file():
            trial = selected(read_trials(study.file))
            chosen = "none" if trial is None else f"trial {trial['trial']}"
        lines.append((study.row.method.label, str(len(trials)), str(failed), under_way or "-", chosen))
    if planned.untuned or any(known):
        show("")
        print_table(("Method", "Trials done", "Failed", "Begun", "Selected"), lines, right=("Trials done", "Failed"))
    for sentence in planned.untuned:
        show(sentence)
