"""A victim, an encoder, a tagger and a lexicon that need no model, so that an attack takes milliseconds."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from benchmark.attacks import Parts
from benchmark.attacks.suite_attack import Attack
from benchmark.data import Dataset, Example
from benchmark.lexicons import Lexicon

WEIGHTS = {
    "good": 2.0, "fine": 1.0, "decent": -0.25, "nice": 0.5, "great": 3.0, "big": -1.0, "charming": 1.0, "cute": -2.0,
    "bad": -2.0, "poor": -1.5, "dull": -1.0, "slow": 0.5, "film": 0.0, "movie": 0.25, "watch": 0.1, "view": -0.1,
}  # fmt: skip
"""Positive words speak for class 1."""

LEXICON = {
    "bad": [("poor", 0.9), ("dull", 0.6)],
    "charming": [("cute", 0.8)],
    "dull": [("slow", 0.7), ("bad", 0.6)],
    "film": [("movie", 0.95)],
    "good": [("fine", 0.9), ("nice", 0.8), ("decent", 0.7), ("bad", 0.4)],
    "great": [("big", 0.8), ("good", 0.75)],
    "watch": [("view", 0.9)],
}

VERBS = {"watch", "view"}

TINY = {
    "good": [("bad", 0.9), ("fine", 0.8)], "great": [("dull", 0.9), ("good", 0.8)], "fine": [("slow", 0.7)],
    "funny": [("cold", 0.6)], "warm": [("cold", 0.9)], "bad": [("good", 0.9)], "awful": [("fine", 0.8)],
    "dull": [("funny", 0.7), ("slow", 0.6)], "cold": [("warm", 0.9)], "slow": [("fine", 0.7)],
    "film": [("movie", 0.9), ("story", 0.6)], "plot": [("script", 0.9)], "very": [("not", 0.6)],
}  # fmt: skip
"""Neighbours among the words that the tiny model knows."""


def write_lexicon(path: Path, entries=LEXICON) -> Path:
    lines = [f"{word}\t{' '.join(f'{w}:{c}' for w, c in near)}\n" for word, near in sorted(entries.items())]
    path.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
    return path


def victim(texts):
    """A bag of words: the last text's weights, added up; counts its calls nowhere, so it is pure."""
    totals = [sum(WEIGHTS.get(word.strip(".,!").lower(), 0.0) for word in text[-1].split()) for text in texts]
    return np.array([[-total / 2, total / 2] for total in totals], dtype=np.float32)


class WordEncoder:
    """Sums fixed random vectors of the words; similar texts have similar vectors."""

    def __init__(self):
        self.asked = []

    def encode(self, sentences):
        self.asked.extend(sentences)
        vectors = np.array([sum((self._word(w) for w in s.lower().split()), np.zeros(16)) for s in sentences])
        return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    @staticmethod
    def _word(word):
        return np.random.default_rng(zlib.crc32(word.encode())).normal(size=16) + 0.5


class VerbTagger:
    """Verbs are listed, adjectives are what the lexicon weighs, all else are nouns."""

    def tag(self, words):
        return tuple(
            "VERB" if w.lower() in VERBS else "ADJ" if WEIGHTS.get(w.lower(), 0) and w != "movie" else "NOUN"
            for w in words
        )


def lexicon(entries=LEXICON):
    text = {word: " ".join(f"{w}:{c}" for w, c in near) for word, near in entries.items()}
    return Lexicon(text, "sha256:tiny", "tiny")


def parts(entries=LEXICON, stopwords=("the", "a", "is", "this", "to")):
    return Parts(encoder=WordEncoder(), lexicon=lexicon(entries), tagger=VerbTagger(), stopwords=frozenset(stopwords))


def attack(lexicon: Path, backend="engine", **parameters):
    return Attack(
        id="textfooler", version=1, title="A title", description="A description.", on="in-distribution", subset=10,
        recipe="textfooler", backend=backend, parameters={"lexicon": str(lexicon), **parameters},
    )  # fmt: skip


def dataset(*texts, labels=None):
    labels = labels or [int(victim([t if isinstance(t, tuple) else (t,)])[0].argmax()) for t in texts]
    pairs = [t if isinstance(t, tuple) else (t,) for t in texts]
    examples = tuple(Example(str(10 + i), text, labels[i]) for i, text in enumerate(pairs))
    return Dataset("tiny", examples, ("negative", "positive"))
