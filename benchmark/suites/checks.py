"""What must hold between the keys of a suite file, beyond the type and range of each."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from benchmark.data.spec import DataSpec, LabelSpec, Thresholds
from benchmark.schema.errors import nearest
from benchmark.suites.convert import Converter, Missing, Problem, Problems
from benchmark.suites.data_checks import check_data, check_label, check_thresholds
from benchmark.suites.recipes import RECIPES
from benchmark.suites.spec import Attack, Probe, SplitSpec, Suite
from benchmark.suites.vocabulary import ATTACK_METRICS, PROBE_METRICS, RESERVED_IDS


def check_suite(suite: Suite) -> Iterator[Problem]:
    """What must hold between the parts of a suite."""
    return chain(_check_training(suite), _check_ids(suite), _check_probes(suite), _check_attacks(suite))


def _check_split(split: SplitSpec) -> Iterator[Problem]:
    if split.test_data is not None and split.test:
        yield "test", "must be 0 where `test_data` names the test part; remove one of the two."
    if split.test + split.validation > 0.95:
        yield "test", f"with validation = {split.validation:g} leaves less than 5 % for training; lower it."
    for part in ("train", "validation", "test"):
        rows, limit = getattr(split, f"{part}_rows"), getattr(split, f"{part}_limit")
        if part == "test" and not has_test(split) and (rows or limit):
            yield "test_limit" if limit else "test_rows", "there is no test part; give `test` or `test_data`."
        elif rows and limit and rows > limit:
            yield f"{part}_rows", f"{rows} is more than {part}_limit = {limit}; correct one of the two."


def has_test(split: SplitSpec) -> bool:
    """Whether the training task has a test part."""
    return split.test > 0 or split.test_data is not None


def _check_probe(probe: Probe) -> Iterator[Problem]:
    anomaly = probe.perspective == "anomaly"
    if probe.data is None and probe.perspective != "in-distribution":
        yield "data", "missing; only an in-distribution probe may take the test part of the training task."
    if probe.data is not None and anomaly and probe.data.label is not None:
        yield "data.label", "an anomaly probe has no labels; remove it."
    if probe.data is not None and not anomaly and probe.data.label is None:
        yield "data.label", f"missing; a probe of perspective {probe.perspective!r} needs labels."
    if probe.data is not None and probe.data.limit is not None and probe.rows > probe.data.limit:
        yield "rows", f"{probe.rows} is more than data.limit = {probe.data.limit}; correct one of the two."
    if anomaly and probe.merge is not None:
        yield "merge", "an anomaly probe has no classes to merge; remove it."
    if probe.perspective == "masking" and probe.merge is not None:
        yield "merge", "a masking check takes the task's classes as they are; remove it."
    yield from _check_metrics(probe.metrics, PROBE_METRICS[probe.perspective], probe.perspective)


def _check_metrics(metrics: Sequence[str], reported: Sequence[str], kind: str) -> Iterator[Problem]:
    """Look names up that are not among the metrics reported by default; only those need the registry."""
    if newer := [metric for metric in dict.fromkeys(metrics) if metric not in reported]:
        from benchmark.evaluation.metrics import METRICS, metrics_for

        fitting = metrics_for(kind)
        for metric in newer:
            if metric not in METRICS:
                yield "metrics", f"unknown metric {metric!r}. {nearest(metric, fitting)}"
            elif metric not in fitting:
                what = "an attack" if kind == "attack" else f"perspective {kind!r}"
                yield "metrics", f"{metric!r} does not fit {what}; use {', '.join(fitting)}."
    for metric in _repeated(metrics):
        yield "metrics", f"duplicate metric {metric!r}; remove one."


def parameters_of(attack: Attack) -> dict[str, Any]:
    """Return all parameters of an attack of a valid suite, those at their default included."""
    numbers = Converter(Problems()).table(RECIPES[attack.recipe], attack.parameters, "parameters")
    return {} if isinstance(numbers, Missing) else asdict(numbers)


def _check_attack(attack: Attack) -> Iterator[Problem]:
    problems = Problems()
    Converter(problems).table(RECIPES[attack.recipe], attack.parameters, "parameters")
    yield from problems.found
    yield from _check_metrics(attack.metrics, ATTACK_METRICS, "attack")
    if attack.backend == "textattack" and attack.parameters.get("short_texts", "pass") != "pass":
        yield "parameters.short_texts", 'TextAttack lets short texts pass. Remove the key, or use backend = "engine".'


def _check_training(suite: Suite) -> Iterator[Problem]:
    data, split = suite.training.data, suite.training.split
    for name in _repeated(suite.training.classes):
        yield "training.classes", f"{name!r} stands there twice; give every class its own name."
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
    probes, attacks = [probe.id for probe in suite.probes], [attack.id for attack in suite.attacks]
    for kind, names in (("probes", probes), ("attacks", attacks)):
        for name in set(names) & set(RESERVED_IDS):
            yield f"{kind}[{name}].id", f"{name!r} is the name of the validation part; choose another."
    for name in _repeated([*probes, *attacks]):
        where = f"{'probes' if name in probes else 'attacks'}[{name}].id"
        yield where, f"{name!r} names more than one probe or attack; rename all but one."


def _check_probes(suite: Suite) -> Iterator[Problem]:
    texts = len(suite.training.data.text)
    for probe in suite.probes:
        where = f"probes[{probe.id}]"
        if probe.data is None and not has_test(suite.training.split):
            yield f"{where}.data", "missing; the training task has no test part to take (see training.split.test)."
        if probe.data is not None and probe.perspective != "anomaly" and len(probe.data.text) != texts:
            yield (
                f"{where}.data.text",
                f"names {len(probe.data.text)} columns, the training task {texts}; name as many.",
            )
        for sentence in _merge_mistakes(probe.merge, suite.training.classes):
            yield f"{where}.merge", sentence
        if probe.perspective == "anomaly" and all(other.perspective != "in-distribution" for other in suite.probes):
            yield where, "an anomaly probe is compared with an in-distribution probe, and there is none; add one."


def _merge_mistakes(merge: Sequence[int] | None, classes: Sequence[str]) -> Iterator[str]:
    if merge is None:
        return
    if len(merge) != len(classes):
        yield f"has {len(merge)} entries for the {len(classes)} classes of the task; give one for each."
    elif set(merge) != set(range(max(merge) + 1)) or len(set(merge)) < 2:
        yield "must number at least two scored classes from 0 without gaps, such as [0, 1, 1]."


def _check_attacks(suite: Suite) -> Iterator[Problem]:
    probes = {probe.id: probe for probe in suite.probes}
    for attack in suite.attacks:
        where, probe = f"attacks[{attack.id}]", probes.get(attack.on)
        if probe is None:
            yield f"{where}.on", f"there is no probe {attack.on!r}. {nearest(attack.on, probes)}"
            continue
        if probe.perspective == "anomaly":
            yield f"{where}.on", f"probe {attack.on!r} has no labels; attack a labelled one."
        if probe.perspective == "masking":
            yield f"{where}.on", f"probe {attack.on!r} is a masking check; attack one that scores."
        if probe.merge is not None:
            yield f"{where}.on", f"probe {attack.on!r} merges classes, which a search cannot; attack one that does not."
        if attack.subset > probe.rows:
            yield f"{where}.subset", f"{attack.subset} is more than the {probe.rows} rows of {attack.on!r}; lower it."


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


CHECKS: Mapping[type, Callable[[Any], Iterable[Problem]]] = {
    DataSpec: check_data,
    LabelSpec: check_label,
    Thresholds: check_thresholds,
    SplitSpec: _check_split,
    Probe: _check_probe,
    Attack: _check_attack,
}
"""What must hold inside one table, whatever stands around it."""
