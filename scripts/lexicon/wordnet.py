"""Read WordNet 3.0's data files: single-word lemmas, synsets, antonyms, similar adjectives, sense counts, endings."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

Key: TypeAlias = tuple[str, int]
"""A synset: part of speech (n, v, a or r) and byte offset in WordNet's own file."""
_KINDS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}


@dataclass
class WordNet:
    """The part of WordNet that the lexicon needs.

    Attributes:
        words: synset -> its words, in WordNet's order and case; words of several parts are left out.
        similar: adjective synset -> synsets marked similar to it (a head and its satellites).
        opposite: pairs of (synset, word), (synset, word) marked as antonyms, each direction once.
        counts: (word in lower case, synset) -> how often the word was tagged with this sense in WordNet's concordance.
    """

    words: dict[Key, list[str]] = field(default_factory=dict)
    similar: dict[Key, list[Key]] = field(default_factory=lambda: defaultdict(list))
    opposite: list[tuple[tuple[Key, str], tuple[Key, str]]] = field(default_factory=list)
    counts: dict[tuple[str, Key], int] = field(default_factory=dict)


def read_wordnet(folder: Path) -> WordNet:
    """Read ``data.*`` (a file may be split into several parts) and ``index.sense`` of a WordNet 3.0 ``dict`` folder."""
    net = WordNet()
    raw: dict[Key, list[str]] = {}
    pointers: list[tuple[Key, str, Key, int, int]] = []
    for path in sorted(folder.glob("data.*")):
        with path.open(encoding="latin-1") as stream:
            # Lines of the licence at the top begin with spaces.
            for line in (line for line in stream if not line.startswith(" ")):
                _read_synset(line.partition("|")[0].split(), raw, pointers)
    net.words = {key: [word for word in words if "_" not in word] for key, words in raw.items()}
    for key, symbol, other, source, target in pointers:
        if symbol == "&":
            net.similar[key].append(other)
        elif symbol == "!":
            net.opposite.append(((key, raw[key][source - 1]), (other, raw[other][target - 1])))
    net.counts = _read_counts((folder / "index.sense").read_text(encoding="latin-1").splitlines())
    return net


def _read_synset(fields: list[str], raw: dict[Key, list[str]], pointers: list[tuple[Key, str, Key, int, int]]) -> None:
    """Parse one line: offset, file number, type, word count (hex), words, pointer count, pointers."""
    key = (_plain(fields[2]), int(fields[0]))
    count = int(fields[3], 16)
    # An adjective may carry a mark of its position, as in "galore(ip)".
    raw[key] = [word.partition("(")[0] for word in fields[4 : 4 + 2 * count : 2]]
    start = 4 + 2 * count
    for at in range(start + 1, start + 1 + 4 * int(fields[start]), 4):
        symbol, offset, kind, ends = fields[at : at + 4]
        pointers.append((key, symbol, (_plain(kind), int(offset)), int(ends[:2], 16), int(ends[2:], 16)))


def _plain(kind: str) -> str:
    """Return the part of speech; satellite adjectives (s) are adjectives."""
    return "a" if kind == "s" else kind


def _read_counts(lines: Iterable[str]) -> dict[tuple[str, Key], int]:
    counts = {}
    for line in lines:
        sense, offset, _, count = line.split()
        lemma, _, rest = sense.partition("%")
        counts[lemma, (_KINDS[rest[0]], int(offset))] = int(count)
    return counts


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
