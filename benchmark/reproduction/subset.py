"""Modified suites of a reproduction: smaller, without some attacks, or with a paper's learning rate.

A modified suite has another name, so its records are never mixed with those of the packaged suite.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from benchmark.data import Dataset, DataSpec, load
from benchmark.data.spec import source_rows
from benchmark.schema.errors import UnavailableError
from benchmark.suites import Attack, EvaluationTask, SplitSpec, Suite, training_splits


@dataclass(frozen=True, slots=True)
class CutSuite:
    """A modified suite, with notes about its data for the reader."""

    suite: Suite
    notes: tuple[str, ...] = ()


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
