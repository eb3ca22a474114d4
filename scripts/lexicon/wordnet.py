"""Read WordNet 3.0's data files: single-word lemmas, synsets, antonyms, similar adjectives, sense counts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
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
