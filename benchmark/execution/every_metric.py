"""Measure stored predictions by every metric that fits them, whether or not the suite lists it.

The values are score cells like those of a run, with keys of their own. So nothing is predicted again, no record
changes, and the same question is answered from the store the second time. Only features, which few suites ask for, may
have to be computed, from the stored model.
"""

from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec

from benchmark.evaluation.metrics import METRICS, FeatureDetection, Measurement, metrics_for
from benchmark.execution.cell_files import read_measurements
from benchmark.execution.cells import Row, cells_of, find_cell
from benchmark.execution.runner import Observer, Quiet, Runner
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.schema import TemperError


def with_every_metric(work: Workload) -> Workload:
    """Return the workload with all metrics per predicted task, except those whose library is not installed.

    Attacks are left out and gradient-masking checks stay as they are: suites list all metrics of theirs.
    """
    tasks = tuple(
        task
        if task.id in work.inspected
        else replace(task, metrics=tuple(filter(_is_installed, metrics_for(task.perspective))))
        for task in work.suite.tasks
    )
    return replace(work, suite=replace(work.suite, tasks=tasks, attacks=()))


def _is_installed(metric: str) -> bool:
    library = METRICS[metric].library
    return not library or find_spec(library) is not None


def _without_features(work: Workload) -> Workload:
    def others(metrics: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in metrics if METRICS[name].table is not FeatureDetection)

    tasks = tuple(replace(task, metrics=others(task.metrics)) for task in work.suite.tasks)
    return replace(work, suite=replace(work.suite, tasks=tasks))


def with_features(row: Row, work: Workload, store: Store, observer: Observer) -> Workload:
    """Compute the missing features of a row whose predictions are stored.

    Args:
        row: A row with or without stored predictions.
        work: From `with_every_metric`.
        store: Holds the predictions and the model, and receives the features.
        observer: Receives the progress, and a sentence if the features cannot be computed.

    Returns:
        The workload, without the metrics of features if those cannot be computed.
    """
    plain = _without_features(work)
    measurable = {cell.subject for cell in cells_of(row, plain, store) if cell.kind == "score" and cell.key is not None}
    runner = Runner(work, store, observer)
    try:
        # A task is measurable only if the model is stored, since keys are made from the weights.
        for cell in cells_of(row, work, store) if measurable else ():
            if cell.kind == "features" and cell.key is not None and find_cell(store, cell) is None:
                runner.run(cell)
    except TemperError as error:
        observer.note(f"{row.label}: left out what is computed from features. {error}")
        return plain
    return work


def measurements_of(row: Row, work: Workload, store: Store) -> dict[str, dict[str, Measurement]]:
    """Measure the stored predictions of a row.

    Args:
        row: A row with or without stored predictions.
        work: From `with_features`.
        store: Holds the predictions and the features, and receives the values.

    Returns:
        The measurements by task and metric, for the tasks whose predictions are stored.
    """
    runner = Runner(work, store, Quiet())
    measured = {}
    for cell in cells_of(row, work, store):
        if cell.kind == "score" and cell.key is not None and cell.subject not in work.inspected:
            runner.run(cell)
            measured[cell.subject] = read_measurements(store.folder("score", cell.key))
    return measured
