"""Compare a suite with its data, part by part, and check its label maps, for `temper suite check`."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from benchmark.data import Dataset, DataSpec, LabelSpec, Overlap, Splits, TrainingIndex, how_to_get, load
from benchmark.data.dataset_loader import BETWEEN, PartialDataError, check_content, check_rows
from benchmark.data.readers import ColumnError
from benchmark.data.sources.hub import HubAnswerError
from benchmark.data.text_normalisation import text_key
from benchmark.schema.errors import TemperError, UnavailableError, counted
from benchmark.suites.config import EvaluationTask, Problem, Suite
from benchmark.suites.datasets import count_problem, declared_counts, divided, training_keys, without

T = TypeVar("T")
State = Literal["ok", "unavailable", "wrong"]


@dataclass
class SuitePart:
    """One part of a suite's data.

    Attributes:
        name: "training", "validation", "test", or the id of an evaluation task.
        rows: Number of examples; None if none could be loaded.
        classes: Number of examples per class name; empty without labels.
        leak: Overlap with the training part; None for that part itself and if nothing could be compared.
        get: How to get the data if it is missing here.
        problems: Problems with the path of their key in the suite file.
        notes: Sentences about what is not a mistake but worth knowing.
    """

    name: str
    rows: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    leak: Overlap | None = None
    get: str = ""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Return whether the part is as declared, unavailable or wrong."""
        return "wrong" if self.problems else "unavailable" if self.get else "ok"

    def add(self, dataset: Dataset) -> None:
        """Store the size and the class counts of a data set."""
        self.rows, self.classes = len(dataset), class_counts(dataset)

    def count(self, dataset: Dataset, declared: int | None, key: str) -> None:
        """Compare a data set's size with the declared one."""
        if sentence := count_problem(dataset, declared):
            self.problems.append((key, sentence))


def inspect(suite: Suite) -> Iterator[SuitePart]:
    """Read a suite's data and compare it with the suite file, the training task first.

    Yields:
        The training, validation and test parts and every evaluation task. Problems are collected instead of raised.
    """
    whole, test = SuitePart("training"), SuitePart("test")
    data = _read(suite, suite.training.data, whole, "training.data")
    official = suite.training.split.test_data
    official_part = None if official is None else _read(suite, official, test, "training.split.test_data")
    splits = None
    if data is not None and (official is None or official_part is not None):
        splits = _loaded(whole, "training.split", suite.training.data, lambda: divided(suite, data, official_part))
    yield from _training_parts(suite, whole, test, splits)
    index = None if splits is None else TrainingIndex(splits.train)
    for task in suite.tasks:
        yield _task_part(suite, task, splits, index)


def _training_parts(suite: Suite, whole: SuitePart, test: SuitePart, splits: Splits | None) -> Iterator[SuitePart]:
    """Yield the training task's parts; without a split, yield the problems of its sources."""
    parts = [whole, SuitePart("validation"), test]
    if splits is None:
        yield from (whole, test) if test.get or test.problems else (whole,)
        return
    for part, (dataset, declared, key) in zip(parts, declared_counts(suite, splits), strict=False):
        part.add(dataset)
        part.count(dataset, declared, key)
        for name in [name for name, count in part.classes.items() if not count and len(dataset)]:
            part.problems.append(
                ("training.split", f"no example of class {name!r} is in the {part.name} part; raise its share.")
            )
        yield part


def _task_part(suite: Suite, task: EvaluationTask, splits: Splits | None, index: TrainingIndex | None) -> SuitePart:
    part, key = SuitePart(task.id), f"tasks[{task.id}]"
    seen = training_keys(splits) if splits is not None and task.exclude_training else frozenset()
    if splits is None and (task.data is None or task.exclude_training):
        part.get = "waiting for the training data"
        return part
    if task.data is not None:
        dataset = _read(suite, task.data, part, f"{key}.data", merge=task.merge, exclude=seen)
        excluded = 0 if dataset is None or dataset.report is None else dataset.report.excluded
    elif splits is not None:
        dataset = without(splits.test, seen)
        excluded = len(splits.test) - len(dataset)
    if dataset is None:
        return part
    if excluded:
        text = "whose text is in the training or validation part"
        part.notes.append(f"{key}.exclude_training: {counted(excluded, 'example')} dropped, {text}.")
    part.add(dataset)
    part.count(dataset, task.rows, f"{key}.rows")
    if index is not None:
        part.leak = index.overlap(dataset)
        part.problems += _leaks(part.leak, task, key)
    return part


def _leaks(leak: Overlap, task: EvaluationTask, key: str) -> Iterator[Problem]:
    if leak.exact > task.max_overlap * leak.n:
        yield (
            f"{key}.max_overlap",
            f"{leak.exact} of {leak.n} examples are in the training part too, a share of {leak.exact / leak.n:.2g} "
            f"where {task.max_overlap:g} is allowed. Set `exclude_training = true` to drop them, or raise the key if "
            "the leak is meant.",
        )


