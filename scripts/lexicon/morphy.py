"""WordNet's lemmatisation of a word: exception lists, otherwise endings."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ENDINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "n": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
"""Endings and their replacements in the base form by part of speech, as NLTK applies them."""

_PINNED = {
    "a": ("adj.exc", "8824cc24bbedd797b9702316b27f07cd4c2b76b629539f0a1276f03926758016"),
    "n": ("noun.exc", "2b5d675c380b39ecf595af9fa9d4e7feb1d58c643b0bff08c40ed5bfe41fab7a"),
    "r": ("adv.exc", "e7291461b629abfe63301bbe1998cee09fd575ed7107abd7ea9763adb05bf0a8"),
    "v": ("verb.exc", "dbbcf9a601b2d77e934e413b91d90e88ec7f933a8b77cfc00602a923b891b42c"),
}

Exceptions = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Part of speech, irregular form, base forms."""


def read_exceptions(folder: Path) -> Exceptions:
    """Read the four exception lists of WordNet 3.0.

    Raises:
        ValueError: one of the files is not WordNet 3.0's.
    """
    read = {}
    for kind, (name, pinned) in _PINNED.items():
        data = (folder / name).read_bytes()
        if sha256(data).hexdigest() != pinned:
            raise ValueError(f"{folder / name} is not the file of WordNet 3.0; take it from there.")
        lines = (line.split() for line in data.decode("ascii").splitlines())
        read[kind] = {form: tuple(bases) for form, *bases in lines}
    return read


@dataclass(frozen=True)
class Morphy:
    """Base forms of words.

    Attributes:
        lemmas: Part of speech to the lower-case words that WordNet has of it.
        exceptions: Irregular forms.
    """

    lemmas: Mapping[str, Collection[str]]
    exceptions: Exceptions

    def bases(self, word: str, kind: str) -> list[str]:
        """List the possible base forms of a lower-case word, itself first; an exception replaces the endings."""
        bases = self.exceptions[kind].get(word)
        if bases is None:
            bases = tuple(word[: -len(old)] + new for old, new in ENDINGS[kind] if word.endswith(old))
        return [base for base in dict.fromkeys((word, *bases)) if base in self.lemmas[kind]]

    def forms(self) -> set[str]:
        """List every word with a base form, and some whose exception has none."""
        irregular = {form for kind in self.exceptions for form in self.exceptions[kind]}
        return irregular.union(*(self._regular(kind) for kind in self.lemmas))

    def _regular(self, kind: str) -> Iterator[str]:
        for lemma in self.lemmas[kind]:
            yield lemma
            for old, new in ENDINGS[kind]:
                if lemma.endswith(new):
                    yield lemma[: len(lemma) - len(new)] + old
