"""Jobs of a reproduction: suites, cut down where asked, and the methods of the table's rows on each."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.data import Dataset, DataSpec, load
from benchmark.data.spec import source_rows
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import Row
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbone_check import require_supported
from benchmark.models.backbones import Backbone
from benchmark.reproduction.paper import Reproduction, RowSpec
from benchmark.schema import card_fingerprint, read_suite_card
from benchmark.schema.errors import UnavailableError
from benchmark.suites import Attack, EvaluationTask, SplitSpec, Suite, load_suite, training_splits


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


@dataclass(frozen=True, slots=True)
class CutSuite:
    """A modified suite, with notes about its data for the reader."""

    suite: Suite
    notes: tuple[str, ...] = ()


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
    folder = results / work.suite.full_name
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
        by_rate.setdefault(rate or base.recipe.learning_rate, {})[row.label] = _configured(method)
    for rate, methods in by_rate.items():
        yield _job(with_rate(base, rate), rate, methods, base, shared)


def _configured(method: str) -> ConfiguredMethod:
    request = MethodRequest.parse(method)
    request.require_known()
    return configure(request)


def _job(suite: Suite, rate: float, methods: Mapping[str, ConfiguredMethod], base: Suite, shared: _Plan) -> Job:
    data = shared.data(base)
    if isinstance(data, str) or isinstance(shared.backbone, str):
        return Job(base, suite, None, None, methods, shared.seeds, reason=str(data))
    require_supported(shared.backbone, len(base.training.classes), base.training.max_length)
    small, work = data
    suite = with_rate(small.suite, rate)
    return Job(base, suite, replace(work, suite=suite), shared.backbone, methods, shared.seeds, notes=small.notes)


def with_rate(suite: Suite, learning_rate: float | None) -> Suite:
    """Return the suite with another learning rate and name, or the suite itself if it has that rate."""
    if learning_rate is None or learning_rate == suite.recipe.learning_rate:
        return suite
    name = f"{suite.name}-lr-{learning_rate:g}".replace(".", "-")
    recipe = replace(suite.recipe, learning_rate=learning_rate)
    return replace(suite, name=name, ranked=False, recipe=recipe)


def without_attacks(suite: Suite, wanted: Collection[str]) -> Suite:
    """Return the suite with another name and without the attacks that no column shows, or the suite itself.

    Evaluation tasks are kept: predictions are cheap, and OOD texts are compared with those of another task.
    """
    kept = tuple(attack for attack in suite.attacks if attack.id in wanted)
    if len(kept) == len(suite.attacks):
        return suite
    dropped = "-".join(attack.id for attack in suite.attacks if attack.id not in wanted)
    return replace(suite, name=f"{suite.name}-without-{dropped}", ranked=False, attacks=kept)


def cut(suite: Suite, limit: int | None) -> CutSuite:
    """Keep at most `limit` examples of the training part and of each task, and the same share of attacked examples.

    A Hub data set that lacks rows on this machine is used with a note, since the result is a sample anyway. A task
    without data stays as declared, and is reported as unavailable.

    Raises:
        UnavailableError: the training data is not on this machine.
        IntegrityError: data is damaged.
    """
    if limit is None:
        return CutSuite(suite)
    data = suite.training.data
    training = replace(suite.training, data=_open(data), split=_cut_split(suite.training.split, limit))
    small = replace(suite, name=f"{suite.name}-limit-{limit}", ranked=False, training=training)
    splits = training_splits(small)
    notes = _partial(data, "training")
    tasks = [_cut_task(task, small, limit, splits.test, notes) for task in suite.tasks]
    rows = {task.id: (task.rows, new.rows) for task, new in zip(suite.tasks, tasks, strict=True)}
    attacks = tuple(_cut_attack(attack, *rows[attack.on]) for attack in suite.attacks)
    return CutSuite(replace(small, tasks=tuple(tasks), attacks=attacks), tuple(notes))


def _open(data: DataSpec) -> DataSpec:
    """Remove the declared row count and hash of a Hub data set; a pinned resource always matches them."""
    return replace(data, rows=None, content_hash=None) if data.origin.can_be_partial else data


def _cut_split(split: SplitSpec, limit: int) -> SplitSpec:
    def smaller(own: int | None) -> int:
        return min(limit, own or limit)

    return replace(
        split,
        test_data=None if split.test_data is None else _open(split.test_data),
        train_limit=smaller(split.train_limit),
        validation_limit=smaller(split.validation_limit),
        test_limit=None if not split.test and split.test_data is None else smaller(split.test_limit),
        train_rows=None,
        validation_rows=None,
        test_rows=None,
    )


def _cut_task(task: EvaluationTask, suite: Suite, limit: int, test: Dataset, notes: list[str]) -> EvaluationTask:
    if task.data is None:
        return replace(task, rows=len(test))
    data = replace(_open(task.data), limit=min(limit, task.data.limit or limit), content_hash=None)
    try:
        dataset = load(data, name=task.id, classes=suite.training.classes, base=suite.path.parent)
    except UnavailableError:
        return replace(task, rows=min(limit, task.rows))
    notes += _partial(task.data, task.id)
    return replace(task, data=data, rows=len(dataset))


def _cut_attack(attack: Attack, declared: int, kept: int) -> Attack:
    return replace(attack, subset=max(1, min(kept, attack.subset * kept // declared)))


def _partial(declared: DataSpec, name: str) -> list[str]:
    """Return a note if the rows of a Hub data set differ from the declared ones."""
    if declared.rows is None or not declared.origin.can_be_partial:
        return []
    rows = sum(1 for _ in source_rows(declared))
    if rows == declared.rows:
        return []
    return [f"{name}: {rows:,} rows of {declared.place} are here, but the suite declares {declared.rows:,}."]
