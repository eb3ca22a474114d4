"""What searches ask, and who answers: questions about texts, answers with a bound on their error."""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

VICTIM, ENCODER, MASKED_LM = "victim", "encoder", "masked_lm"


@dataclass(frozen=True, slots=True)
class Question:
    """Items that an oracle is to say something about.

    Attributes:
        oracle: Name of the oracle.
        items: What it is asked about; equal items of one round are looked at once.
        tier: How exactly it is to answer: 0 is the quickest way, the oracle's last tier the one that counts.
    """

    oracle: str
    items: tuple[Hashable, ...]
    tier: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an oracle says about one item.

    Attributes:
        values: Its numbers.
        margin: The last tier's numbers differ from these by at most so much, each; 0 on the last tier.
        tier: How exactly it was answered.
        ids: Of an oracle that says only the largest of many numbers, which ones these are, in the shape of `values`;
            None of any other.
    """

    values: NDArray[np.float32]
    margin: float
    tier: int
    ids: NDArray[np.int64] | None = None


Ask = Generator[Question, Sequence[Answer], T]
"""A search, or a part of one: it yields questions, is sent an answer for each item, and returns a T."""


class Oracle(Protocol):
    """Answers questions about items, the same for an item in whatever company, up to the margin."""

    @property
    def last_tier(self) -> int:
        """Number of the tier whose answers count; what it says about an item does not depend on other items."""

    def answer(self, items: Sequence[Hashable], tier: int) -> Sequence[Answer]:
        """An answer for each item; it may be of a higher tier than was asked for."""
