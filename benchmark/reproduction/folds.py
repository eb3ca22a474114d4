"""Describe how much RoAST's tuned ECE depends on the random permutation of its folds."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from benchmark.evaluation.metrics.calibration import ROAST_DRAWS, ROAST_FOLDS, ece_roast_draws
from benchmark.evaluation.metrics.probabilities import Floats
from benchmark.evaluation.parquet import read_predictions
from benchmark.execution.cells import PREDICTIONS, Row, cells_of
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.reproduction.jobs import Job
from benchmark.reproduction.paper import Reproduction

METRIC = "ece_roast"


def fold_remarks(read: Reproduction, jobs: Sequence[Job], store: Store) -> dict[tuple[str, str], str]:
    """Describe the spread of every cell of `ece_roast`, from the prediction tables in the store.

    A cell is a mean over seeds and evaluation tasks. Its n-th value uses the n-th permutation of each table.

    Returns:
        Sentences by the labels of row and column, for cells with tables.
    """
    remarks = {}
    columns = [column for column in read.columns if column.metric == METRIC]
    for column, job in product(columns, jobs):
        if job.work is None or job.base.name != column.suite:
            continue
        for label in job.methods:
            by_seed = [_draws(row, job.work, store, column.tasks) for row in job.rows(label)]
            measured = [values for values in by_seed if values]
            whole = set.intersection(*(set(values) for values in measured)) if measured else set()
            if whole:
                means = [np.mean([values[task] for task in sorted(whole)], axis=0) for values in measured]
                remarks[label, column.label] = _sentence(np.mean(means, axis=0))
    return remarks


def _draws(row: Row, work: Workload, store: Store, tasks: Sequence[str]) -> dict[str, Floats]:
    """Draw the values of each evaluation task of a row with enough labelled predictions."""
    merges = {task.id: task.merge for task in work.suite.tasks}
    draws = {}
    for cell in cells_of(row, work, store):
        if cell.kind != "score" or cell.subject not in tasks or "table" not in cell.reads:
            continue
        if PREDICTIONS not in cell.reads["table"].files:
            continue
        table = read_predictions(cell.reads["table"].folder / PREDICTIONS)
        if table.labels is not None and len(table.ids) >= ROAST_FOLDS and np.isfinite(table.logits).all():
            draws[cell.subject] = ece_roast_draws(
                table.logits,
                table.labels,
                merge=merges[cell.subject],
                bins=work.suite.metrics.ece_bins,
                seed_text=work.content_hash(cell.subject),
            )
    return draws


def _sentence(values: Floats) -> str:
    low, high = np.quantile(values, [0.025, 0.975])
    return (
        f"one permutation cuts the folds; the mean over {ROAST_DRAWS} others is {100 * values.mean():.2f}, and 95 % of "
        f"them give {100 * low:.2f} to {100 * high:.2f}"
    )
