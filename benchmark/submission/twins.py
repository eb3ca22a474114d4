"""Seeds that are one run under two names, however their files differ."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmark.evaluation.tables import read_predictions
from benchmark.submission.stated import StatedStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = 0.995
"""Correlation of two seeds' answers above which they are one; twelve methods of the committed board reach 0.96."""


def twins(stores: Mapping[int, StatedStore]) -> Iterator[str]:
    """Yield a sentence for every two seeds that answer more alike than two trainings do.

    Args:
        stores: Of each seed; the copies of its tables are there.
    """
    for one, other in combinations(sorted(stores), 2):
        mine, theirs = _answers(stores[one]), _answers(stores[other])
        if mine.size == theirs.size and (alike := _correlation(mine, theirs)) > ALIKE:
            yield (
                f"seeds {one} and {other} answer alike (correlation {alike:.4f} over all predictions); a seed is a run "
                "of its own."
            )


def _answers(store: StatedStore) -> "NDArray[np.float64]":
    """Logits of all prediction tables, each less its example's mean."""
    tables = sorted((t for t in store.run["tables"] if t["kind"] == "predict"), key=lambda t: str(t["subject"]))
    found = [read_predictions(store.copy_of(table)).logits.astype(np.float64) for table in tables]
    centred = [(logits - logits.mean(axis=1, keepdims=True)).ravel() for logits in found]
    return np.concatenate(centred) if centred else np.zeros(0)


def _correlation(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> float:
    """Pearson's; 1 where both are the same, and 0 where only one of them varies."""
    if np.array_equal(one, other):
        return 1.0
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0
