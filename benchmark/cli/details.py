"""`temper details`: every metric of the predictions that a run stored."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from benchmark.cli.display import console, examples, print_table, say, say_next, show
from benchmark.cli.options import (
    BackboneOption,
    MethodsOption,
    OutOption,
    PluginOption,
    ProtocolOption,
    SeedsOption,
    SettingsOption,
    SuiteArgument,
    each_suite,
)
from benchmark.cli.progress import CellDisplay, resumable
from benchmark.cli.runs import RunRequest
from benchmark.execution.plan import command, parse_methods
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from benchmark.evaluation.metrics import Measurement
    from benchmark.execution.plan import Plan
    from benchmark.suites import Suite

EXAMPLES = examples(
    ("See what is left of a method's gain in ECE after post-hoc calibration", "temper details demo --methods freelb"),
    ("Compare tuned rows over five seeds", "temper details offline --methods freelb --settings tuned --seeds 5"),
)
VANILLA = "vanilla"
PARTS = (
    ("Selective prediction and calibration", frozenset({"in-distribution", "shift", "adversarial"})),
    ("Anomaly detection: same model, other scores", frozenset({"anomaly"})),
)
ARROWS = {"up": " ↑", "down": " ↓", "none": ""}
Values: TypeAlias = dict[tuple[str, str], float]
"""Mean over seeds by task and metric."""


def details(
    suite: SuiteArgument,
    methods: MethodsOption = VANILLA,
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
) -> None:
    """Measure stored predictions by every metric.

    Shows selective prediction, calibration before and after post-hoc calibrators, and OOD scores. For Mahalanobis and
    k-NN, the stored models compute features of the training, in-distribution and OOD texts once.
    """
    named = parse_methods(methods, plugin or ())
    requests = named if any(one.name == VANILLA for one in named) else [*parse_methods(VANILLA), *named]
    request = RunRequest(requests, seeds, backbone, out, protocol, settings)
    options = ("--seeds", str(seeds), "--settings", settings, *(("--protocol", protocol) if protocol else ()))
    for one, attempt in each_suite(suite):
        with attempt:
            missing = _details(request.plan(one, partly_tuned=True))
            if missing:
                say(f"note: no predictions of {', '.join(missing)}.")
                say_next(command("run", one, methods, backbone, out, *options))


def _details(planned: "Plan") -> list[str]:
    """Print the tables of every method, and return the labels of rows without any stored prediction."""
    from benchmark.execution.every_metric import measurements_of, with_every_metric, with_features

    work = with_every_metric(planned.work)
    of_vanilla: Values = {}
    missing = []
    for name in dict.fromkeys(row.method.label for row in planned.rows):
        rows = [row for row in planned.rows if row.method.label == name and not row.failure]
        with resumable(), closing(CellDisplay()) as display:
            works = [with_features(row, work, planned.store, display) for row in rows]
        with console.status(f"Measuring {name}"):
            measured = {
                row.label: measurements_of(row, of_row, planned.store) for row, of_row in zip(rows, works, strict=True)
            }
        missing += [label for label, by_task in measured.items() if not by_task]
        values = _means(measured.values())
        if values:
            _print(f"{name}, {counted(sum(map(bool, measured.values())), 'seed')}", work.suite, values, of_vanilla)
        if name == VANILLA:
            of_vanilla = values
    for sentence in planned.untuned:
        show(sentence)
    return missing


def _means(measured: Iterable[Mapping[str, Mapping[str, "Measurement"]]]) -> Values:
    """Take the mean over the seeds that have a value."""
    values: dict[tuple[str, str], list[float]] = {}
    for by_task in measured:
        for task, by_metric in by_task.items():
            for metric, measurement in by_metric.items():
                if measurement.value is not None:
                    values.setdefault((task, metric), []).append(measurement.value)
    return {item: fmean(of_seeds) for item, of_seeds in values.items()}


def _print(name: str, suite: "Suite", values: Values, of_vanilla: Values) -> None:
    from benchmark.evaluation.metrics import METRICS

    for title, perspectives in PARTS:
        tasks = [task.id for task in suite.tasks if task.perspective in perspectives]
        metrics = [metric for metric in METRICS if any((task, metric) in values for task in tasks)]
        lines = []
        for metric in metrics:
            shown = METRICS[metric]
            cells = []
            for task in tasks:
                pair = (values.get((task, metric)), of_vanilla.get((task, metric)))
                own, vanilla = (None if value is None else _number(value, shown.unit) for value in pair)
                cells.append("-" if own is None else own if vanilla is None else f"{own} ({vanilla})")
            unit = " %" if shown.unit == "fraction" else ""
            lines.append((f"{shown.title}{unit}{ARROWS[shown.direction]}", *cells))
        if lines:
            note = "; vanilla in parentheses" if of_vanilla else ""
            show(f"{name}: {title}{note}", "bold")
            print_table(("Metric", *tasks), lines, right=tasks)
            show("")


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.2f}" if unit == "fraction" else f"{value:.4f}"
