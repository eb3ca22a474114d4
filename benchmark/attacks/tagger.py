"""Part-of-speech tags without a download, from the lexicon and rules that textblob includes."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from benchmark.schema.errors import UnavailableError, UsageError, nearest

INSTALL = "pip install -c constraints.txt -e '.[textattack]'"

_UNIVERSAL = {
    **dict.fromkeys(("NN", "NNS", "NNP", "NNPS", "NP"), "NOUN"),
    **dict.fromkeys(("VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "MD"), "VERB"),
    **dict.fromkeys(("JJ", "JJR", "JJS"), "ADJ"),
    **dict.fromkeys(("RB", "RBR", "RBS", "WRB"), "ADV"),
    **dict.fromkeys(("PRP", "PRP$", "WP", "WP$"), "PRON"),
    **dict.fromkeys(("DT", "EX", "PDT", "WDT"), "DET"),
    **dict.fromkeys(("POS", "RP", "TO"), "PRT"),
    "IN": "ADP",
    "CD": "NUM",
    "CC": "CONJ",
}
"""Universal tags of Petrov et al. (2012) by Penn Treebank tag; a tag that is not listed maps to "X"."""


def universal(penn: str) -> str:
    """Return the universal tag of a Penn tag, which may have an alternative (NN|VB) or an entity type (NNP-PERS)."""
    return _UNIVERSAL.get(re.split(r"[|-]", penn, maxsplit=1)[0], "X")


class Tagger(Protocol):
    """Tags words in their context."""

    def tag(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the universal part-of-speech tag of each word."""


class PatternTagger:
    """The tagger of textblob, from the pattern library: a lexicon, then rules for suffixes and context."""

    def __init__(self) -> None:
        """Load the tagger.

        Raises:
            UnavailableError: textblob is not installed.
        """
        try:
            from textblob.en import parser
        except ImportError as error:
            raise UnavailableError(f"The tagger needs textblob, which is not installed; run `{INSTALL}`.") from error
        self._parser = parser
        self._tags = lru_cache(maxsize=1 << 16)(self._compute)

    def tag(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the universal part-of-speech tag of each word, cached because an attack repeats the same windows."""
        return self._tags(tuple(words))

    def _compute(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(universal(tag) for _, tag in self._parser.find_tags(list(words)))


TAGGERS = {"textblob-pattern": PatternTagger}


def require_tagger(name: str) -> None:
    """Raise a `UsageError` with the nearest name if a tagger does not exist."""
    if name not in TAGGERS:
        raise UsageError(f"There is no tagger {name!r}. {nearest(name, TAGGERS)}")


def tagger_identity(name: str) -> str:
    """Return a tagger's name and version; the version is that of the library whose data decides the tags.

    Raises:
        UsageError: there is no such tagger.
        UnavailableError: its library is not installed.
    """
    require_tagger(name)
    return f"{name}/{installed_version('textblob')}"


def installed_version(distribution: str) -> str:
    """Return the version of an optional library of the attacks.

    Raises:
        UnavailableError: it is not installed; the message has the command that installs it.
    """
    try:
        return version(distribution)
    except PackageNotFoundError as error:
        raise UnavailableError(f"{distribution} is not installed; run `{INSTALL}`.") from error
