"""Select examples by their content and never by their position: order, duplicates, stratified limits, splits."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from benchmark.data.dataset import Dataset, Example, Splits
from benchmark.data.text_normalisation import order_key, share_of, split_key, text_key
from benchmark.schema.errors import TemperError, counted


@dataclass(frozen=True, slots=True)
class Unique:
    """Examples that `deduplicate` kept, and how many it dropped for each reason."""

    kept: tuple[Example, ...]
    duplicates: int
    conflicts: int


def canonical(examples: Iterable[Example]) -> tuple[Example, ...]:
    """Sort by the hash of the texts; equal texts by label, group and last by their position in the source."""
    return tuple(sorted(examples, key=_rank))


def deduplicate(examples: Iterable[Example]) -> Unique:
    """Keep the canonically first of the examples that share a `text_key`; none of them if their labels differ."""
    same: dict[str, list[Example]] = defaultdict(list)
    for example in canonical(examples):
        same[text_key(example.texts)].append(example)
    consistent = [group for group in same.values() if len({example.label for example in group}) == 1]
    kept = tuple(group[0] for group in consistent)
    duplicates = sum(len(group) for group in consistent) - len(kept)
    conflicts = sum(len(group) for group in same.values()) - duplicates - len(kept)
    return Unique(kept, duplicates, conflicts)


def stratified(examples: Iterable[Example], limit: int | None) -> tuple[Example, ...]:
    """Select at most `limit` examples, stratified by class (largest remainders), the first in canonical order.

    A smaller limit nearly always selects a subset of a larger one: per class both are prefixes of the same order.
    """
    ordered = canonical(examples)
    if limit is None or limit >= len(ordered):
        return ordered
    classes: dict[int, list[Example]] = defaultdict(list)
    for example in ordered:
        classes[-1 if example.label is None else example.label].append(example)
    quotas = _largest_remainder({label: len(members) for label, members in classes.items()}, limit)
    return canonical(example for label, members in classes.items() for example in members[: quotas[label]])


def split(dataset: Dataset, *, by: Literal["group", "example"], test: float, validation: float) -> Splits:
    """Divide a data set by hash; a group, or all examples with the same normalised text, are in one part.

    Args:
        dataset: what to divide.
        by: ``group`` hashes the group, ``example`` the `split_key` of the texts.
        test: share of the test part, in [0, 1). Actual counts differ slightly, since the hash decides.
        validation: share of the validation part, in [0, 1), with `test` below 1.

    Raises:
        TemperError: an example has no group, or one text is in two parts.
    """
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in dataset.examples:
        share = share_of((_owner(dataset, example, by),))
        parts["test" if share < test else "validation" if share < test + validation else "train"].append(example)
    _refuse_leaks(dataset.name, parts)
    names = dataset.label_names
    return Splits(**{part: Dataset(f"{dataset.name}/{part}", canonical(held), names) for part, held in parts.items()})


def _rank(example: Example) -> tuple[bytes, int, str, int, str]:
    # Ids are row numbers. Compare their lengths first, so that row 9 precedes row 10.
    return (
        order_key(example.texts),
        -1 if example.label is None else example.label,
        example.group or "",
        len(example.id),
        example.id,
    )


def _largest_remainder(counts: dict[int, int], limit: int) -> dict[int, int]:
    """Return the number of examples per class: the whole part of its share, plus one for the largest remainders."""
    total = sum(counts.values())
    shares = {label: divmod(limit * count, total) for label, count in counts.items()}
    left = limit - sum(whole for whole, _ in shares.values())
    favoured = sorted(shares, key=lambda label: (-shares[label][1], label))[:left]
    return {label: whole + (label in favoured) for label, (whole, _) in shares.items()}


def _owner(dataset: Dataset, example: Example, by: str) -> str:
    if by == "example":
        return split_key(example.texts)
    if example.group is None:
        missing = sum(other.group is None for other in dataset.examples)
        raise TemperError(
            f"{dataset.name}: {missing} of {len(dataset)} examples have no group, the first is row {example.id}; "
            "filter them out with `where`, or split by 'example'."
        )
    return example.group


def _refuse_leaks(name: str, parts: dict[str, list[Example]]) -> None:
    """Refuse a text in two parts, which would be trained and tested on; only duplicates across groups cause it."""
    where: dict[str, str] = {}
    leaks = 0
    for part, held in parts.items():
        leaks += sum(where.setdefault(text_key(example.texts), part) != part for example in held)
    if leaks:
        raise TemperError(
            f"{name}: two parts of the split share texts ({counted(leaks, 'example')}). Set `deduplicate = true` in "
            "training.data."
        )


def limited(dataset: Dataset, limit: int | None) -> Dataset:
    """Return the data set with at most `limit` examples, selected by `stratified`."""
    return Dataset(dataset.name, stratified(dataset.examples, limit), dataset.label_names, dataset.report)
