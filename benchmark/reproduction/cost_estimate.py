"""What is left of a reproduction, in passes through the model, before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.execution.cells import Cell, Row, cells_of
from benchmark.execution.costs import Cost, Costs, over_vanilla
from benchmark.execution.explaining import state_of
from benchmark.execution.registry import registered
from benchmark.execution.store import Store
from benchmark.execution.workload import VALIDATION, Workload

VANILLA = 3
"""Passes of a vanilla step over one example: a forward, and a backward at the price of two."""


@dataclass
class Effort:
    """What is done and what is left.

    Attributes:
        done: Cells that are there.
        todo: Cells that are not.
        passes: Passes that training and predictions still need, a forward of one example being 1.
        attacked: Examples that are still to be attacked.
    """

    done: int = 0
    todo: int = 0
    passes: float = 0.0
    attacked: int = 0

    def add(self, cell: Cell, work: Workload) -> None:
        """Count a cell that is left."""
        self.todo += 1
        if cell.kind == "train":
            step, once = relative_cost(cell.row.method.cls.name) or (1.0, 0.0)
            epochs = work.suite.recipe.epochs
            self.passes += VANILLA * (step * epochs + once) * len(work.splits.train)
            self.passes += epochs * len(work.splits.validation)
        elif cell.kind == "predict":
            self.passes += len(work.splits.validation if cell.subject == VALIDATION else work.probes[cell.subject])
        elif cell.kind == "attack":
            self.attacked += len(work.attacked[cell.subject])


def effort(rows: Sequence[Row], work: Workload, store: Store) -> Effort:
    """Count what is done and left of some rows."""
    found = Effort()
    for row in rows:
        for cell in cells_of(row, work, store):
            if state_of(cell, store) == "done":
                found.done += 1
            else:
                found.add(cell, work)
    return found


def relative_cost(method: str) -> tuple[float, float] | None:
    """What a step of a method costs over vanilla's, and what comes before the first step, in epochs of vanilla.

    For a composition, the product of its members' steps, which is never too little; None where one was not counted.
    """
    costs: list[Cost] = []
    for member in method.split("+"):
        cost = Costs.beside(registered()[member]).methods.get(member)
        if cost is None:
            return None
        costs.append(cost)
    step, once = 1.0, 0.0
    for cost in costs:
        step, once = step * over_vanilla(cost.step), once + over_vanilla(cost.once)
    return step, once
