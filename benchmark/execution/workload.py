"""A suite with its data, shared by all rows of a run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from benchmark.data import Dataset, Overlap, Splits, TrainingIndex, missing_reason
from benchmark.schema import MASKING, RETENTION, UnavailableError, UsageError
from benchmark.schema.protocol import SELECT_ON_REPORTED
from benchmark.suites import Attack, EvaluationTask, Suite, attack_subset, task_dataset, training_splits

VALIDATION = "validation"
"""Name under which the predictions on the validation split are kept; an evaluation task may not have this name."""

TRAINING_PART = "training part"
"""Name under which the features of the training split are kept; no evaluation task has a name with a space."""

BEFORE = " before training"
"""Follows the name of a retention task where the features are those of the pre-trained encoder."""


@dataclass(frozen=True)
class Absence:
    """The reason why an evaluation task or an attack cannot be measured here.

    Attributes:
        reason: The missing part and how to get it, for records; the same on every machine.
        here: The error message on this machine.
    """

    reason: str
    here: str


@dataclass(frozen=True)
class Workload:
    """The data of a suite, which does not depend on a method.

    Attributes:
        splits: Training, validation and test parts of the training task.
        tasks: Examples of each evaluation task that can be measured here, by its id.
        attacked: Examples of each attack that can be run here, by the attack's id.
        missing: Why the others cannot be measured, by the id of the evaluation task or attack.
    """

    suite: Suite
    splits: Splits
    tasks: Mapping[str, Dataset]
    attacked: Mapping[str, Dataset]
    missing: Mapping[str, Absence] = field(default_factory=dict)

    @property
    def in_distribution(self) -> str:
        """Return the id of the in-distribution task that OOD data is compared with."""
        return in_distribution(self.suite).id

    @property
    def inspected(self) -> frozenset[str]:
        """Return the ids of the gradient-masking checks, whose examples are inspected and not only predicted."""
        return frozenset(task.id for task in self.suite.tasks if task.perspective == MASKING)

    @property
    def retained(self) -> tuple[str, ...]:
        """Return the ids of the retention tasks that can be measured here, whose features are probed."""
        return tuple(t.id for t in self.suite.tasks if t.perspective == RETENTION and t.id not in self.missing)

    def selection(self, protocol: Collection[str]) -> Dataset:
        """Return the examples on which the best epoch is chosen.

        Raises:
            UsageError: the option asks for an evaluation task whose data is missing here.
        """
        if SELECT_ON_REPORTED not in protocol:
            return self.splits.validation
        reported = next((p.id for p in self.suite.tasks if p.perspective == "in-distribution"), "")
        if reported not in self.tasks:
            raise UsageError(
                f"--protocol {SELECT_ON_REPORTED} chooses epochs on an in-distribution task, and the data of "
                f"{reported or 'none'} is not here; leave the option out, or get the data."
            )
        return self.tasks[reported]

    def attack(self, subject: str) -> Attack:
        """Return the attack with an id."""
        return next(attack for attack in self.suite.attacks if attack.id == subject)

    def examples(self, subject: str) -> Dataset:
        """Return the examples of an evaluation task that can be measured here, or of the part of that name."""
        known = {VALIDATION: self.splits.validation, TRAINING_PART: self.splits.train, **self.tasks}
        return known[subject.removesuffix(BEFORE)]

    def content_hash(self, subject: str) -> str:
        """Return the hash of the examples of an evaluation task or attack that can be measured here."""
        return {**self.tasks, **self.attacked}[subject].content_hash

    def excluded(self) -> dict[str, int]:
        """Count the examples that each evaluation task drops because training has seen their text."""
        counts = {}
        for task in self.suite.tasks:
            if task.exclude_training and (data := self.tasks.get(task.id)) is not None:
                in_test = len(self.splits.test) - len(data)
                counts[task.id] = in_test if data.report is None or task.data is None else data.report.excluded
        return counts

    def overlaps(self) -> dict[str, Overlap]:
        """Count how many examples of each evaluation task are in the training set."""
        index = TrainingIndex(self.splits.train)
        return {task: index.overlap(data) for task, data in self.tasks.items()}


def in_distribution(suite: Suite) -> EvaluationTask:
    """Return the in-distribution task, which OOD data is compared with."""
    return next(task for task in suite.tasks if task.perspective == "in-distribution")


def materialise(suite: Suite) -> Workload:
    """Read all data of a suite; an evaluation task whose data is unavailable is left out with the reason.

    Raises:
        UnavailableError: training data, or a file of the suite's own, is not on this machine; the message says how to
            get it.
        IntegrityError: data does not match what the suite declares.
    """
    splits = training_splits(suite)
    missing: dict[str, Absence] = {}
    tasks: dict[str, Dataset] = {}
    for task in suite.tasks:
        data = _data_of(task, suite, splits)
        if isinstance(data, Absence):
            missing[task.id] = data
        else:
            tasks[task.id] = data
    missing |= _waiting(suite, missing)
    attacked = {a.id: attack_subset(suite, a, tasks[a.on]) for a in suite.attacks if a.id not in missing}
    return Workload(suite, splits, {k: v for k, v in tasks.items() if k not in missing}, attacked, missing)


def _data_of(task: EvaluationTask, suite: Suite, splits: Splits) -> Dataset | Absence:
    try:
        return task_dataset(suite, task, splits)
    except UnavailableError as error:
        # A file is part of the suite. If it is missing, the suite is incomplete or its path is wrong.
        if task.data is None or task.data.origin.part_of_suite:
            raise
        return Absence(missing_reason(task.data), str(error))


def _waiting(suite: Suite, missing: Mapping[str, Absence]) -> dict[str, Absence]:
    """Return what needs a missing evaluation task: attacks on it, and OOD data that is compared with it."""
    needs = {attack.id: attack.on for attack in suite.attacks}
    for task in suite.tasks:
        if task.perspective == "anomaly" and task.id not in missing:
            needs[task.id] = in_distribution(suite).id
    waiting = {id_: (other, missing[other]) for id_, other in needs.items() if other in missing}
    return {id_: Absence(f"It needs {other}. {a.reason}", f"it needs {other}") for id_, (other, a) in waiting.items()}
