"""The oracles: a victim and a sentence encoder, asked quickly first and exactly where that decides something.

An oracle has tiers of asking, each slower and more exact than the one before. The last one looks at each item alone, so
that its numbers do not depend on the items beside it. How far the others are off is measured on the first items, and
again whenever an item is asked about twice. Where the quickest tier leaves so much open that it saves no time, it is
given up; no decision depends on that.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.questions import Answer

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The largest of many numbers, row by row from the largest down.

    Attributes:
        values: The numbers, shape (rows, how many).
        ids: Which ones they are, in the same shape.
    """

    values: Values
    ids: NDArray[np.int64]


Tier = Callable[[Sequence[Hashable]], Iterable[Values | Ranked]]
"""Gives numbers for each item, or the largest of them."""

SAMPLE, ALONE = 32, 8
"""Items on which two tiers are compared at the start, and how many where one of them looks at each item alone."""

SAFETY = 2.0
"""A tier's margin is so many times the largest error seen on it."""

LEAST = 1e-5
"""Smallest margin of any tier but the last: floating point in batches of another shape differs by less."""


ENOUGH = 256
"""Items asked about quickly before it is judged whether that pays."""


@dataclass
class Screening:
    """Whether it saves time to ask quickly first, and again what that leaves open.

    Attributes:
        asked: Items that the first tier and the second were asked about.
        seconds: What that took.
    """

    asked: list[int] = field(default_factory=lambda: [0, 0])
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def note(self, tier: int, items: int, seconds: float) -> None:
        """Take down what a question cost."""
        if tier < len(self.asked):
            self.asked[tier] += items
            self.seconds[tier] += seconds

    @property
    def pays(self) -> bool:
        """True until enough is known."""
        if self.asked[0] < ENOUGH or not self.asked[1]:
            return True
        quick, exact = (seconds / items for seconds, items in zip(self.seconds, self.asked, strict=True))
        return quick + self.asked[1] / self.asked[0] * exact < exact


@dataclass
class Tiered:
    """An oracle made of tiers.

    Attributes:
        tiers: From the quickest to the one that counts.
        least: Smallest margin of any tier but the last.
        margins: Bound on the error of each tier but the last, which has none.
        widened: How often a later answer showed an error of more than half of a margin.
        screening: What the first two tiers cost.
        given_up: Whether the second tier is asked at once.
    """

    tiers: Sequence[Tier]
    least: float = LEAST
    margins: list[float] = field(default_factory=list)
    widened: int = 0
    screening: Screening = field(default_factory=Screening)
    given_up: bool = False
    _seen: "OrderedDict[tuple[Hashable, int], Values]" = field(default_factory=OrderedDict)

    @property
    def last_tier(self) -> int:
        """Number of the tier that counts."""
        return len(self.tiers) - 1

    def answer(self, items: Sequence[Hashable], tier: int) -> list[Answer]:
        """Answers of a tier, or of the second one where the first does not pay, with the margin known for it."""
        if not self.margins:
            self._calibrate(items if self.last_tier else ())
        if tier == 0 and self.last_tier > 0:
            self.given_up = self.given_up or not self.screening.pays
            tier = int(self.given_up)
        started = time.perf_counter()
        rows = list(self.tiers[tier](items))
        if not self.given_up:
            self.screening.note(tier, len(items), time.perf_counter() - started)
        numbers = [_numbers(row) for row in rows]
        if tier > 0:
            self._compare(items, numbers, tier)
        if tier < self.last_tier:
            self._remember(items, numbers, tier)
        ids = [row.ids if isinstance(row, Ranked) else None for row in rows]
        return [Answer(n, self.margins[tier], tier, i) for n, i in zip(numbers, ids, strict=True)]

    def _calibrate(self, items: Sequence[Hashable]) -> None:
        """Ask about the first items on every tier; a tier's error adds up from its steps to the last one."""
        self.margins = [0.0]
        for tier in reversed(range(self.last_tier)):
            count = ALONE if tier + 1 == self.last_tier else SAMPLE
            sample = items[:: max(1, len(items) // count)][:count]
            error = _largest(self.tiers[tier](sample), self.tiers[tier + 1](sample))
            self.margins.insert(0, self.margins[0] + max(self.least, SAFETY * error))

    def _compare(self, items: Sequence[Hashable], rows: Sequence[Values], tier: int) -> None:
        """Widen the margin of the tier below where it was half used up."""
        for item, row in zip(items, rows, strict=True):
            before = self._seen.get((item, tier - 1))
            if before is None:
                continue
            error = _error(before, row)
            if 2 * error > self.margins[tier - 1]:
                self.margins[tier - 1] = self.margins[tier] + SAFETY * error
                self.widened += 1

    def _remember(self, items: Sequence[Hashable], rows: Sequence[Values], tier: int) -> None:
        for item, row in zip(items, rows, strict=True):
            self._seen[item, tier] = row
        room = _NUMBERS // max((row.size for row in rows), default=1)
        while len(self._seen) > max(len(rows), min(room, _REMEMBERED)):
            self._seen.popitem(last=False)


_REMEMBERED, _NUMBERS = 1 << 14, 1 << 18
"""Most answers that are kept for comparison, and about how many numbers in all."""


def _largest(some: Iterable[Values | Ranked], others: Iterable[Values | Ranked]) -> float:
    """Largest difference of answers; one that is no number says nothing about the others."""
    errors = [_error(_numbers(one), _numbers(other)) for one, other in zip(some, others, strict=True)]
    return float(np.fmax.reduce(errors, initial=0.0))


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


def _numbers(row: Values | Ranked) -> Values:
    return row.values if isinstance(row, Ranked) else row


def _error(row: Values, exact: Values) -> float:
    """Largest difference of two answers; of ranked ones it is at most that of the numbers that are ranked."""
    return float(np.abs(row.astype(np.float64) - exact).max(initial=0.0))


def _pair(item: Hashable) -> tuple[str, str]:
    if not (isinstance(item, tuple) and len(item) == 2):
        raise TypeError(f"{item!r} is not a pair of texts")
    return item
