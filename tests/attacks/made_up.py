"""Texts, lexicons and victims drawn from seeds: many cases without a model, both backends on the same of them."""

import random
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from benchmark.attacks import Parts, run_attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, Example
from benchmark.lexicons import Lexicon
from benchmark.suites.spec import Attack
from tests.attacks.fakes import VerbTagger, WordEncoder

WORDS = [f"{start}{middle}{end}" for start in ("b", "gr", "s", "Tr") for middle in "aeiou" for end in ("n", "lly", "k")]
STOPWORDS = frozenset(WORDS[::9])
_MARKS = [",", ".", " -", "!", "'s", ""]


def lexicon(seed=0, most=5):
    """Each word in lower case with some of the others, and cosines from 0.4 to 1."""
    rng, lines = random.Random(seed), {}
    for word in sorted(word.lower() for word in WORDS):
        near = rng.sample([other.lower() for other in WORDS if other.lower() != word], rng.randint(0, most))
        cosines = sorted((round(rng.uniform(0.4, 1), 3) for _ in near), reverse=True)
        lines[word] = " ".join(f"{other}:{cosine}" for other, cosine in zip(near, cosines, strict=True))
    return Lexicon(lines, "sha256:made-up", "made up")


def parts(seed=0, most=5):
    return Parts(encoder=WordEncoder(), lexicon=lexicon(seed, most), tagger=VerbTagger(), stopwords=STOPWORDS)


def victim(classes=2, seed=0):
    """Logits from the words and from pairs of neighbours, so that one swap changes what another one does."""

    def asked(texts):
        return np.array([_logits("\n".join(text).split(), classes, seed) for text in texts], dtype=np.float32)

    return asked


def _logits(words, classes, seed):
    features = [*words, *map(" ".join, zip(words, words[1:], strict=False))]
    drawn = [
        np.random.default_rng(zlib.crc32(f"{seed} {feature}".encode())).normal(size=classes) for feature in features
    ]
    return sum(drawn, np.zeros(classes)) * 0.6


def examples(number, words, asked, seed=0, pair=False):
    """Examples that the victim has right."""
    rng, made = random.Random(seed), []
    for place in range(number):
        text = tuple(_text(rng, rng.randint(*words)) for _ in range(1 + pair))
        made.append(Example(str(place), text, int(asked([text])[0].argmax())))
    return Dataset("made up", tuple(made), ("a", "b", "c"))


def _text(rng, words):
    return " ".join(rng.choice(WORDS) + rng.choice(_MARKS) * (rng.random() < 0.2) for _ in range(words))


class Unsure(ModelVictim):
    """A function as a victim that errs by a known bound when it is asked quickly, and otherwise for every company."""

    def __init__(self, function, error):
        self._function, self._error = function, error

    def __call__(self, texts):
        return self._function(texts)

    def tiers(self):
        return [self._noisy(self._error), self._noisy(self._error / 100), self._function]

    def _noisy(self, error):
        def asked(texts):
            company = zlib.crc32(repr(sorted(texts)).encode())
            rngs = [np.random.default_rng([company, zlib.crc32(repr(text).encode())]) for text in texts]
            exact = self._function(texts)
            # The bound is met by a random sign, so that it is seen in a few answers.
            return exact + np.array([rng.choice([-error, error], size=exact.shape[1]) for rng in rngs], np.float32)

        return asked


def spec(recipe, backend="engine", **parameters):
    return Attack(
        id=recipe.replace("_", "-"), version=1, title="A title", description="A description.", on="in-distribution",
        subset=10, recipe=recipe, backend=backend, parameters=parameters,
    )  # fmt: skip


def outcomes(folder, attack, dataset, asked, made, in_flight=64):
    """What the two backends must agree on."""
    journal = Path(folder, f"{attack.backend}.jsonl")
    journal.unlink(missing_ok=True)
    rows = run_attack(attack, dataset, asked, journal, parts=made, in_flight=in_flight)
    return [(row.id, row.outcome, row.perturbed, row.queries, row.reason) for row in rows]
