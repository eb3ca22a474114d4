"""Suites that are run in a reproduction and are not the packaged one: cut down, or with a paper's learning rate.

They have names of their own, so that their records never stand among those of the packaged suite.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from benchmark.data import Dataset, DataSpec, load
from benchmark.data.sources import source_rows
from benchmark.schema.errors import UnavailableError
from benchmark.suites import Attack, Probe, SplitSpec, Suite, training_splits


@dataclass(frozen=True, slots=True)
class CutSuite:
    """A suite as it is run, with a sentence for everything that a reader must know about its data."""

    suite: Suite
    notes: tuple[str, ...] = ()


def with_rate(suite: Suite, learning_rate: float | None) -> Suite:
    """The suite with another learning rate, under another name; itself where it has that rate already."""
    if learning_rate is None or learning_rate == suite.recipe.learning_rate:
        return suite
    name = f"{suite.name}-lr-{learning_rate:g}".replace(".", "-")
    recipe = replace(suite.recipe, learning_rate=learning_rate)
    return replace(suite, name=name, ranked=False, recipe=recipe)


def without_attacks(suite: Suite, wanted: Collection[str]) -> Suite:
    """The suite without the attacks that no column shows, under another name; itself where all are wanted.

    Probes stay: a prediction costs little, and foreign texts are told apart from one of them.
    """
    kept = tuple(attack for attack in suite.attacks if attack.id in wanted)
    if len(kept) == len(suite.attacks):
        return suite
    dropped = "-".join(attack.id for attack in suite.attacks if attack.id not in wanted)
    return replace(suite, name=f"{suite.name}-without-{dropped}", ranked=False, attacks=kept)


def cut(suite: Suite, limit: int | None) -> CutSuite:
    """Keep at most `limit` examples of the training part and of each probe, and as large a share of attacked ones.

    A Hub data set that lacks rows on this machine is taken as it is, and a note says so: the result is a sample either
    way. Where a probe's data is absent altogether the probe stays as declared, to be told as unavailable.

    Raises:
        UnavailableError: the training data is not on this machine.
        IntegrityError: data is damaged.
    """
    if limit is None:
        return CutSuite(suite)
    task = suite.training
    training = replace(task, data=_open(task.data), split=_cut_split(task.split, limit))
    small = replace(suite, name=f"{suite.name}-limit-{limit}", ranked=False, training=training)
    splits = training_splits(small)
    notes = _partial(task.data, "training")
    probes = [_cut_probe(probe, small, limit, splits.test, notes) for probe in suite.probes]
    rows = {probe.id: (probe.rows, new.rows) for probe, new in zip(suite.probes, probes, strict=True)}
    attacks = tuple(_cut_attack(attack, *rows[attack.on]) for attack in suite.attacks)
    return CutSuite(replace(small, probes=tuple(probes), attacks=attacks), tuple(notes))


def _open(data: DataSpec) -> DataSpec:
    """Declare no count and no content of a Hub data set; what a pinned resource holds is as declared anyway."""
    return replace(data, rows=None, content_hash=None) if data.source in ("hub", "mirror") else data


def _cut_split(split: SplitSpec, limit: int) -> SplitSpec:
    def least(own: int | None) -> int:
        return min(limit, own or limit)

    return replace(
        split,
        test_data=None if split.test_data is None else _open(split.test_data),
        train_limit=least(split.train_limit),
        validation_limit=least(split.validation_limit),
        test_limit=None if not split.test and split.test_data is None else least(split.test_limit),
        train_rows=None,
        validation_rows=None,
        test_rows=None,
    )


def _cut_probe(probe: Probe, suite: Suite, limit: int, test: Dataset, notes: list[str]) -> Probe:
    if probe.data is None:
        return replace(probe, rows=len(test))
    data = replace(_open(probe.data), limit=min(limit, probe.data.limit or limit), content_hash=None)
    try:
        found = load(data, name=probe.id, classes=suite.training.classes, base=suite.path.parent)
    except UnavailableError:
        return replace(probe, rows=min(limit, probe.rows))
    notes += _partial(probe.data, probe.id)
    return replace(probe, data=data, rows=len(found))


def _cut_attack(attack: Attack, declared: int, kept: int) -> Attack:
    return replace(attack, subset=max(1, min(kept, attack.subset * kept // declared)))


def _partial(declared: DataSpec, name: str) -> list[str]:
    """A sentence about a Hub data set that has other rows here than are declared."""
    if declared.rows is None or declared.source not in ("hub", "mirror"):
        return []
    rows = sum(1 for _ in source_rows(declared))
    if rows == declared.rows:
        return []
    return [f"{name}: {rows:,} rows of {declared.place} are here, where the suite declares {declared.rows:,}."]
