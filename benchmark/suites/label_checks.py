"""Check the effect of a label map on the rows of a data set, and report likely mistakes."""

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmark.data import Dataset, DataSpec, LabelSpec
from benchmark.data.labels import BETWEEN
from benchmark.data.text_normalisation import text_key
from benchmark.schema.errors import counted
from benchmark.suites.config import Problem

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
    found = {} if dataset.report is None else dataset.report.unmapped
    return dict(Counter({value: count for value, count in found.items() if value != BETWEEN}).most_common())


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
