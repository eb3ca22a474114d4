"""The data of a suite's parts, with every declared count checked."""

from dataclasses import replace

from benchmark.data import Dataset, Splits, limited, load, split
from benchmark.schema.errors import IntegrityError
from benchmark.suites.checks import has_test
from benchmark.suites.spec import Attack, Probe, Suite


def training_splits(suite: Suite) -> Splits:
    """Load the training task's parts: disjoint in text (and group), after limits, in canonical order.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
        IntegrityError: a part has another number of examples than the suite declares.
    """
    task, spec = suite.training, suite.training.split
    base = suite.path.parent
    whole = load(task.data, name=f"{suite.name}/training", classes=task.classes, base=base)
    parts = split(whole, by=spec.by, test=spec.test, validation=spec.validation)
    test = parts.test
    if spec.test_data is not None:
        test = load(spec.test_data, name=f"{suite.name}/training/test", classes=task.classes, base=base)
    parts = Splits(
        train=limited(parts.train, spec.train_limit),
        validation=limited(parts.validation, spec.validation_limit),
        test=limited(test, spec.test_limit),
    )
    _check_count(parts.train, spec.train_rows, "training.split.train_rows", suite)
    _check_count(parts.validation, spec.validation_rows, "training.split.validation_rows", suite)
    if has_test(spec):
        _check_count(parts.test, spec.test_rows, "training.split.test_rows", suite)
    return parts


def probe_dataset(suite: Suite, probe: Probe, splits: Splits | None = None) -> Dataset:
    """Load a probe's examples; labels are classes of the task, which scoring merges.

    Args:
        suite: Whose probe it is.
        probe: Which.
        splits: The training task's parts, where they are loaded already.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
        IntegrityError: it has another number of examples than the suite declares.
    """
    if probe.data is None:
        dataset = (splits or training_splits(suite)).test
    else:
        dataset = load(probe.data, name=probe.id, classes=suite.training.classes, base=suite.path.parent)
    _check_count(dataset, probe.rows, f"probes[{probe.id}].rows", suite)
    return replace(dataset, name=probe.id)


def attack_subset(suite: Suite, attack: Attack, attacked: Dataset | None = None) -> Dataset:
    """The examples that an attack works on: stratified by label, chosen by a hash of the text.

    Args:
        suite: Whose attack it is.
        attack: Which.
        attacked: The examples of the probe that it attacks, where they are loaded already.

    Raises:
        UnavailableError: the probe's data is not on this machine; the message says how to get it.
    """
    if attacked is None:
        attacked = probe_dataset(suite, next(probe for probe in suite.probes if probe.id == attack.on))
    return replace(limited(attacked, attack.subset), name=attack.id)


def _check_count(dataset: Dataset, declared: int | None, key: str, suite: Suite) -> None:
    if declared is None:
        if not len(dataset):
            raise IntegrityError(f"{suite.path.name}: {key}: {dataset.name} is empty; change the split's shares.")
        return
    if len(dataset) != declared:
        raise IntegrityError(
            f"{suite.path.name}: {key}: {dataset.name} has {len(dataset)} examples where {declared} are declared; "
            "get the declared version of the data, or declare the real number in a suite of your own."
        )
