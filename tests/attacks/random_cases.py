"""Texts, lexicons and victims drawn from seeds: many cases without a model, both backends on the same of them."""

import random
import zlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmark.attacks import Parts, run_attack
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, Example
from benchmark.lexicons import Lexicon
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
    features = [*words, *map(" ".join, pairwise(words))]
    return sum((_drawn(f"{seed} {feature}", classes) for feature in features), np.zeros(classes))


@cache
def _drawn(feature, classes):
    return np.random.default_rng(zlib.crc32(feature.encode())).normal(scale=0.6, size=classes)


def examples(number, words, asked, seed=0, pair=False):
    """Examples that the victim has right."""
    rng, made = random.Random(seed), []
    for place in range(number):
        text = tuple(_text(rng, rng.randint(*words)) for _ in range(1 + pair))
        made.append(Example(str(place), text, int(asked([text])[0].argmax())))
    return Dataset("made up", tuple(made), ("a", "b", "c"))


def _text(rng, words):
    return " ".join(rng.choice(WORDS) + rng.choice(_MARKS) * (rng.random() < 0.2) for _ in range(words))


class NoisyVictim(ModelVictim):
    """A function as a victim that errs by a known bound when it is asked quickly, and otherwise for every company."""

    def __init__(self, function, error):
        self._function, self._error = function, error

    def __call__(self, texts):
        return self._function(texts)

    def tiers(self):
        return [self._noisy(self._error), self._noisy(self._error / 100), self._function]

    def _noisy(self, error):
        def asked(texts):
            company, exact = zlib.crc32(repr(sorted(texts)).encode()), self._function(texts)
            # The bound itself, up or down, so that it is seen in a few answers.
            seeds = [zlib.crc32(repr(text).encode(), company) for text in texts]
            signs = [[1 - 2 * (seed >> place & 1) for place in range(exact.shape[1])] for seed in seeds]
            return exact + np.array(signs, np.float32) * np.float32(error)

        return asked


def spec(recipe, backend="engine", **parameters):
    return Attack(
        id=recipe.replace("_", "-"), version=1, title="A title", description="A description.", on="in-distribution",
        subset=10, recipe=recipe, backend=backend, parameters=parameters,
    )  # fmt: skip


def outcomes(folder, attack, dataset, asked, made, in_flight=64):
    """Return what the two backends must agree on."""
    journal = Path(folder, f"{attack.backend}.jsonl")
    journal.unlink(missing_ok=True)
    rows = run_attack(attack, dataset, asked, journal, parts=made, in_flight=in_flight)
    return [(row.id, row.outcome, row.perturbed, row.queries, row.reason) for row in rows]


def by_both(folder, recipe, dataset, asked, made, **parameters):
    """Return the outcomes of the engine and of TextAttack."""
    attacks = (spec(recipe, backend, **parameters) for backend in ("engine", "textattack"))
    return [outcomes(folder, attack, dataset, asked, made) for attack in attacks]


def assert_same_distribution(folder, recipe, number, words, *, pair=False, seeds=60, seed=2, **parameters):
    """Over the seeds of an example, mean queries are within 4 standard errors, the share of flips within 0.15."""
    asked, made, varied = victim(2, seed), parts(seed), 0
    texts = examples(number, words, asked, seed, pair).examples
    repeated = tuple(Example(f"{e.id}-{turn}", e.texts, e.label) for e in texts for turn in range(seeds))
    both = by_both(folder, recipe, Dataset("seeds", repeated, ("a", "b")), asked, made, **parameters)
    for example in texts:
        ours, theirs = ([row for row in rows if row[0].split("-")[0] == example.id] for rows in both)
        queries = [np.array([row[3] for row in rows], dtype=float) for rows in (ours, theirs)]
        error = np.hypot(*(q.std() / len(q) ** 0.5 for q in queries))
        assert abs(queries[0].mean() - queries[1].mean()) <= 4 * error + 1e-9
        flips = [np.mean([row[1] == "flipped" for row in rows]) for rows in (ours, theirs)]
        assert abs(flips[0] - flips[1]) <= 0.15
        varied += error > 0
    assert varied, "nothing random happened"
