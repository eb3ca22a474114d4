"""Questions of searches about texts, and the oracles' answers with a bound on their error."""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

VICTIM, ENCODER, MASKED_LM = "victim", "encoder", "masked_lm"


@dataclass(frozen=True, slots=True)
class Question:
    """Items for an oracle to evaluate.

    Attributes:
        oracle: Name of the oracle.
        items: The items; equal items of one round are evaluated once.
        tier: Required precision: 0 is the fastest tier, and the oracle's last tier is the reference.
    """

    oracle: str
    items: tuple[Hashable, ...]
    tier: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An oracle's values for one item.

    Attributes:
        values: The values.
        margin: Bound on the absolute difference of each value from the last tier's; 0 on the last tier.
        tier: The tier that answered.
        ids: Indices of the values among all values, in the shape of `values`, from an oracle that returns only the
            largest ones; None from any other oracle.
    """

    values: NDArray[np.float32]
    margin: float
    tier: int
    ids: NDArray[np.int64] | None = None


Ask = Generator[Question, Sequence[Answer], T]
"""A search or a part of one: a generator that yields questions, is sent an answer for each item, and returns a T."""


class Oracle(Protocol):
    """Evaluates items; up to the margin, an item's answer does not depend on the other items."""

    @property
    def last_tier(self) -> int:
        """Number of the reference tier, whose answer for an item does not depend on other items at all."""

    def answer(self, items: Sequence[Hashable], tier: int) -> Sequence[Answer]:
        """Return an answer for each item, possibly of a higher tier than `tier`."""
