"""Overlap of evaluation and training data: how many evaluation examples training has already seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from benchmark.data.dataset import Dataset, Example
from benchmark.data.text_normalisation import text_key, words

SHINGLE = 8
"""Number of consecutive words that two texts must share to count as near duplicates."""

SIMILARITY = Fraction(4, 5)
"""Jaccard similarity of word sets above which two texts count as near duplicates."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Number of examples of an evaluation task that are in the training data.

    Attributes:
        exact: the same text but for case, punctuation and spaces.
        near: not exact, but shares eight consecutive words with one training text, or has a word set whose Jaccard
            similarity with that of one training text is at least 0.8. A pair counts as its two texts in sequence.
        n: examples of the task.
    """

    exact: int
    near: int
    n: int


def overlap(train: Dataset, task: Dataset) -> Overlap:
    """Count the task's examples that are in `train`, exactly or nearly, whatever their labels."""
    return TrainingIndex(train).overlap(task)


class TrainingIndex:
    """Index of training texts by key, shingle and rarest words, built once for many evaluation tasks.

    The search for near duplicates is exhaustive. It looks up only the rarest words of each set, since two sets above
    the similarity threshold must share one of them.
    """

    def __init__(self, train: Dataset) -> None:
        texts = [(text_key(example.texts), _words(example)) for example in train.examples]
        self.keys = {key for key, _ in texts}
        self.shingles = {shingle for _, sequence in texts for shingle in _shingles(sequence)}
        self.sets = [frozenset(sequence) for _, sequence in texts]
        self.frequency = Counter(word for word_set in self.sets for word in word_set)
        self.by_rare_word: Mapping[str, list[int]] = defaultdict(list)
        for number, word_set in enumerate(self.sets):
            for word in self._prefix(word_set):
                self.by_rare_word[word].append(number)

    def overlap(self, task: Dataset) -> Overlap:
        """Count the task's examples that are in the training data, exactly or nearly."""
        new = [example for example in task.examples if text_key(example.texts) not in self.keys]
        return Overlap(len(task) - len(new), sum(self.has_near(_words(example)) for example in new), len(task))

    def has_near(self, sequence: list[str]) -> bool:
        """Return whether the words of a text are near those of a training text."""
        if any(shingle in self.shingles for shingle in _shingles(sequence)):
            return True
        mine = frozenset(sequence)
        candidates = {number for word in self._prefix(mine) for number in self.by_rare_word.get(word, ())}
        return any(_similar(mine, self.sets[number]) for number in candidates)

    def _prefix(self, word_set: frozenset[str]) -> list[str]:
        """Return the rarest words of a set: as many as a similar set must share one of."""
        size = len(word_set) - ceil(SIMILARITY * len(word_set)) + 1 if word_set else 0
        return sorted(word_set, key=lambda word: (self.frequency[word], word))[:size]


def _similar(left: frozenset[str], right: frozenset[str]) -> bool:
    return len(left & right) >= SIMILARITY * len(left | right)


def _shingles(sequence: list[str]) -> Iterable[int]:
    # Store hashes instead of words: a training set of 400,000 texts has ten million shingles.
    return (hash(tuple(sequence[start : start + SHINGLE])) for start in range(len(sequence) - SHINGLE + 1))


def _words(example: Example) -> list[str]:
    return [word for text in example.texts for word in words(text)]
