"""Examples and data sets: what every later stage gets to see of the data."""

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
        group: what it belongs to (the film of a review); the same group is never on two sides of a split.
    """

    id: str
    texts: tuple[str, ...]
    label: int | None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the source's rows, in the order of the steps; all counts are rows.

    Attributes:
        rows: read from the source.
        filtered: dropped by `where`.
        empty: dropped because a text was missing or blank.
        unmapped: label value -> rows dropped because the label map does not have it.
        duplicates: dropped because another row has the same text.
        conflicts: dropped because rows with the same text have different labels.
        beyond_limit: dropped by `limit`.
        kept: examples that came out.
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
    """Examples in canonical order (by a hash of their texts), so that a source's row order has no effect on anything.

    Attributes:
        name: for messages and logs; not part of the identity.
        examples: the items.
        label_names: name of each class; empty for a set without labels.
        report: how the rows of the source became these examples, where they were loaded from one.
    """

    name: str
    examples: tuple[Example, ...]
    label_names: tuple[str, ...]
    report: LoadReport | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.examples)

    @cached_property
    def content_hash(self) -> str:
        """``sha256:…`` of the texts, the labels and the class names, in order. Ids, groups and the name stay out."""
        return fingerprint(
            {
                "label_names": self.label_names,
                "labels": [example.label for example in self.examples],
                "texts": [example.texts for example in self.examples],
            }
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a training task. `test` is empty where the task has no test part."""

    train: Dataset
    validation: Dataset
    test: Dataset
