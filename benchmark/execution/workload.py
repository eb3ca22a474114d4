"""A suite with its data read: what all rows of a run share."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.data import Dataset, Overlap, Splits, TrainingIndex
from benchmark.suites import Suite, attack_subset, probe_dataset, training_splits

VALIDATION = "validation"
"""Name under which the predictions on the carved validation split are kept; no probe may be called so."""


@dataclass(frozen=True)
class Workload:
    """Everything of a suite that does not depend on a method.

    Attributes:
        splits: Training, validation and test parts of the training task.
        probes: Examples of each probe by its id.
        attacked: The examples that each attack starts from, by the attack's id.
    """

    suite: Suite
    splits: Splits
    probes: Mapping[str, Dataset]
    attacked: Mapping[str, Dataset]

    @property
    def in_distribution(self) -> str:
        """Id of the probe that foreign texts are told apart from."""
        return next(p.id for p in self.suite.probes if p.perspective == "in-distribution")

    def overlaps(self) -> dict[str, Overlap]:
        """How much of each probe is in the training set."""
        index = TrainingIndex(self.splits.train)
        return {probe: index.overlap(data) for probe, data in self.probes.items()}


def materialise(suite: Suite) -> Workload:
    """Read all data of a suite.

    Raises:
        UnavailableError: a part is not on this machine; the message says how to get it.
    """
    splits = training_splits(suite)
    probes = {probe.id: probe_dataset(suite, probe, splits) for probe in suite.probes}
    attacked = {attack.id: attack_subset(suite, attack, probes[attack.on]) for attack in suite.attacks}
    return Workload(suite, splits, probes, attacked)
