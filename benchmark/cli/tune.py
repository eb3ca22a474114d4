"""`temper tune`."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.display import examples, print_table, say, show
from benchmark.cli.options import BackboneOption, OutOption, PluginOption, SuiteArgument, each_suite
from benchmark.cli.progress import CellDisplay, resumable
from benchmark.cli.runs import MethodsOption
from benchmark.execution.plan import parse_methods
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.execution.method_registry import MethodRequest
    from benchmark.schema.trial import Trial
    from benchmark.suites import Suite
    from benchmark.tuning.study import TuningPlan, TuningReport


EXAMPLES = examples(
    ("Tune two methods with four trials each", "temper tune demo --methods vanilla,roast --trials 4"),
    ("Resume, or add trials to those that are there", "temper tune demo --methods vanilla,roast --trials 8"),
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
) -> None:
    """Try settings on the validation part. The same command resumes."""
    requests = parse_methods(methods, plugin or ())
    each_suite(suite, lambda one: _tune(one, requests, backbone, out, trials))


def _tune(
    suite: "Suite", requests: "Sequence[MethodRequest]", backbone: str | None, out: Path, trials: int | None
) -> None:
    """Run the missing trials of one suite and print what was selected."""
    from benchmark.suites import available_suites
    from benchmark.tuning.study import plan_tuning

    planned = plan_tuning(suite, requests, backbone, out, trials)
    with resumable("trials"), closing(CellDisplay()) as display:
        report = planned.execute(display, _print_progress)
    _print(planned, report)
    names = ",".join(study.row.method.name for study in planned.studies)
    say(f"Trials: {out / 'results' / f'{suite.name}@{suite.version}'}")
    place = suite.name if suite.name in available_suites() else suite.path
    command = f"temper run {place} --methods {names} --settings tuned --out {out}"
    say(f"Next: {command} --seeds {suite.minimum_seeds}")
    if None in report.chosen:
        raise typer.Exit(1)


def _print_progress(finished: int, total: int, seconds_left: float | None) -> None:
    left = "" if seconds_left is None else f", about {timedelta(seconds=round(seconds_left))} left"
    if finished < total:
        say(f"Trial {finished + 1} of {total}{left}")


def _print(planned: "TuningPlan", report: "TuningReport") -> None:
    """Print the selected trial of each method."""
    rows = [
        (study.row.method.label, *_cells(trial)) for study, trial in zip(planned.studies, report.chosen, strict=True)
    ]
    headings = ("Method", "Selected", "Clean %", "Typos %", "Settings")
    print_table(headings, rows, right=("Clean %", "Typos %"), prose=("Settings",))
    failures = f" {counted(report.failed, 'trial')} failed." if report.failed else ""
    show(f"Ran {counted(report.run, 'trial')}.{failures}")


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
