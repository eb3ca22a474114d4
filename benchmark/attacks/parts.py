"""The parts that attacks are made of: found by name, told apart by hash, loaded when they are needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchmark.attacks.encoder import Encoder, SentenceEncoder
from benchmark.attacks.masked_lm import MaskedLM, load_named, masked_lm_identity
from benchmark.attacks.replay import Replay, read_replay, replay_identity
from benchmark.attacks.stopwords import stop_words
from benchmark.attacks.tagger import TAGGERS, Tagger, tagger_identity
from benchmark.lexicons import Lexicon, lexicon_fingerprint, lexicon_path
from benchmark.resources import locate, resource_fingerprint
from benchmark.schema.canonical import fingerprint
from benchmark.suites.recipes import Numbers


@dataclass(frozen=True, slots=True)
class Parts:
    """What an attack works with, loaded; None for what it has no use for."""

    encoder: Encoder
    stopwords: frozenset[str] = frozenset()
    lexicon: Lexicon | None = None
    tagger: Tagger | None = None
    masked_lm: MaskedLM | None = None
    table: Replay | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of part.

    Attributes:
        identity: What tells the part of a name from all others: a hash, or a name with a version.
        load: Loads it, for a device.
    """

    identity: Callable[[str], str]
    load: Callable[[str, str], Any]


_KINDS: Mapping[str, _Kind] = {
    "lexicon": _Kind(lambda name: lexicon_fingerprint(lexicon_path(name)), lambda name, _: _read_lexicon(name)),
    "encoder": _Kind(resource_fingerprint, lambda name, device: SentenceEncoder(locate(name), device)),
    "tagger": _Kind(tagger_identity, lambda name, _: TAGGERS[name]()),
    "masked_lm": _Kind(masked_lm_identity, load_named),
    "table": _Kind(lambda name: replay_identity(Path(name)), lambda name, _: read_replay(Path(name))),
    "stopwords": _Kind(lambda name: fingerprint(sorted(stop_words(name))), lambda name, _: stop_words(name)),
}
"""By the name of the field that holds a part's name."""


def part_names(numbers: Numbers) -> dict[str, str]:
    """Which of an attack's fields name parts, and which parts they name."""
    named = {field.name: getattr(numbers, field.name) for field in fields(numbers) if field.name in _KINDS}
    return {kind: name for kind, name in named.items() if name is not None}


def part_identities(numbers: Numbers) -> dict[str, str]:
    """Hash or version of everything beside the numbers that decides an attack's outcome.

    Raises:
        UsageError: a part does not exist.
        UnavailableError: an optional library, whose version counts, is not installed.
    """
    return {kind: _KINDS[kind].identity(name) for kind, name in part_names(numbers).items()}


def load_parts(numbers: Numbers, device: str = "cpu") -> Parts:
    """Load an attack's parts.

    Raises:
        UsageError: one of the names does not exist.
        UnavailableError: a resource or an optional library is not on this machine.
    """
    return Parts(**{kind: _KINDS[kind].load(name, device) for kind, name in part_names(numbers).items()})


def _read_lexicon(name: str) -> Lexicon:
    return Lexicon.read(lexicon_path(name))
