"""The training set as a run sees it: encoded once, in an order and in batches that each epoch draws from the seed."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.data import Dataset
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import TemperError
from benchmark.suites import Recipe
from benchmark.training.context import MethodError, derive_seed
from benchmark.training.method_errors import GuardedMethod

POOL = 50
"""Batches of a shuffled epoch whose examples are sorted by length together under ``batching = "length"``."""


class DataLoader:
    """Batches of a training set, each order drawn from the seed, a purpose and the epoch alone."""

    def __init__(self, method: GuardedMethod, model: Classifier, train: Dataset, recipe: Recipe, seed: int) -> None:
        """Encode every example.

        Args:
            method: Encodes an example and cuts an epoch into batches.
            model: Collates the batches.
            train: The training set.
            recipe: Its batch size, accumulation and batching.
            seed: The run's seed.
        """
        self._method, self._model, self._train, self._recipe, self._seed = method, model, train, recipe, seed
        self._encoded = [method.encode_example(model, example) for example in train.examples]

    def windows(self, epoch: int) -> list[list[list[int]]]:
        """Return an epoch's accumulation windows of micro-batches of row numbers; at least one.

        Raises:
            MethodError: the method gives no batches.
        """
        rows, size = self._rows("epoch", epoch), self._recipe.accumulation
        windows = [rows[start : start + size] for start in range(0, len(rows), size)]
        if not windows:
            raise MethodError(f"Method {self._method.name!r} gives no batches for {len(self._train)} examples.")
        return windows

    def batches(self, purpose: str, epoch: int) -> Iterator[Batch]:
        """Yield the training set once, in the order of a purpose and an epoch."""
        return (self.batch(rows) for rows in self._rows(purpose, epoch))

    def batch(self, rows: Sequence[int]) -> Batch:
        """Collate the examples of some row numbers, in their order.

        Raises:
            TemperError: an example has no label.
        """
        labels = [self._label(row) for row in rows]
        with self._method.guard("encode_example (collating what it returned)"):
            return self._model.collate([self._encoded[row] for row in rows], labels)

    def _rows(self, purpose: str, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng(derive_seed(self._seed, purpose, epoch))
        batches = self._method.batches(self._train.examples, self._recipe.batch_size, rng)
        if self._recipe.batching == "length" and not self._method.has_own_batches:
            return self._of_similar_length(batches, rng)
        return batches

    def _of_similar_length(self, batches: list[list[int]], rng: np.random.Generator) -> list[list[int]]:
        """Sort the rows of every `POOL` shuffled batches by length, cut them again and shuffle the batches."""
        size, sorted_batches = self._recipe.batch_size, list[list[int]]()
        for start in range(0, len(batches), POOL):
            pool = [row for batch in batches[start : start + POOL] for row in batch]
            pool.sort(key=lambda row: len(self._encoded[row]["input_ids"]))
            sorted_batches += [pool[at : at + size] for at in range(0, len(pool), size)]
        return [sorted_batches[index] for index in rng.permutation(len(sorted_batches))]

    def _label(self, row: int) -> int:
        label = self._train.examples[row].label
        if label is None:
            example = self._train.examples[row].id
            raise TemperError(f"Training example {example!r} of {self._train.name} has no label.")
        return label
