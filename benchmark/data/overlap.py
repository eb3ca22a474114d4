"""How much of a probe was already seen in training."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from benchmark.data.dataset import Dataset, Example
from benchmark.data.text_normalisation import text_key, words

SHINGLE = 8
"""Words in a row that two texts must share to count as near."""

SIMILARITY = Fraction(4, 5)
"""Jaccard similarity of word sets from which two texts count as near."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Examples of a probe that training has shown before.

    Attributes:
        exact: the same text but for case, punctuation and spaces.
        near: not exact, but shares eight words in a row with one training text, or has a word set whose Jaccard
            similarity with one training text's is at least 0.8. For pairs, words of both texts in a row.
        n: examples of the probe.
    """

    exact: int
    near: int
    n: int


def overlap(train: Dataset, probe: Dataset) -> Overlap:
    """Count the probe's examples that are in `train`, exactly or nearly; labels play no part."""
    return TrainingIndex(train).overlap(probe)


class TrainingIndex:
    """Training texts by key, by shingle and by their rarest words; built once, asked about many probes.

    The near search is complete, not sampled: for the word sets it looks up each text's rarest words only, of which
    two sets as similar as that must share one.
    """

    def __init__(self, train: Dataset) -> None:
        texts = [(text_key(example.texts), _words(example)) for example in train.examples]
        self.keys = {key for key, _ in texts}
        self.shingles = {shingle for _, found in texts for shingle in _shingles(found)}
        self.sets = [frozenset(found) for _, found in texts]
        self.frequency = Counter(word for found in self.sets for word in found)
        self.by_rare_word: Mapping[str, list[int]] = defaultdict(list)
        for number, found in enumerate(self.sets):
            for word in self._prefix(found):
                self.by_rare_word[word].append(number)

    def overlap(self, probe: Dataset) -> Overlap:
        """Count the probe's examples that training has shown, exactly or nearly."""
        new = [example for example in probe.examples if text_key(example.texts) not in self.keys]
        return Overlap(len(probe) - len(new), sum(self.has_near(_words(example)) for example in new), len(probe))

    def has_near(self, found: list[str]) -> bool:
        """Whether one training text is near these words."""
        if any(shingle in self.shingles for shingle in _shingles(found)):
            return True
        mine = frozenset(found)
        candidates = {number for word in self._prefix(mine) for number in self.by_rare_word.get(word, ())}
        return any(_similar(mine, self.sets[number]) for number in candidates)

    def _prefix(self, found: frozenset[str]) -> list[str]:
        """The rarest words of a set: so many that a similar set cannot avoid all of them."""
        size = len(found) - ceil(SIMILARITY * len(found)) + 1 if found else 0
        return sorted(found, key=lambda word: (self.frequency[word], word))[:size]


def _similar(left: frozenset[str], right: frozenset[str]) -> bool:
    return len(left & right) >= SIMILARITY * len(left | right)


def _shingles(found: list[str]) -> Iterable[int]:
    # Hashes instead of the words: a training set of 400,000 texts has ten million shingles.
    return (hash(tuple(found[start : start + SHINGLE])) for start in range(len(found) - SHINGLE + 1))


def _words(example: Example) -> list[str]:
    return [word for text in example.texts for word in words(text)]
