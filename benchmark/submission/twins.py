"""Seeds that are one run under two names, however their files differ."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmark.evaluation.tables import read_predictions
from benchmark.submission.stated import StatedStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR, ALIKE = 0.05, 0.995
"""Two seeds are one where their answers differ by less than this share of their size, and correlate above this.

Thirteen methods of the committed board differ by 0.30 at least, and correlate by 0.96 at most. Neither says enough of
itself: models that give every text one answer may be near each other by chance, and few directions correlate easily.
"""


def twins(stores: Mapping[int, StatedStore]) -> Iterator[str]:
    """Yield a sentence for every two seeds that answer more alike than two trainings do.

    Args:
        stores: Of each seed; the copies of its tables are there.
    """
    answers = {seed: _answers(store) for seed, store in sorted(stores.items())}
    for one, other in combinations(answers, 2):
        if same_answers(answers[one], answers[other]):
            yield f"seeds {one} and {other} give the same answers, or nearly so; a seed is a run of its own."


def _answers(store: StatedStore) -> "NDArray[np.float64]":
    """Logits of all prediction tables, each less its example's mean; shape (examples, classes)."""
    tables = sorted((t for t in store.run["tables"] if t["kind"] == "predict"), key=lambda t: str(t["subject"]))
    found = [read_predictions(store.copy_of(table)).logits.astype(np.float64) for table in tables]
    return (
        np.concatenate([logits - logits.mean(axis=1, keepdims=True) for logits in found]) if found else np.zeros((0, 1))
    )


def same_answers(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> bool:
    """Whether two seeds' answers, of shape (examples, classes), are those of one model."""
    if one.shape != other.shape or not one.size:
        return False
    gap, size = _size(one - other), (_size(one) + _size(other)) / 2
    if gap == 0.0:
        return True
    # What every text is given alike says nothing about the texts.
    varied = [answers - answers.mean(axis=0) for answers in (one, other)]
    spread = _size(varied[0]) * _size(varied[1])
    return gap < NEAR * size and spread > 0.0 and float((varied[0] * varied[1]).mean()) > ALIKE * spread


def _size(values: "NDArray[np.float64]") -> float:
    return float(np.sqrt(np.square(values).mean()))
