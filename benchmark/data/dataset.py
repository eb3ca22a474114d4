"""Examples, data sets and splits, as all later stages see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from benchmark.schema.canonical import fingerprint


@dataclass(frozen=True, slots=True)
class Example:
    """One item to classify.

    Attributes:
        id: unique within its data set: the row's number in the source, counted from 0, as text.
        texts: one text, or the two of a pair; normalised, never empty.
        label: class number, or None where the set has no labels.
        group: what it belongs to (the film of a review); a split never divides a group.
    """

    id: str
    texts: tuple[str, ...]
    label: int | None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Counts of the source's rows by outcome, in the order of the steps.

    Attributes:
        rows: read from the source.
        filtered: dropped by `where`.
        empty: dropped because a text was missing or blank.
        unmapped: dropped because the label map lacks the value, by label value.
        duplicates: dropped because another row has the same text.
        conflicts: dropped because rows with the same text have different labels.
        beyond_limit: dropped by `limit`.
        kept: resulting examples.
        excluded: dropped, before the limit, because their text is in the training or validation part.
    """

    rows: int
    filtered: int
    empty: int
    unmapped: Mapping[str, int]
    duplicates: int
    conflicts: int
    beyond_limit: int
    kept: int
    excluded: int = 0


@dataclass(frozen=True)
class Dataset:
    """Examples in canonical order (by a hash of their texts), so that the source's row order has no effect.

    Attributes:
        name: for messages and logs; not part of the identity.
        examples: the items.
        label_names: name of each class; empty for a set without labels.
        report: outcome of the source's rows, if the examples were loaded from a source.
    """

    name: str
    examples: tuple[Example, ...]
    label_names: tuple[str, ...]
    report: LoadReport | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.examples)

    @cached_property
    def content_hash(self) -> str:
        """Hash the texts, labels and class names in order, as ``sha256:…``. Ids, groups and the name are left out."""
        return fingerprint(
            {
                "label_names": self.label_names,
                "labels": [example.label for example in self.examples],
                "texts": [example.texts for example in self.examples],
            }
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a training task; `test` is empty if the task has no test part."""

    train: Dataset
    validation: Dataset
    test: Dataset
