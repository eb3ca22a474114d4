"""The oracles: a victim and a sentence encoder, asked quickly first and exactly where that decides something.

An oracle has tiers of asking, each slower and more exact than the one before. The last one looks at each item alone, so
that its numbers do not depend on the items beside it. How far the others are off is measured on the first items, and
again whenever an item is asked about twice.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.questions import Answer

Values = NDArray[np.float32]
Tier = Callable[[Sequence[Hashable]], Values]
"""Gives a row of numbers for each item."""

SAMPLE = 24
"""Items on which the tiers are compared at the start."""

SAFETY = 4.0
"""A tier's margin is so many times the largest error seen on it."""

LEAST = 1e-5
"""Smallest margin of any tier but the last: floating point in batches of another shape differs by less."""


@dataclass
class Tiered:
    """An oracle made of tiers.

    Attributes:
        tiers: From the quickest to the one that counts.
        margins: Bound on the error of each tier but the last, which has none.
        widened: How often a later answer showed an error of more than half of a margin.
    """

    tiers: Sequence[Tier]
    margins: list[float] = field(default_factory=list)
    widened: int = 0
    _seen: "OrderedDict[tuple[Hashable, int], Values]" = field(default_factory=OrderedDict)

    @property
    def last_tier(self) -> int:
        """Number of the tier that counts."""
        return len(self.tiers) - 1

    def answer(self, items: Sequence[Hashable], tier: int) -> list[Answer]:
        """Answers of a tier, with the margin that is known for it."""
        if not self.margins:
            self._calibrate(items)
        values = self.tiers[tier](items)
        if tier > 0:
            self._compare(items, values, tier)
        if tier < self.last_tier:
            self._remember(items, values, tier)
        return [Answer(row, self.margins[tier], tier) for row in values]

    def _calibrate(self, items: Sequence[Hashable]) -> None:
        """Ask about the first items on every tier."""
        sample = items[:: max(1, len(items) // SAMPLE)][:SAMPLE]
        answers = [tier(sample) for tier in self.tiers]
        for values in answers[:-1]:
            error = float(np.abs(values.astype(np.float64) - answers[-1]).max(initial=0.0))
            self.margins.append(max(LEAST, SAFETY * error))
        self.margins.append(0.0)

    def _compare(self, items: Sequence[Hashable], values: Values, tier: int) -> None:
        """Widen the margin of the tier below where it was half used up."""
        for item, row in zip(items, values, strict=True):
            before = self._seen.get((item, tier - 1))
            if before is None:
                continue
            error = float(np.abs(row.astype(np.float64) - before).max())
            if 2 * error > self.margins[tier - 1]:
                self.margins[tier - 1] = SAFETY * error
                self.widened += 1

    def _remember(self, items: Sequence[Hashable], values: Values, tier: int) -> None:
        for item, row in zip(items, values, strict=True):
            self._seen[item, tier] = row
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


_REMEMBERED = 1 << 14


@dataclass
class Cosines:
    """A tier of an encoder oracle: cosines of pairs of texts, each text encoded once in a call.

    Attributes:
        encode: Vectors of length 1 for texts.
    """

    encode: Callable[[Sequence[str]], Values]

    def __call__(self, pairs: Sequence[Hashable]) -> Values:
        """Cosine similarities, shape (pairs, 1)."""
        texts = list(dict.fromkeys(text for pair in pairs for text in _pair(pair)))
        place: Mapping[str, int] = {text: row for row, text in enumerate(texts)}
        vectors = self.encode(texts).astype(np.float64)
        first = vectors[[place[_pair(p)[0]] for p in pairs]]
        second = vectors[[place[_pair(p)[1]] for p in pairs]]
        return np.asarray((first * second).sum(axis=1, keepdims=True).clip(-1, 1), dtype=np.float32)


def _pair(item: Hashable) -> tuple[str, str]:
    if not (isinstance(item, tuple) and len(item) == 2):
        raise TypeError(f"{item!r} is not a pair of texts")
    return item
