"""Load the data of a suite's parts and check every declared count."""

from collections.abc import Iterator
from dataclasses import replace

from benchmark.attacks.suite_attack import Attack
from benchmark.data import Dataset, Splits, limited, load, split
from benchmark.data.text_normalisation import text_key
from benchmark.schema.errors import IntegrityError
from benchmark.suites.config import EvaluationTask, Suite, has_test


def training_splits(suite: Suite) -> Splits:
    """Load the training task's parts: disjoint in text (and group), after limits, in canonical order.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
        IntegrityError: a part has another number of examples than the suite declares.
    """
    task, spec = suite.training, suite.training.split
    base = suite.path.parent
    whole = load(task.data, name=f"{suite.name}/training", classes=task.classes, base=base)
    test = None
    if spec.test_data is not None:
        test = load(spec.test_data, name=f"{suite.name}/training/test", classes=task.classes, base=base)
    parts = divided(suite, whole, test)
    for dataset, declared, key in declared_counts(suite, parts):
        check_count(dataset, declared, key, suite)
    return parts


def divided(suite: Suite, whole: Dataset, test: Dataset | None) -> Splits:
    """Split loaded training data into parts and apply limits; `test` is the official test part, if there is one.

    Raises:
        TemperError: two parts share a text, or an example has no group.
    """
    spec = suite.training.split
    parts = split(whole, by=spec.by, test=spec.test, validation=spec.validation)
    return Splits(
        train=limited(parts.train, spec.train_limit),
        validation=limited(parts.validation, spec.validation_limit),
        test=limited(parts.test if test is None else test, spec.test_limit),
    )


def declared_counts(suite: Suite, parts: Splits) -> Iterator[tuple[Dataset, int | None, str]]:
    """Yield the parts of a training task with their declared sizes and the keys that declare them."""
    spec = suite.training.split
    yield parts.train, spec.train_rows, "training.split.train_rows"
    yield parts.validation, spec.validation_rows, "training.split.validation_rows"
    if has_test(spec):
        yield parts.test, spec.test_rows, "training.split.test_rows"


def task_dataset(suite: Suite, task: EvaluationTask, splits: Splits | None = None) -> Dataset:
    """Load an evaluation task's examples. Labels are classes of the training task, which scoring merges.

    Args:
        suite: The suite.
        task: The evaluation task.
        splits: The training task's parts, if they are loaded already.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
        IntegrityError: it has another number of examples than the suite declares.
    """
    if splits is None and (task.data is None or task.exclude_training):
        splits = training_splits(suite)
    seen = training_keys(splits) if splits is not None and task.exclude_training else frozenset()
    if task.data is not None:
        classes, base = suite.training.classes, suite.path.parent
        dataset = load(task.data, name=task.id, classes=classes, base=base, exclude=seen)
    else:
        dataset = without(splits.test, seen) if splits is not None else training_splits(suite).test
    check_count(dataset, task.rows, f"tasks[{task.id}].rows", suite)
    return replace(dataset, name=task.id)


def training_keys(splits: Splits) -> frozenset[str]:
    """Return the text keys of everything that training sees: the training and the validation part."""
    return frozenset(text_key(example.texts) for part in (splits.train, splits.validation) for example in part.examples)


def without(dataset: Dataset, keys: frozenset[str]) -> Dataset:
    """Return the data set without the examples whose text key is one of `keys`."""
    kept = tuple(example for example in dataset.examples if text_key(example.texts) not in keys)
    return replace(dataset, examples=kept)


def attack_subset(suite: Suite, attack: Attack, attacked: Dataset | None = None) -> Dataset:
    """Select the examples for an attack: stratified by label, chosen by a hash of the text.

    Args:
        suite: The suite.
        attack: The attack.
        attacked: The examples of the attacked evaluation task, if they are loaded already.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
    """
    if attacked is None:
        attacked = task_dataset(suite, next(task for task in suite.tasks if task.id == attack.on))
    return replace(limited(attacked, attack.subset), name=attack.id)


def check_count(dataset: Dataset, declared: int | None, key: str, suite: Suite) -> None:
    """Refuse a part whose size differs from the declared one, or an empty part without a declared size.

    Raises:
        IntegrityError: the size is wrong; the message has file, key and both numbers.
    """
    if sentence := count_problem(dataset, declared):
        raise IntegrityError(f"{suite.path.name}: {key}: {sentence}")


def count_problem(dataset: Dataset, declared: int | None) -> str:
    """Describe the problem with a part's size; empty if there is none."""
    if declared is None:
        return "" if len(dataset) else f"{dataset.name} is empty; change the split's shares."
    if len(dataset) == declared:
        return ""
    return (
        f"{dataset.name} has {len(dataset)} examples where {declared} are declared; "
        "get the declared version of the data, or declare the real number in a suite of your own."
    )
