"""Check the rules between the tables of a suite file; the rules within a table are in `config`."""

from collections.abc import Iterator, Sequence
from itertools import chain

from benchmark.evaluation.default_metrics import repeated
from benchmark.schema.errors import nearest
from benchmark.schema.record import UNSCORED
from benchmark.suites.config import Problem, Suite, has_test

RESERVED_IDS = ("validation",)
"""Names that an evaluation task or attack may not have: results on the validation part are kept under them."""


_OTHER_TEXTS = ("anomaly", "retention")
"""Perspectives whose texts may be single where training has pairs, and the other way round."""


def check_suite(suite: Suite) -> Iterator[Problem]:
    """Check the rules between the tables of a suite."""
    return chain(_check_training(suite), _check_ids(suite), _check_tasks(suite), _check_attacks(suite))


def _check_training(suite: Suite) -> Iterator[Problem]:
    data, split = suite.training.data, suite.training.split
    for name in repeated(suite.training.classes):
        yield "training.classes", f"{name!r} is a duplicate; give every class its own name."
    if data.label is None:
        yield "training.data.label", "missing; training needs labels."
    if split.test_data is not None and split.test_data.label is None:
        yield "training.split.test_data.label", "missing; the test part needs labels."
    if split.by == "group" and data.group is None:
        yield "training.data.group", "missing; split by 'group' needs the column that holds the group."
    for part in ("train_rows", "validation_rows") if suite.ranked else ():
        if getattr(split, part) is None:
            yield f"training.split.{part}", "missing; a ranked suite declares how many examples a part holds."


def _check_ids(suite: Suite) -> Iterator[Problem]:
    tasks, attacks = [task.id for task in suite.tasks], [attack.id for attack in suite.attacks]
    for kind, names in (("tasks", tasks), ("attacks", attacks)):
        for name in set(names) & set(RESERVED_IDS):
            yield f"{kind}[{name}].id", f"{name!r} is the name of the validation part; choose another."
    for name in repeated([*tasks, *attacks]):
        where = f"{'tasks' if name in tasks else 'attacks'}[{name}].id"
        yield where, f"{name!r} names more than one task or attack; rename all but one."


def _check_tasks(suite: Suite) -> Iterator[Problem]:
    texts = len(suite.training.data.text)
    if all(task.perspective in UNSCORED for task in suite.tasks):
        yield "tasks", "none enters a score; add one that is neither a masking check nor a retention task."
    for task in suite.tasks:
        where = f"tasks[{task.id}]"
        if task.data is None and not has_test(suite.training.split):
            yield f"{where}.data", "missing; the training task has no test part to take (see training.split.test)."
        if task.data is not None and task.perspective not in _OTHER_TEXTS and len(task.data.text) != texts:
            yield (
                f"{where}.data.text",
                f"names {len(task.data.text)} columns, the training task {texts}; name as many.",
            )
        for sentence in _merge_mistakes(task.merge, suite.training.classes):
            yield f"{where}.merge", sentence
        if task.perspective == "anomaly" and all(other.perspective != "in-distribution" for other in suite.tasks):
            yield where, "an anomaly task is compared with an in-distribution task, and there is none; add one."


def _merge_mistakes(merge: Sequence[int] | None, classes: Sequence[str]) -> Iterator[str]:
    if merge is None:
        return
    if len(merge) != len(classes):
        yield f"has {len(merge)} entries for the {len(classes)} classes of the task; give one for each."
    elif set(merge) != set(range(max(merge) + 1)) or len(set(merge)) < 2:
        yield "must number at least two scored classes from 0 without gaps, such as [0, 1, 1]."


def _check_attacks(suite: Suite) -> Iterator[Problem]:
    tasks = {task.id: task for task in suite.tasks}
    for attack in suite.attacks:
        where, task = f"attacks[{attack.id}]", tasks.get(attack.on)
        if task is None:
            yield f"{where}.on", f"there is no task {attack.on!r}. {nearest(attack.on, tasks)}"
            continue
        if task.perspective == "anomaly":
            yield f"{where}.on", f"task {attack.on!r} has no labels; attack a labelled one."
        if task.perspective in UNSCORED:
            yield f"{where}.on", f"task {attack.on!r} enters no score; attack one that scores."
        if task.merge is not None:
            yield f"{where}.on", f"task {attack.on!r} merges classes, which a search cannot; attack one that does not."
        if attack.subset > task.rows:
            yield f"{where}.subset", f"{attack.subset} is more than the {task.rows} rows of {attack.on!r}; lower it."
