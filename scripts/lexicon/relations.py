"""Derive from WordNet's synsets the pairs of vocabulary rows that should be near each other or far apart."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import TypeAlias

from scripts.lexicon.inflection import Form, inflect
from scripts.lexicon.wordnet import Key, WordNet

Lemma: TypeAlias = tuple[str, str]
"""A word and its part of speech."""
RowPairs: TypeAlias = set[tuple[int, int]]
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


@dataclass
class Forms:
    """Vocabulary rows that are forms of each lemma.

    Attributes:
        rows: lemma -> its forms that the vocabulary has, as (form, row).
        tags: row -> parts of speech and forms it can be.
        lemmas: row -> words it can be a form of.
    """

    rows: dict[Lemma, list[tuple[Form, int]]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[int, set[tuple[str, Form]]] = field(default_factory=lambda: defaultdict(set))
    lemmas: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True)
class Relations:
    """Pairs of rows, smaller first; no pair is in both sets."""

    synonyms: RowPairs
    antonyms: RowPairs


class Senses:
    """Synsets with only their lower-case words that have this meaning often enough."""

    def __init__(self, net: WordNet, least_share: float) -> None:
        self._net, self._least = net, least_share
        self._tagged: dict[Lemma, int] = defaultdict(int)
        self._senses: dict[Lemma, int] = defaultdict(int)
        for (word, key), count in net.counts.items():
            self._tagged[word, key[0]] += count
            self._senses[word, key[0]] += 1

    def words(self, key: Key) -> list[Lemma]:
        """List the words of a synset, without those that have its meaning in too few of their tagged uses."""
        return [(word, key[0]) for word in self._net.words[key] if WORD.fullmatch(word) and self._frequent(word, key)]

    def _frequent(self, word: str, key: Key) -> bool:
        # Half a use is added to every sense, so that a word that was never tagged has all its senses equally often.
        total = self._tagged[word, key[0]] + 0.5 * self._senses[word, key[0]]
        return total > 0 and (self._net.counts.get((word, key), 0) + 0.5) / total >= self._least


def find_forms(net: WordNet, vocabulary: Sequence[str]) -> Forms:
    """Inflect every lower-case lemma and keep what the vocabulary has."""
    row_of = {word: row for row, word in enumerate(vocabulary)}
    forms = Forms()
    lemmas = {(word, key[0]) for key, words in net.words.items() for word in words if WORD.fullmatch(word)}
    for lemma, kind in sorted(lemmas):
        for form, word in inflect(lemma, kind):
            row = row_of.get(word)
            if row is not None:
                forms.rows[lemma, kind].append((form, row))
                forms.tags[row].add((kind, form))
                forms.lemmas[row].add(lemma)
    return forms


def find_relations(net: WordNet, forms: Forms, least_share: float) -> Relations:
    """Collect the pairs.

    Synonyms share a synset, or are an adjective and one marked as similar to it. Antonyms are those so marked, and
    then the synonyms of one against the synonyms of the other, for adjectives with what is similar to each. A marked
    antonym is never a synonym, and a synonym never an antonym by such extension. A relation of two lemmas holds for
    the pairs of their equal forms.
    """
    senses = Senses(net, least_share)
    marked = _rows(_marked(net), forms)
    synonyms = _rows(_synonyms(net, senses), forms) - marked
    return Relations(synonyms, marked | (_rows(_extended(net, senses), forms) - synonyms))


def _synonyms(net: WordNet, senses: Senses) -> Iterator[tuple[Lemma, Lemma]]:
    for key in net.words:
        words = senses.words(key)
        yield from combinations(words, 2)
        for other in net.similar.get(key, ()):
            yield from product(words, senses.words(other))


def _marked(net: WordNet) -> Iterator[tuple[Lemma, Lemma]]:
    return (((one, key[0]), (two, other[0])) for (key, one), (other, two) in net.opposite)


def _extended(net: WordNet, senses: Senses) -> Iterator[tuple[Lemma, Lemma]]:
    for key, other in sorted({(key, other) for (key, _), (other, _) in net.opposite}):
        yield from product(_around(net, senses, key), _around(net, senses, other))


def _around(net: WordNet, senses: Senses, key: Key) -> list[Lemma]:
    return [lemma for near in (key, *net.similar.get(key, ())) for lemma in senses.words(near)]


def _rows(pairs: Iterable[tuple[Lemma, Lemma]], forms: Forms) -> RowPairs:
    return {
        (min(left, right), max(left, right))
        for one, two in pairs
        for left, right in _equal_forms(forms.rows, one, two)
        if left != right
    }


def _equal_forms(rows: Mapping[Lemma, list[tuple[Form, int]]], one: Lemma, two: Lemma) -> Iterator[tuple[int, int]]:
    for (form, left), (other, right) in product(rows.get(one, ()), rows.get(two, ())):
        if form == other:
            yield left, right
