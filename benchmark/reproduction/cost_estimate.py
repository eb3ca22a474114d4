"""Estimate the remaining cost of a reproduction in passes through the model, and measure the time of a pass."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmark.data import Dataset
from benchmark.execution.cells import Cell, Row, cells_of
from benchmark.execution.costs import VANILLA_COST, Cost, Costs, over_vanilla
from benchmark.execution.explanation import state_of
from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.models.backbones import Backbone

STEPS = 4
"""Number of timed steps, after one untimed step."""


@dataclass
class Effort:
    """Finished and remaining work.

    Attributes:
        done: Number of finished cells.
        todo: Number of remaining cells.
        passes: Remaining passes of training and prediction; a forward pass of one example is 1.
        attacked: Remaining examples of attacks.
    """

    done: int = 0
    todo: int = 0
    passes: float = 0.0
    attacked: int = 0

    def add(self, cell: Cell, work: Workload) -> None:
        """Count a remaining cell."""
        self.todo += 1
        if cell.kind == "train":
            step, once = relative_cost(cell.row.method.cls.name) or (1.0, 0.0)
            epochs = work.suite.recipe.epochs
            self.passes += VANILLA_COST * (step * epochs + once) * len(work.splits.train)
            self.passes += epochs * len(work.splits.validation)
        elif cell.kind in ("predict", "features"):
            self.passes += len(work.examples(cell.subject))
        elif cell.kind == "attack":
            self.attacked += len(work.attacked[cell.subject])


def effort(rows: Sequence[Row], work: Workload, store: Store) -> Effort:
    """Count the finished and remaining work of some rows."""
    total = Effort()
    for row in rows:
        for cell in cells_of(row, work, store):
            if state_of(cell, store) == "done":
                total.done += 1
            else:
                total.add(cell, work)
    return total


def relative_cost(method: str) -> tuple[float, float] | None:
    """Return the cost of a step relative to vanilla, and the cost before the first step in vanilla epochs.

    For a composition it is the product of its members' steps, an upper bound; None if a member's cost is unknown.
    """
    costs: list[Cost] = []
    for member in method.split("+"):
        cost = Costs.for_method(registered()[member]).methods.get(member)
        if cost is None:
            return None
        costs.append(cost)
    step, once = 1.0, 0.0
    for cost in costs:
        step, once = step * over_vanilla(cost.step), once + over_vanilla(cost.once)
    return step, once


class _EnoughError(Exception):
    """Stops the training loop after the timed steps."""


def seconds_a_pass(work: Workload, backbone: Backbone) -> float:
    """Time vanilla steps in the real training loop, on the texts of the training task.

    Returns:
        Seconds of a forward pass of one example; a backward pass counts as two.
    """
    from benchmark.training.loop import Trainer

    size = work.suite.recipe.batch_size * work.suite.recipe.accumulation
    train, recipe = work.splits.train, replace(work.suite.recipe, epochs=STEPS + 1)
    times: list[float] = []

    def report(_done: int, _total: int) -> None:
        times.append(time.monotonic())
        if len(times) > STEPS:
            raise _EnoughError

    with TemporaryDirectory() as folder:
        trainer = Trainer(
            method=configure(MethodRequest("vanilla", {})).make(),
            backbone=backbone,
            task=work.suite.training,
            recipe=recipe,
            train=Dataset(train.name, train.examples[: size * (STEPS + 1)], train.label_names),
            validation=Dataset(train.name, train.examples[:1], train.label_names),
            seed=0,
            folder=Path(folder),
            report=report,
            checkpoint_seconds=float("inf"),
        )
        with suppress(_EnoughError):
            trainer.run()
    steps = [after - before for before, after in pairwise(times)]
    return median(steps) / (VANILLA_COST * size)
