"""Jobs of a reproduction: the modified suites, and the methods of the table's rows on each."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.execution.cards import suite_card
from benchmark.execution.cells import Row
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbone_check import require_supported
from benchmark.models.backbones import Backbone
from benchmark.reproduction.paper import Reproduction, RowSpec
from benchmark.reproduction.subset import CutSuite, cut, with_rate, without_attacks
from benchmark.schema import card_fingerprint, read_suite_card
from benchmark.schema.errors import UnavailableError
from benchmark.suites import Suite, load_suite


@dataclass(frozen=True)
class Job:
    """A modified suite and the methods that run on it, or the reason why nothing can run.

    Attributes:
        base: The packaged suite.
        suite: The modified suite.
        work: Its data; None if nothing can run.
        backbone: None if it is not on this machine.
        methods: By the label of the paper's row.
        seeds: Number of seeds.
        reason: Why nothing can run; empty otherwise.
        notes: Notes about its data for the reader.
    """

    base: Suite
    suite: Suite
    work: Workload | None
    backbone: Backbone | None
    methods: Mapping[str, ConfiguredMethod]
    seeds: int
    reason: str = ""
    notes: tuple[str, ...] = ()

    def rows(self, label: str) -> list[Row]:
        """Return the runs of one row of the table, one per seed; empty if nothing can run."""
        if self.work is None or self.backbone is None:
            return []
        return [Row(self.methods[label], self.backbone, seed) for seed in range(self.seeds)]

    def all_rows(self) -> list[Row]:
        """Return all runs, with seeds in the outer loop, so that the table of a seed is complete before the next."""
        return [row for by_seed in zip(*map(self.rows, self.methods), strict=True) for row in by_seed]


@dataclass(frozen=True)
class _Plan:
    """Settings that all jobs share, and the data of the suites."""

    backbone: Backbone | str
    short_name: str
    seeds: int
    limit: int | None
    shown: frozenset[str]
    read: dict[str, tuple[CutSuite, Workload] | str] = field(default_factory=dict)

    def data(self, base: Suite) -> tuple[CutSuite, Workload] | str:
        """Read a suite's data once for all learning rates; return the reason if it is unavailable."""
        if isinstance(self.backbone, str):
            return self.backbone
        if base.name not in self.read:
            try:
                small = cut(without_attacks(base, self.shown), self.limit)
                self.read[base.name] = small, materialise(small.suite)
            except UnavailableError as error:
                self.read[base.name] = str(error)
        return self.read[base.name]


def plan(table: Reproduction, backbone: Backbone | str, short_name: str, seeds: int, limit: int | None) -> list[Job]:
    """Read the data of a table's suites and configure its methods.

    Args:
        table: rows and columns.
        backbone: the backbone, or the reason why it is unavailable.
        short_name: short name of the backbone.
        seeds: number of seeds.
        limit: maximum number of examples of training and of each task; None for all.

    Raises:
        UsageError: a suite, method or hyper-parameter does not exist, or the backbone cannot be used.
        IntegrityError: data is damaged.
    """
    shown = frozenset(task for column in table.columns for task in column.tasks)
    shared = _Plan(backbone, short_name, seeds, limit, shown)
    return [job for name in table.suites for job in _jobs(load_suite(name), table.rows, shared)]


def forget_other_state(results: Path, work: Workload) -> bool:
    """Remove a suite's records if its data has changed since; their artifacts are kept.

    Returns:
        Whether records were removed.
    """
    folder = results / f"{work.suite.name}@{work.suite.version}"
    card = folder / "suite.json"
    if not card.is_file() or card_fingerprint(read_suite_card(card)) == card_fingerprint(suite_card(work)):
        return False
    shutil.rmtree(folder)
    return True


def _jobs(base: Suite, rows: Sequence[RowSpec], shared: _Plan) -> Iterator[Job]:
    """Yield the jobs of a packaged suite, one per learning rate."""
    by_rate: dict[float, dict[str, ConfiguredMethod]] = {}
    for row in rows:
        method, rate = row.on(base.name, shared.short_name)
        by_rate.setdefault(rate or base.recipe.learning_rate, {})[row.label] = _configured(method, base)
    for rate, methods in by_rate.items():
        yield _job(with_rate(base, rate), rate, methods, base, shared)


def _configured(method: str, base: Suite) -> ConfiguredMethod:
    request = MethodRequest.parse(method)
    request.require_known()
    return configure(request, request.overrides_of(base.hyperparameters))


def _job(suite: Suite, rate: float, methods: Mapping[str, ConfiguredMethod], base: Suite, shared: _Plan) -> Job:
    data = shared.data(base)
    if isinstance(data, str) or isinstance(shared.backbone, str):
        return Job(base, suite, None, None, methods, shared.seeds, reason=str(data))
    require_supported(shared.backbone, len(base.training.classes), base.training.max_length)
    small, work = data
    suite = with_rate(small.suite, rate)
    return Job(base, suite, replace(work, suite=suite), shared.backbone, methods, shared.seeds, notes=small.notes)
