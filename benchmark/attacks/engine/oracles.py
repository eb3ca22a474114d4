"""Oracles with tiers of precision: answer fast first, and exactly where a decision depends on it.

Each tier is slower and more exact than the one before. The last tier evaluates each item alone, so that its values do
not depend on the other items of a batch. The error of the other tiers is measured on the first items, and again
whenever an item is evaluated on two tiers. The fastest tier is dropped if it leaves so many decisions open that it
saves no time; outcomes do not depend on this.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.questions import Answer

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TopK:
    """The k largest values of each row, in descending order.

    Attributes:
        values: The values, shape (rows, k).
        ids: Their indices, in the same shape.
    """

    values: Values
    ids: NDArray[np.int64]


Tier = Callable[[Sequence[Hashable]], Iterable[Values | TopK]]
"""Returns the values of each item, or the largest of them."""

SAMPLE = 32
"""Number of items on which two tiers are compared first; the first questions may have only a few items each."""

SAFETY = 2.0
"""Ratio of a tier's margin to the largest error observed on it."""

LEAST = 1e-5
"""Smallest margin of any tier but the last: rounding errors between batch shapes are smaller than this."""

ENOUGH = 256
"""Number of items on the fastest tier before the oracle decides whether to keep that tier."""


@dataclass
class Screening:
    """Time measurements that decide whether the fastest tier is worth its rechecks.

    Attributes:
        asked: Number of items evaluated on the first tier and on the second.
        seconds: Time spent on each.
    """

    asked: list[int] = field(default_factory=lambda: [0, 0])
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def note(self, tier: int, items: int, seconds: float) -> None:
        """Record the time of one question."""
        if tier < len(self.asked):
            self.asked[tier] += items
            self.seconds[tier] += seconds

    @property
    def pays(self) -> bool:
        """Return whether the fastest tier saves time; True until enough items are measured."""
        if self.asked[0] < ENOUGH or not self.asked[1]:
            return True
        fast, exact = (seconds / items for seconds, items in zip(self.seconds, self.asked, strict=True))
        return fast + self.asked[1] / self.asked[0] * exact < exact


@dataclass
class TieredOracle:
    """An oracle made of tiers.

    Attributes:
        tiers: From the fastest to the reference.
        least: Smallest margin of any tier but the last.
        errors: Largest observed difference of each tier from the next.
        widened: Number of times that a difference on an item that was evaluated on two tiers was the largest so far.
        screening: Time measurements of the first two tiers.
        given_up: Whether the first tier is skipped.
    """

    tiers: Sequence[Tier]
    least: float = LEAST
    errors: list[float] = field(init=False)
    widened: int = 0
    screening: Screening = field(default_factory=Screening)
    given_up: bool = False
    _compared: list[int] = field(init=False)
    _seen: "OrderedDict[tuple[Hashable, int], Values]" = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.errors, self._compared = [0.0] * self.last_tier, [0] * self.last_tier

    @property
    def last_tier(self) -> int:
        """Number of the reference tier."""
        return len(self.tiers) - 1

    @property
    def margins(self) -> list[float]:
        """Bound on the error of each tier: those between the tiers add up; 0 for the last."""
        steps = (max(self.least, SAFETY * error) for error in reversed(self.errors))
        return list(accumulate(steps, initial=0.0))[::-1]

    def answer(self, items: Sequence[Hashable], tier: int) -> list[Answer]:
        """Return the answers of a tier with its margin; the second tier replaces a first one that saves no time."""
        self._calibrate(items)
        if tier == 0 and self.last_tier > 0:
            self.given_up = self.given_up or not self.screening.pays
            tier = int(self.given_up)
        started = time.perf_counter()
        rows = list(self.tiers[tier](items))
        if not self.given_up:
            self.screening.note(tier, len(items), time.perf_counter() - started)
        values = [_values(row) for row in rows]
        if tier > 0:
            self._compare(items, values, tier)
        if tier < self.last_tier:
            self._remember(items, values, tier)
        ids = [row.ids if isinstance(row, TopK) else None for row in rows]
        margin = self.margins[tier]
        return [Answer(v, margin, tier, i) for v, i in zip(values, ids, strict=True)]

    def _calibrate(self, items: Sequence[Hashable]) -> None:
        """Compare each tier with the next on the first items."""
        for tier, compared in enumerate(self._compared):
            if (left := SAMPLE - compared) > 0:
                sample = items[:: max(1, len(items) // left)][:left]
                error = _largest(self.tiers[tier](sample), self.tiers[tier + 1](sample))
                self.errors[tier] = max(self.errors[tier], error)
                self._compared[tier] += len(sample)

    def _compare(self, items: Sequence[Hashable], rows: Sequence[Values], tier: int) -> None:
        """Compare answers with those of the tier below."""
        for item, row in zip(items, rows, strict=True):
            before = self._seen.get((item, tier - 1))
            if before is not None and (error := _error(before, row)) > self.errors[tier - 1]:
                self.errors[tier - 1] = error
                self.widened += 1

    def _remember(self, items: Sequence[Hashable], rows: Sequence[Values], tier: int) -> None:
        for item, row in zip(items, rows, strict=True):
            self._seen[item, tier] = row
        room = _NUMBERS // max((row.size for row in rows), default=1)
        while len(self._seen) > max(len(rows), min(room, _REMEMBERED)):
            self._seen.popitem(last=False)


_REMEMBERED, _NUMBERS = 1 << 14, 1 << 18
"""Maximum number of answers kept for comparison, and approximate maximum of their values."""


def _largest(some: Iterable[Values | TopK], others: Iterable[Values | TopK]) -> float:
    """Return the largest difference of two lists of answers, NaN ignored."""
    errors = [_error(_values(one), _values(other)) for one, other in zip(some, others, strict=True)]
    return float(np.fmax.reduce(errors, initial=0.0))


@dataclass
class Cosines:
    """A tier of an encoder oracle: cosines of pairs of texts, each text encoded once in a call.

    Attributes:
        encode: Returns vectors of length 1 for texts.
    """

    encode: Callable[[Sequence[str]], Values]

    def __call__(self, pairs: Sequence[Hashable]) -> Values:
        """Compute cosine similarities, shape (pairs, 1)."""
        texts = list(dict.fromkeys(text for pair in pairs for text in _pair(pair)))
        place: Mapping[str, int] = {text: row for row, text in enumerate(texts)}
        vectors = self.encode(texts).astype(np.float64)
        first = vectors[[place[_pair(p)[0]] for p in pairs]]
        second = vectors[[place[_pair(p)[1]] for p in pairs]]
        return np.asarray((first * second).sum(axis=1, keepdims=True).clip(-1, 1), dtype=np.float32)


def _values(row: Values | TopK) -> Values:
    return row.values if isinstance(row, TopK) else row


def _error(row: Values, exact: Values) -> float:
    """Return the largest difference of two answers; for the top k it is at most that of all values."""
    return float(np.abs(row.astype(np.float64) - exact).max(initial=0.0))


def _pair(item: Hashable) -> tuple[str, str]:
    if not (isinstance(item, tuple) and len(item) == 2):
        raise TypeError(f"{item!r} is not a pair of texts")
    return item
