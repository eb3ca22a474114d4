"""`temper tune`."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.display import examples, print_table, say, say_next, show
from benchmark.cli.options import (
    BackboneOption,
    ExecutorOption,
    MethodsOption,
    OutOption,
    PluginOption,
    SuiteArgument,
    TrackOption,
    each_suite,
)
from benchmark.cli.progress import CellDisplay, resumable
from benchmark.execution.executors import Place, place_of_rows
from benchmark.execution.plan import command, parse_methods
from benchmark.execution.trackers import TrackerName
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.schema.trial import Trial
    from benchmark.tuning.study import TuningPlan, TuningReport


EXAMPLES = examples(
    ("Tune two methods with four trials each", "temper tune demo --methods vanilla,roast --trials 4"),
    ("Resume, or add trials to those that are there", "temper tune demo --methods vanilla,roast --trials 8"),
    ("Run two trials at a time", "temper tune demo --methods vanilla,roast --jobs 2"),
)


def tune(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Training runs per method. [default: the suite's]")
    ] = None,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            min=1,
            help="Trials at a time, in processes that share torch's threads. Each holds its own model and optimizer: "
            "about 1 GiB for MiniLM.",
        ),
    ] = 1,
    executor: ExecutorOption = "local",
    track: TrackOption = None,
) -> None:
    """Try settings of methods on validation data. The same command resumes."""
    requests, place = parse_methods(methods, plugin or ()), place_of_rows(executor, jobs)
    for one, attempt in each_suite(suite):
        with attempt:
            from benchmark.tuning.study import plan_tuning

            chosen = _tune(plan_tuning(one, requests, backbone, out, trials), place, track)
            say(f"Trials: {out / 'results' / one.full_name}")
            options = ["--settings", "tuned", "--seeds", str(one.minimum_seeds)]
            options += ["--jobs", str(jobs)] if jobs > 1 else []
            options += ["--executor", executor] if executor != "local" else []
            say_next(command("run", one, methods, backbone, out, *options))
            if None in chosen:
                raise typer.Exit(1)


def _tune(planned: "TuningPlan", place: Place, track: TrackerName | None) -> "Sequence[Trial | None]":
    """Run the missing trials of one suite, print what was selected, and return it."""
    if planned.sanity:
        say(f"note: not tuned, since sanity checks have nothing to tune: {', '.join(planned.sanity)}.")
    if planned.at_default:
        say(f"note: searched, since a setting that equals its default fixes nothing: {', '.join(planned.at_default)}.")
    with resumable("trials"), closing(CellDisplay(live=place.alone)) as display:
        report = planned.execute(display, _print_progress, place, track)
    _print(planned, report)
    return report.chosen


def _print_progress(finished: int, total: int, seconds_left: float | None) -> None:
    left = "" if seconds_left is None else f", about {timedelta(seconds=round(seconds_left))} left"
    if finished < total:
        say(f"{finished} of {counted(total, 'trial')} done{left}")


def _print(planned: "TuningPlan", report: "TuningReport") -> None:
    """Print the selected trial of each method."""
    rows = [
        (study.row.method.label, *_cells(trial)) for study, trial in zip(planned.studies, report.chosen, strict=True)
    ]
    headings = ("Method", "Selected", "Clean %", "Typos %", "Settings")
    print_table(headings, rows, right=("Clean %", "Typos %"), prose=("Settings",))
    failures = f" {counted(report.failed, 'trial')} failed." if report.failed else ""
    show(f"Ran {counted(report.run, 'trial')}.{failures} Trial 0 has the defaults.")


def _cells(trial: "Trial | None") -> tuple[str, str, str, str]:
    from benchmark.schema.trial import at_edge, values_of

    if trial is None:
        return "none", "-", "-", "all trials failed"
    shares = [f"{100 * trial[part]['correct'] / trial[part]['n']:.1f}" for part in ("validation", "typos")]
    settings = ", ".join(
        f"{name} {value}{' (at the edge of its range)' if at_edge(trial['space'][name], value) else ''}"
        for name, value in values_of(trial).items()
    )
    return f"trial {trial['trial']}", shares[0], shares[1], settings