def _read(
    suite: Suite,
    spec: DataSpec,
    part: SuitePart,
    key: str,
    *,
    merge: Sequence[int] | None = None,
    exclude: frozenset[str] = frozenset(),
) -> Dataset | None:
    """Load a data set without checking it, and compare it with its declaration afterwards, to report all mistakes."""
    classes, base = suite.training.classes, suite.path.parent
    free = replace(spec, rows=None, content_hash=None)
    dataset = _loaded(part, key, spec, lambda: load(free, name=part.name, classes=classes, base=base, exclude=exclude))
    if dataset is None:
        return None
    rows = dataset.report.rows if dataset.report is not None else len(dataset)
    _loaded(part, f"{key}.rows", spec, lambda: check_rows(spec, rows))
    if part.get:
        return None
    _loaded(part, f"{key}.content_hash", spec, lambda: check_content(spec, dataset))
    if spec.content_hash is None:
        part.notes.append(f'{key}: content_hash = "{dataset.content_hash}"')
    part.problems += [(f"{key}.{inside}", text) for inside, text in label_problems(spec, dataset, classes, merge)]
    part.notes += [f"{key}: {note}" for note in label_notes(spec, dataset)]
    return dataset


def _loaded(part: SuitePart, key: str, spec: DataSpec, work: Callable[[], T]) -> T | None:
    """Return the result of `work`; record on the part whether its data is unavailable or wrong."""
    try:
        return work()
    except ColumnError as error:
        part.problems.append((f"{key}.{_key_of(spec, error.column)}", str(error)))
    except UnavailableError as error:
        if spec.origin.part_of_suite:
            part.problems.append((f"{key}.path", str(error)))
        else:
            part.get = how_to_get(spec)
            if isinstance(error, PartialDataError | HubAnswerError):
                part.notes.append(f"{key}: {error}")
    except TemperError as error:
        part.problems.append((key, str(error)))
    return None


def _key_of(spec: DataSpec, column: str) -> str:
    """Return the key of a data table that names a column."""
    if column in spec.text:
        return "text"
    if spec.label is not None and column == spec.label.column:
        return "label.column"
    if column == spec.group:
        return "group"
    return f"where.{column}" if column in spec.where else "columns"


MOST = 0.5
"""A map that drops more than this share of the rows is reported as a mistake; use `where` to drop them on purpose."""


def class_counts(dataset: Dataset) -> dict[str, int]:
    """Count the examples per class name, in the order of the classes; empty for a data set without labels."""
    counts = Counter(example.label for example in dataset.examples)
    return {name: counts[number] for number, name in enumerate(dataset.label_names)}


def label_problems(
    spec: DataSpec, dataset: Dataset, classes: Sequence[str], merge: Sequence[int] | None
) -> Iterator[Problem]:
    """Yield the key inside the data table and a sentence for each problem with a data set's labels."""
    if spec.label is None:
        return
    counts, key = unmapped(dataset), "label.map" if spec.label.map is not None else "label.column"
    report = dataset.report
    candidates = 0 if report is None else report.rows - report.filtered - report.empty
    if sum(counts.values()) > MOST * candidates:
        yield (
            key,
            f"{sum(counts.values())} of {candidates} rows have a label outside the map ({_listed(counts)}); map them, "
            "or say in `where` which rows are meant.",
        )
    present = {example.label for example in dataset.examples}
    for number in sorted(_expected(spec.label, classes, merge) - present):
        yield key, f"no row becomes class {classes[number]!r}; correct the map, or name there only the classes it has."
    for scored in sorted(set(merge or ())):
        members = [number for number, into in enumerate(merge or ()) if into == scored]
        if not present & set(members):
            names = " or ".join(repr(classes[number]) for number in members)
            yield (
                "label",
                f"no row becomes class {names}, which `merge` scores as {scored}; correct the map or `merge`.",
            )


def unmapped(dataset: Dataset) -> dict[str, int]:
    """Count the rows of each label value outside the map, most frequent first, without ratings between thresholds."""
    counts = {} if dataset.report is None else dataset.report.unmapped
    return dict(Counter({value: count for value, count in counts.items() if value != BETWEEN}).most_common())


def label_notes(spec: DataSpec, dataset: Dataset) -> Iterator[str]:
    """Yield notes that are not mistakes: dropped labels and duplicate texts."""
    if counts := unmapped(dataset):
        rows = sum(counts.values())
        yield f"{counted(rows, 'row')} dropped for a label outside the map ({_listed(counts)})."
    same: dict[str, set[int | None]] = {}
    for example in dataset.examples:
        same.setdefault(text_key(example.texts), set()).add(example.label)
    twice, conflicts = len(dataset) - len(same), sum(len(labels) > 1 for labels in same.values())
    if twice and not spec.deduplicate:
        both = f", {counted(conflicts, 'text')} with two labels" if conflicts else ""
        yield f"{counted(twice, 'example')} with another example's text{both}; `deduplicate = true` drops them."


def _expected(label: LabelSpec, classes: Sequence[str], merge: Sequence[int] | None) -> set[int]:
    """Return the classes that must have rows: those of the map or thresholds, else all, or none if `merge` is given."""
    if label.map is not None:
        return set(label.map.values())
    if label.thresholds is not None:
        return {label.thresholds.low, label.thresholds.high}
    return set(range(len(classes))) if merge is None else set()


def _listed(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{value[:40]!r} {count}" for value, count in list(counts.items())[:8])
    return f"{shown} and {len(counts) - 8} more values" if len(counts) > 8 else shown
