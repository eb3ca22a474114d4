"""What an attack is made of: its numbers, its parts, and the fingerprint over all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.encoder import Encoder, SentenceEncoder
from benchmark.attacks.stopwords import stop_words
from benchmark.attacks.tagger import TAGGERS, Tagger, installed_version, require_tagger, tagger_identity
from benchmark.lexicons import Lexicon, lexicon_fingerprint, lexicon_path
from benchmark.resources import locate, resource_fingerprint
from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import UsageError, nearest

if TYPE_CHECKING:
    from benchmark.suites.spec import Attack

Victim = Callable[[Sequence[tuple[str, ...]]], NDArray[np.float32]]
"""Gives logits, shape (texts, classes), for tuples of one or two texts; deterministic, with batches of its own."""

ADAPTER_VERSION = 1
"""Raised whenever this package would give another outcome for the same attack."""

_METRICS = ("angular", "cosine")


@dataclass(frozen=True, slots=True)
class TextFooler:
    """Numbers and parts of TextFooler (Jin et al., 2020) as TextAttack has it.

    The lexicon, the encoder and the tagger are not the published ones, so results are no reproduction of the paper.

    Attributes:
        candidates: Substitutes tried for a word, nearest first.
        min_cosine: Least cosine similarity in [-1, 1] between a word and its substitute.
        lexicon: Packaged lexicon, or a file.
        encoder: Resource whose sentence vectors measure similarity.
        similarity_metric: "angular" (1 - angle / pi) or "cosine".
        similarity_threshold: Least similarity between the text before and after a swap.
        window: Words around the swap that the similarity looks at; texts that are shorter are not checked.
        tagger: Part-of-speech tagger; a substitute keeps the part of speech, or swaps noun and verb.
        stopwords: List of words that are never replaced.
        query_budget: Most model queries for one example; None for no bound.
    """

    candidates: int = 50
    min_cosine: float = 0.5
    lexicon: str = "counterfitted-glove-wordnet"
    encoder: str = "minilm"
    similarity_metric: str = "angular"
    similarity_threshold: float = 0.840845057
    window: int = 15
    tagger: str = "textblob-pattern"
    stopwords: str = "textfooler"
    query_budget: int | None = None


_TYPES = {"query_budget": int, **{field.name: type(field.default) for field in fields(TextFooler) if field.default}}


@dataclass(frozen=True, slots=True)
class Parts:
    """What TextFooler works with, loaded."""

    lexicon: Lexicon
    tagger: Tagger
    encoder: Encoder
    stopwords: frozenset[str]


def textfooler(attack: "Attack") -> TextFooler:
    """Numbers of an attack of a suite; what it leaves out keeps the recipe's default.

    Raises:
        UsageError: another backend or recipe, an unknown parameter, or a value that cannot be.
    """
    for key, named, known in (("backend", attack.backend, "textattack"), ("recipe", attack.recipe, "textfooler")):
        if named != known:
            raise UsageError(f"Attack {attack.id!r}: {key} {named!r} does not exist. {nearest(named, [known])}")
    given: dict[str, bool | int | float | str] = {}
    for key, value in attack.parameters.items():
        if key not in _TYPES:
            raise UsageError(f"Attack {attack.id!r}: the parameter {key!r} does not exist. {nearest(key, _TYPES)}")
        converted = float(value) if _TYPES[key] is float and type(value) is int else value
        if type(converted) is not _TYPES[key]:
            raise UsageError(f"Attack {attack.id!r}: {key} = {value!r} must be of type {_TYPES[key].__name__}.")
        given[key] = converted
    parameters = TextFooler(**given)  # type: ignore[arg-type]
    _check_ranges(attack.id, parameters)
    return parameters


def _check_ranges(attack: str, parameters: TextFooler) -> None:
    positive = {
        "candidates": parameters.candidates,
        "window": parameters.window,
        "query_budget": parameters.query_budget,
    }
    for key, number in positive.items():
        if number is not None and number < 1:
            raise UsageError(f"Attack {attack!r}: {key} = {number} must be at least 1.")
    bounded = {"min_cosine": parameters.min_cosine, "similarity_threshold": parameters.similarity_threshold}
    for key, share in bounded.items():
        if not -1 <= share <= 1:
            raise UsageError(f"Attack {attack!r}: {key} = {share} must lie between -1 and 1.")
    if parameters.similarity_metric not in _METRICS:
        known = nearest(parameters.similarity_metric, _METRICS)
        raise UsageError(
            f"Attack {attack!r}: similarity_metric {parameters.similarity_metric!r} does not exist. {known}"
        )
    require_tagger(parameters.tagger)


def load_parts(parameters: TextFooler, device: str = "cpu") -> Parts:
    """Load lexicon, tagger, encoder and stop words.

    Raises:
        UsageError: one of the names does not exist.
        UnavailableError: a resource or an optional library is not on this machine.
    """
    return Parts(
        lexicon=Lexicon.read(lexicon_path(parameters.lexicon)),
        tagger=TAGGERS[parameters.tagger](),
        encoder=SentenceEncoder(locate(parameters.encoder), device),
        stopwords=stop_words(parameters.stopwords),
    )


def attack_identity(attack: "Attack") -> dict[str, Any]:
    """Every number of an attack, and the hash or version of everything that decides an outcome, as a JSON value.

    Only the attack's title and description are left out. The examples and the model are not part of it.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: an optional library, whose version counts, is not installed.
    """
    parameters = textfooler(attack)
    parts: Mapping[str, str] = {
        "lexicon": lexicon_fingerprint(lexicon_path(parameters.lexicon)),
        "encoder": resource_fingerprint(parameters.encoder),
        "tagger": tagger_identity(parameters.tagger),
        "stopwords": fingerprint(sorted(stop_words(parameters.stopwords))),
        "search": f"textattack/{installed_version('textattack')}",
    }
    return {
        "adapter": ADAPTER_VERSION,
        "id": attack.id,
        "version": attack.version,
        "on": attack.on,
        "subset": attack.subset,
        "backend": attack.backend,
        "recipe": attack.recipe,
        # Where a lexicon lies says nothing about it; its hash does.
        "parameters": {**asdict(parameters), "lexicon": None},
        "parts": dict(parts),
    }


def require_parts(attack: "Attack") -> None:
    """Find out before anything long starts whether an attack can be run on this machine.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: a resource or an optional library is not on this machine; the sentence says how to get it.
    """
    attack_identity(attack)
    locate(textfooler(attack).encoder)


def attack_fingerprint(attack: "Attack") -> str:
    """Hash of `attack_identity`: ``sha256:`` and 64 hexadecimal digits."""
    return fingerprint(attack_identity(attack))
