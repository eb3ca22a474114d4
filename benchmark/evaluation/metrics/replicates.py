"""Bootstrap replicates of the headline metrics, paired across methods and seeds.

A resample depends only on a text (the data hash of the task) and on the number of examples. Resample r therefore
holds the same examples for every method, and differences between methods can be taken replicate by replicate.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import numpy as np

from benchmark.evaluation.metrics.probabilities import Integers

DECIMALS = 6
"""Decimals of replicates: enough for intervals, and more digits would only enlarge the records."""


def generator(seed_text: str) -> np.random.Generator:
    """Create a PCG64 generator seeded by the sha256 of a text."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(sha256(seed_text.encode()).digest(), "big")))


def resample_indices(examples: int, resamples: int, seed_text: str) -> Iterator[Integers]:
    """Draw `resamples` times `examples` row numbers with replacement; the n-th draw is always the same."""
    random = generator(seed_text)
    for _ in range(resamples):
        yield random.integers(0, examples, size=examples)


def replicate(
    statistic: Callable[[Integers], float], examples: int, resamples: int, seed_text: str
) -> tuple[float, ...]:
    """Evaluate a statistic of row numbers on every resample.

    Args:
        statistic: Takes row numbers, shape (examples,), with repetitions.
        examples: Number of rows, at least 1.
        resamples: Number of resamples, at least 1.
        seed_text: Seeds the draws.

    Returns:
        One value per resample, rounded to 6 decimals.
    """
    return tuple(round(float(statistic(rows)), DECIMALS) for rows in resample_indices(examples, resamples, seed_text))


def replicate_auroc(inside: Integers, outside: Integers, resamples: int, seed_text: str) -> tuple[float, ...]:
    """Compute AUROC on resamples of both sides, which are drawn separately so that both keep their size.

    Args:
        inside: Dense rank of each in-distribution score among all scores, shape (n,).
        outside: The same for the OOD texts, shape (m,).
        resamples: Number of resamples.
        seed_text: Seeds the draws.
    """
    ranks = 1 + max(int(inside.max()), int(outside.max()))
    pairs = len(inside) * len(outside)
    draws_inside = resample_indices(len(inside), resamples, f"{seed_text}/inside")
    draws_outside = resample_indices(len(outside), resamples, f"{seed_text}/outside")
    values = []
    for rows_inside, rows_outside in zip(draws_inside, draws_outside, strict=True):
        lower = np.bincount(inside[rows_inside], minlength=ranks)
        higher = np.bincount(outside[rows_outside], minlength=ranks)
        won = float(higher @ (np.cumsum(lower) - 0.5 * lower))
        values.append(round(won / pairs, DECIMALS))
    return tuple(values)
