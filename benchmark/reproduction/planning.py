"""What a reproduction is going to run: suites as they are run, rows, and what is done of them already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmark.data import Dataset
from benchmark.execution.cells import Cell, Row, cells_of
from benchmark.execution.costs import Cost, Costs, over_vanilla
from benchmark.execution.explaining import state_of
from benchmark.execution.registry import MethodRequest, configure, registered
from benchmark.execution.store import Store
from benchmark.execution.workload import VALIDATION, Workload, materialise
from benchmark.models.backbones import Backbone
from benchmark.reproduction.cutting import CutSuite, cut, with_rate
from benchmark.reproduction.spec import Reproduction, RowSpec
from benchmark.schema.errors import UnavailableError
from benchmark.suites import Suite, load_suite

VANILLA = 3
"""Passes of a vanilla step over one example: a forward, and a backward at the price of two."""


@dataclass(frozen=True)
class Job:
    """One suite as it is run, with the rows that are run on it; or why it is not.

    Attributes:
        base: The packaged suite.
        work: Its data; None where the training data is not here.
        rows: By the label of the paper's row, one a seed.
        reason: Why nothing can be run; empty where it can.
        notes: What a reader must know about its data.
    """

    base: Suite
    suite: Suite
    work: Workload | None
    rows: Mapping[str, Sequence[Row]]
    reason: str = ""
    notes: tuple[str, ...] = ()

    def all_rows(self) -> list[Row]:
        """Every row, seeds in the outer loop: a table of one seed is whole before the next begins."""
        return [row for by_seed in zip(*self.rows.values(), strict=True) for row in by_seed]


@dataclass
class Effort:
    """What is to be done of one row of the table on one suite, over its seeds.

    Attributes:
        done: Cells that are there.
        todo: Cells that are not.
        training: Passes over training examples that are left, a forward of one example being 1.
        prediction: The same for predictions.
        attacked: Examples that are left to attack.
    """

    done: int = 0
    todo: int = 0
    training: float = 0.0
    prediction: float = 0.0
    attacked: int = 0


@dataclass(frozen=True)
class _Run:
    """What all jobs of a plan share."""

    backbone: Backbone
    seeds: int
    limit: int | None
    cuts: dict[str, CutSuite | str] = field(default_factory=dict)
    works: dict[str, Workload | str] = field(default_factory=dict)


def plan(read: Reproduction, backbone: Backbone, seeds: int, limit: int | None) -> list[Job]:
    """Read the data of a table's suites and settle its methods.

    Raises:
        UsageError: a suite, method or hyper-parameter does not exist.
        IntegrityError: data is damaged.
    """
    run = _Run(backbone, seeds, limit)
    return [job for name in read.suites for job in _jobs(load_suite(name), read.rows, run)]


def effort(rows: Sequence[Row], work: Workload, store: Store) -> Effort:
    """Count what is left to do of one method's rows, without computing anything."""
    found = Effort()
    for row in rows:
        for cell in cells_of(row, work, store):
            if state_of(cell, store) == "done":
                found.done += 1
            else:
                found.todo += 1
                _add(found, cell, work)
    return found


def relative_cost(name: str) -> Cost | None:
    """What was counted for a method; for a composition the product of its members' steps; None where one is missing."""
    known = [Costs.beside(registered()[member]).methods.get(member) for member in name.split("+")]
    if len(known) == 1 or None in known:
        return known[0] if len(known) == 1 else None
    costs = [cost for cost in known if cost is not None]
    step, once = 1.0, 0.0
    for cost in costs:
        step, once = step * over_vanilla(cost.step), once + over_vanilla(cost.once)
    return Cost({"forward": VANILLA * step}, {"forward": VANILLA * once})


def _add(found: Effort, cell: Cell, work: Workload) -> None:
    if cell.kind == "train":
        cost = relative_cost(cell.row.method.cls.name)
        step, once = (1.0, 0.0) if cost is None else (over_vanilla(cost.step), over_vanilla(cost.once))
        epochs = work.suite.recipe.epochs
        found.training += VANILLA * (step * epochs + once) * len(work.splits.train)
        found.prediction += epochs * len(work.splits.validation)
    elif cell.kind == "predict":
        found.prediction += len(_data(cell, work))
    elif cell.kind == "attack":
        found.attacked += len(work.attacked[cell.subject])


def _data(cell: Cell, work: Workload) -> Dataset:
    return work.splits.validation if cell.subject == VALIDATION else work.probes[cell.subject]


def _jobs(base: Suite, specs: Sequence[RowSpec], run: _Run) -> Iterator[Job]:
    """A packaged suite as often as it is run: once a learning rate."""
    by_rate: dict[float | None, dict[str, str]] = {}
    for spec in specs:
        method, rate = spec.on(base.name, run.backbone.name)
        by_rate.setdefault(rate if rate != base.recipe.learning_rate else None, {})[spec.label] = method
    for rate, methods in by_rate.items():
        rows = {label: _rows(method, base, run) for label, method in methods.items()}
        yield _job(base, rate, rows, run)


def _rows(method: str, base: Suite, run: _Run) -> list[Row]:
    request = MethodRequest.parse(method)
    request.require_known()
    configured = configure(request, request.overrides_of(base.hyperparameters))
    return [Row(configured, run.backbone, seed) for seed in range(run.seeds)]


def _job(base: Suite, rate: float | None, rows: Mapping[str, Sequence[Row]], run: _Run) -> Job:
    """Read the data once, whatever the learning rate."""
    if base.name not in run.works:
        try:
            small = cut(base, run.limit)
            run.cuts[base.name], run.works[base.name] = small, materialise(small.suite)
        except UnavailableError as error:
            run.works[base.name] = str(error)
    work, small_or = run.works[base.name], run.cuts.get(base.name)
    if isinstance(work, str) or not isinstance(small_or, CutSuite):
        return Job(base, with_rate(base, rate), None, rows, reason=str(work))
    suite = with_rate(small_or.suite, rate)
    return Job(base, suite, replace(work, suite=suite), rows, notes=small_or.notes)
