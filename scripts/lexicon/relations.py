"""Derive from WordNet's synsets the pairs of vocabulary rows that should be near each other or far apart.

A relation between two lemmas also holds for their other forms, which `inflect` makes by rule and table.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal, TypeAlias

from scripts.lexicon.wordnet import Key, WordNet

Form: TypeAlias = Literal["base", "plural", "third", "past", "participle", "gerund", "more", "most"]

_VERBS = """
arise arose arisen/ awake awoke awoken/ bear bore borne/ beat beat beaten/ become became become/ begin began begun/
bend bent/ bet bet/ bind bound/ bite bit bitten/ bleed bled/ blow blew blown/ break broke broken/ breed bred/ bring
brought/ build built/ burst burst/ buy bought/ cast cast/ catch caught/ choose chose chosen/ cling clung/ come came
come/ cost cost/ creep crept/ cut cut/ deal dealt/ dig dug/ do did done/ draw drew drawn/ drink drank drunk/ drive
drove driven/ eat ate eaten/ fall fell fallen/ feed fed/ feel felt/ fight fought/ find found/ flee fled/ fling
flung/ fly flew flown/ forbid forbade forbidden/ forget forgot forgotten/ forgive forgave forgiven/ freeze froze
frozen/ get got gotten/ give gave given/ go went gone/ grind ground/ grow grew grown/ hang hung/ have had/ hear
heard/ hide hid hidden/ hit hit/ hold held/ hurt hurt/ keep kept/ know knew known/ lay laid/ lead led/ leave left/
lend lent/ let let/ lie lay lain/ light lit/ lose lost/ make made/ mean meant/ meet met/ mislead misled/ mistake
mistook mistaken/ overcome overcame overcome/ pay paid/ prove proved proven/ put put/ quit quit/ read read/ rid rid/
ride rode ridden/ ring rang rung/ rise rose risen/ run ran run/ say said/ see saw seen/ seek sought/ sell sold/ send
sent/ set set/ sew sewed sewn/ shake shook shaken/ shed shed/ shine shone/ shoot shot/ show showed shown/ shrink
shrank shrunk/ shut shut/ sing sang sung/ sink sank sunk/ sit sat/ sleep slept/ slide slid/ speak spoke spoken/
spend spent/ spin spun/ spit spat/ split split/ spread spread/ spring sprang sprung/ stand stood/ steal stole
stolen/ stick stuck/ sting stung/ stink stank stunk/ strike struck/ string strung/ strive strove striven/ swear
swore sworn/ sweep swept/ swim swam swum/ swing swung/ take took taken/ teach taught/ tear tore torn/ tell told/
think thought/ throw threw thrown/ tread trod trodden/ undergo underwent undergone/ understand understood/ undertake
undertook undertaken/ undo undid undone/ uphold upheld/ upset upset/ wake woke woken/ wear wore worn/ weave wove
woven/ weep wept/ win won/ wind wound/ withdraw withdrew withdrawn/ withhold withheld/ withstand withstood/ write
wrote written
"""
_PLURALS = """
man men/ woman women/ child children/ foot feet/ tooth teeth/ goose geese/ mouse mice/ person people/ crisis crises/
thesis theses/ hypothesis hypotheses/ analysis analyses/ basis bases/ phenomenon phenomena/ criterion criteria/ hero
heroes/ echo echoes/ potato potatoes/ tomato tomatoes/ life lives/ wife wives/ knife knives/ leaf leaves/ half
halves/ self selves/ shelf shelves/ thief thieves/ wolf wolves/ loaf loaves/ businessman businessmen/ filmmaker
filmmakers
"""
_DEGREES = "good better best/bad worse worst/far further furthest/well better best/little less least/many more most"


def _table(text: str) -> dict[str, list[str]]:
    rows = (row.split() for row in text.replace("\n", " ").split("/"))
    return {row[0]: row[1:] for row in rows}


_IRREGULAR_VERBS, _IRREGULAR_PLURALS, _IRREGULAR_DEGREES = _table(_VERBS), _table(_PLURALS), _table(_DEGREES)
_VOWEL_GROUPS = re.compile(r"[aeiouy]+")
_DOUBLING = re.compile(r"(?:^|[^aeiou])[aeiouy][^aeiouwxy]$")


def inflect(lemma: str, kind: str) -> Iterator[tuple[Form, str]]:
    """List the possible forms of a lemma, including itself and both spellings if there are two.

    Args:
        lemma: a lower-case word.
        kind: part of speech: n, v, a or r.
    """
    yield "base", lemma
    if kind == "n":
        irregular = _IRREGULAR_PLURALS.get(lemma)
        yield from (("plural", form) for form in irregular or [_with_s(lemma)])
    elif kind == "v":
        yield "third", "has" if lemma == "have" else _with_s(lemma)
        yield from (("gerund", form) for form in _suffixed(lemma, "ing"))
        yield from _pasts(lemma)
    elif kind == "a":
        yield from _degrees(lemma)


def _pasts(lemma: str) -> Iterator[tuple[Form, str]]:
    irregular = _IRREGULAR_VERBS.get(lemma)
    for past in irregular[:1] if irregular else _suffixed(lemma, "ed"):
        yield "past", past
    for participle in irregular[-1:] if irregular else _suffixed(lemma, "ed"):
        yield "participle", participle


def _degrees(lemma: str) -> Iterator[tuple[Form, str]]:
    irregular = _IRREGULAR_DEGREES.get(lemma)
    yield from (("more", form) for form in (irregular[:1] if irregular else _suffixed(lemma, "er")))
    yield from (("most", form) for form in (irregular[1:] if irregular else _suffixed(lemma, "est")))


def _with_s(word: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if word in {"go", "do", "undergo", "veto"} else "s")


def _suffixed(word: str, suffix: str) -> list[str]:
    """Add a suffix that begins with a vowel."""
    if suffix == "ing" and word.endswith("ie"):
        return [word[:-2] + "ying"]
    if word.endswith("e") and not (suffix == "ing" and re.search(r"(?:ee|oe|ye)$", word)):
        return [word[:-1] + suffix]
    if suffix != "ing" and re.search(r"[^aeiou]y$", word):
        return [word[:-1] + "i" + suffix]
    if not _DOUBLING.search(word):
        return [word + suffix]
    # One syllable always doubles (planned); with more it hangs on the stress, and only one of the two is a word.
    doubled = word + word[-1] + suffix
    return [doubled] if len(_VOWEL_GROUPS.findall(word)) == 1 else [doubled, word + suffix]


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
