"""Measure stored predictions by every metric that fits them, whether or not the suite lists it.

The values are score cells like those of a run, with keys of their own. So nothing is predicted again, no record
changes, and the same question is answered from the store the second time.
"""

import json
from dataclasses import replace
from importlib.util import find_spec

from benchmark.evaluation.metrics import METRICS, Measurement, metrics_for
from benchmark.execution.cells import MEASURED, Row, cells_of
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload


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


def measurements_of(row: Row, work: Workload, store: Store) -> dict[str, dict[str, Measurement]]:
    """Measure the stored predictions of a row.

    Args:
        row: A row with or without stored predictions.
        work: From `with_every_metric`.
        store: Holds the predictions, and receives the values.

    Returns:
        The measurements by task and metric, for the tasks whose predictions are stored.
    """
    runner = Runner(work, store, Quiet())
    measured = {}
    for cell in cells_of(row, work, store):
        if cell.kind == "score" and cell.key is not None and cell.subject not in work.inspected:
            runner.run(cell)
            text = (store.folder("score", cell.key) / MEASURED).read_text(encoding="utf-8")
            measured[cell.subject] = {name: Measurement(**fields) for name, fields in json.loads(text).items()}
    return measured
