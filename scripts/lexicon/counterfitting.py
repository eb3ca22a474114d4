"""Counter-fitting (Mrksic et al., 2016): pull synonyms together and push antonyms apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Pairs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of the procedure.

    Attributes:
        sweeps: how often every vector moves.
        step: how far along its averaged gradient a unit vector moves in a sweep.
        synonym_margin: cosine distance below which synonyms are close enough, 0 to 2.
        antonym_margin: cosine distance from which antonyms are far enough, 0 to 2.
        keep_within: original neighbours up to this cosine distance are held together.
        keep_weight: weight of that term; the two relations have weight 1.
    """

    sweeps: int = 40
    step: float = 0.1
    synonym_margin: float = 0.2
    antonym_margin: float = 1.0
    keep_within: float = 0.2
    keep_weight: float = 0.25


class Edges:
    """Undirected pairs of rows as directed edges sorted by source, to sum over each row's partners."""

    def __init__(self, pairs: Pairs, rows: int) -> None:
        both = np.concatenate([pairs, pairs[:, ::-1]]) if len(pairs) else np.empty((0, 2), np.int64)
        order = np.lexsort((both[:, 1], both[:, 0]))
        self.source, self.target = both[order, 0], both[order, 1]
        self.rows = rows

    def cosines(self, vectors: Vectors) -> Vectors:
        """Compute the cosine of every edge's ends, for unit vectors."""
        return np.asarray(np.einsum("ij,ij->i", vectors[self.source], vectors[self.target]))

    def mean_pull(self, vectors: Vectors, active: NDArray[np.bool_], cosines: Vectors) -> Vectors:
        """Compute for each row the mean over its active edges of the cosine's gradient with respect to the row.

        For unit vectors u and w that gradient is w - cos(u, w) u; rows without an active edge get zero.
        """
        source, target = self.source[active], self.target[active]
        total = np.zeros_like(vectors)
        if not len(source):
            return total
        starts = np.flatnonzero(np.r_[True, source[1:] != source[:-1]])
        pulls = vectors[target] - cosines[active, None] * vectors[source]
        counts = np.diff(np.r_[starts, len(source)])
        total[source[starts]] = np.add.reduceat(pulls, starts, axis=0) / counts[:, None]
        return total


def counterfit(vectors: Vectors, synonyms: Pairs, antonyms: Pairs, settings: Settings) -> Vectors:
    """Counter-fit unit vectors.

    Args:
        vectors: (words, dimensions), each of length 1.
        synonyms: (pairs, 2) row numbers, each pair once.
        antonyms: (pairs, 2) row numbers, each pair once.
        settings: the numbers.

    Returns:
        New unit vectors of the same shape.
    """
    near, far = Edges(synonyms, len(vectors)), Edges(antonyms, len(vectors))
    kept = Edges(close_pairs(vectors, 1.0 - settings.keep_within), len(vectors))
    original = kept.cosines(vectors)
    moved = vectors.copy()
    for _ in range(settings.sweeps):
        pull = _relations_pull(moved, near, far, settings) + settings.keep_weight * _keeping_pull(moved, kept, original)
        moved = moved + settings.step * pull
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return moved


def _relations_pull(vectors: Vectors, near: Edges, far: Edges, settings: Settings) -> Vectors:
    """Compute the negative gradient of the hinge losses of synonyms and antonyms, averaged over active pairs."""
    near_cosines, far_cosines = near.cosines(vectors), far.cosines(vectors)
    attract = near.mean_pull(vectors, 1.0 - near_cosines > settings.synonym_margin, near_cosines)
    repel = far.mean_pull(vectors, 1.0 - far_cosines < settings.antonym_margin, far_cosines)
    return attract - repel


def _keeping_pull(vectors: Vectors, kept: Edges, original: Vectors) -> Vectors:
    """Compute the same gradient for original neighbours whose distance has grown."""
    cosines = kept.cosines(vectors)
    return kept.mean_pull(vectors, cosines < original, cosines)


def close_pairs(vectors: Vectors, cosine: float) -> Pairs:
    """Find all pairs of rows with at least this cosine, (pairs, 2), smaller row first, in order."""
    blocks = [np.empty((0, 2), np.int64)]
    for start, block in cosine_blocks(vectors, vectors):
        left, right = np.nonzero(block >= cosine)
        left = left + start
        blocks.append(np.stack([left, right], axis=1)[left < right])
    return np.concatenate(blocks)


def cosine_blocks(left: Vectors, right: Vectors, rows: int = 1000) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield cosines of left and right rows, `rows` at a time, in single precision, to select candidates."""
    one, two = left.astype(np.float32), right.astype(np.float32)
    for start in range(0, len(one), rows):
        yield start, one[start : start + rows] @ two.T


def sharpen(vectors: Vectors, components: int) -> Vectors:
    """Centre vectors, remove their leading principal components, and scale them to length 1 (Mu and Viswanath, 2018).

    What all words have in common hides differences of meaning; in 50 dimensions most of all.

    Args:
        vectors: (words, dimensions).
        components: how many to remove, below the number of dimensions.
    """
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    leading = axes[:, axes.shape[1] - components :]
    left = centred - (centred @ leading) @ leading.T
    return np.asarray(left / np.linalg.norm(left, axis=1, keepdims=True))
