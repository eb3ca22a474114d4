"""Bad Characters (Boucher et al., IEEE S&P 2022): changes that a reader does not see, found by differential evolution.

What a model gets depends on its tokenizer; `tests/attacks/test_imperceptible.py` measures this:

| characters | WordPiece (BERT) | SentencePiece with its nmt_nfkc rules | byte-level BPE (RoBERTa, GPT-2) |
|---|---|---|---|
| homoglyphs | another letter, with a piece of its own | another letter | other bytes |
| invisible | removed: the attack cannot succeed | a space | other bytes |
| deletions | the deleted character, as a typo; the backspace is removed | as BERT | other bytes |
| reorderings | two letters swapped, as a typo; the controls are removed | other bytes or unknown pieces | other bytes |

How a text is shown depends on the font and the program: a backspace deletes in few of them. The sentence encoder reads
the same characters, so the similarity of a row does not say that a reader sees the same text.
"""

import random
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from benchmark.attacks.attack_recipe import AttackRecipe, Budget, Count, ReportedEncoder, attack
from benchmark.schema.base import doc

if TYPE_CHECKING:
    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts

Vector = list[float]
"""A text as the search sees it: genes from 0 to 1, one or two per perturbation."""


@attack("imperceptible")
class Imperceptible(AttackRecipe):
    """Bad Characters (Boucher et al., 2022): homoglyphs, invisible characters, deletions or reorderings."""

    characters: Annotated[
        Literal["homoglyphs", "invisible", "deletions", "reorderings"],
        doc(
            "Kind of change: Cyrillic and Greek look-alikes of Latin letters; zero-width characters; a character with "
            "a backspace after it; two letters in reverse with controls that reverse them again. A tokenizer may "
            "remove them: BERT's removes all invisible ones."
        ),
    ] = "homoglyphs"
    perturbations: Annotated[Count, doc("Maximum number of changes. The paper has 1 to 5.")] = 5
    population: Annotated[
        Count,
        doc("Texts of a generation per gene. A change has one gene, or two if it has a character to choose."),
    ] = 32
    generations: Annotated[Count, doc("Maximum number of generations after the first.")] = 10
    encoder: ReportedEncoder = "minilm"
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Evolve the places and characters of the changes until the victim is wrong."""
        from benchmark.attacks.attacked_text import AttackedText
        from benchmark.attacks.engine import SearchResult

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            *frozen, original = case.original.columns
            genome = Genome(places(original, self.characters), self.perturbations)
            if not genome.places:
                return SearchResult(case.original, start)

            def text(vector: Vector) -> "AttackedText":
                return AttackedText((*frozen, edited(original, genome.edits(vector))))

            genes = genome.length
            size = max(_FEWEST, self.population * genes)
            return (yield from _evolve(case, start, text, genes=genes, size=size, generations=self.generations))

        return search


_CYRILLIC_SMALL, _CYRILLIC_CAPITAL = "CYRILLIC SMALL LETTER ", "CYRILLIC CAPITAL LETTER "
_GREEK_SMALL, _GREEK_CAPITAL = "GREEK SMALL LETTER ", "GREEK CAPITAL LETTER "
_NAMES: Mapping[str, Mapping[str, str]] = {
    _CYRILLIC_SMALL: {
        "a": "A", "c": "ES", "d": "KOMI DE", "e": "IE", "h": "SHHA", "i": "BYELORUSSIAN-UKRAINIAN I", "j": "JE",
        "l": "PALOCHKA", "o": "O", "p": "ER", "q": "QA", "s": "DZE", "v": "IZHITSA", "w": "WE", "x": "HA", "y": "U",
    },
    _CYRILLIC_CAPITAL: {
        "A": "A", "B": "VE", "C": "ES", "E": "IE", "G": "KOMI SJE", "H": "EN", "I": "BYELORUSSIAN-UKRAINIAN I",
        "J": "JE", "K": "KA", "M": "EM", "O": "O", "P": "ER", "Q": "QA", "S": "DZE", "T": "TE", "V": "IZHITSA",
        "W": "WE", "X": "HA", "Y": "STRAIGHT U",
    },
    _GREEK_SMALL: {"o": "OMICRON", "v": "NU"},
    _GREEK_CAPITAL: {
        "A": "ALPHA", "B": "BETA", "E": "EPSILON", "H": "ETA", "I": "IOTA", "K": "KAPPA", "M": "MU", "N": "NU",
        "O": "OMICRON", "P": "RHO", "T": "TAU", "X": "CHI", "Y": "UPSILON", "Z": "ZETA",
    },
}  # fmt: skip
"""Latin letters and the ends of the Unicode names of letters that are drawn alike; chosen by hand for this project."""


def _lookalikes() -> dict[str, str]:
    """Return the look-alikes of each letter as one text, Cyrillic first."""
    alike: dict[str, str] = {}
    for start, names in _NAMES.items():
        for letter, end in names.items():
            alike[letter] = alike.get(letter, "") + unicodedata.lookup(start + end)
    return alike


LOOKALIKES = _lookalikes()
INVISIBLE = "\u200b\u200c\u200d"
"""Zero-width space, non-joiner and joiner."""
BACKSPACE = "\b"
_TYPED = [chr(code) for code in range(ord("!"), ord("~") + 1)]


@dataclass(frozen=True, slots=True)
class Edit:
    """Replacement of the characters from `start` to `end` of the original; an insertion if the two are equal."""

    start: int
    end: int
    replacement: str


def places(text: str, characters: str) -> list[list[Edit]]:
    """Return the places of a text that can be changed, each with the edits to choose from; all have equally many.

    Args:
        text: The original.
        characters: The kind of change, as in `Imperceptible`.
    """
    if characters == "homoglyphs":
        return [[Edit(at, at + 1, alike)] for at, char in enumerate(text) for alike in LOOKALIKES.get(char, "")]
    if characters == "invisible":
        return [[Edit(at, at, char) for char in INVISIBLE] for at in range(len(text))]
    if characters == "deletions":
        return [[Edit(at, at, char + BACKSPACE) for char in _TYPED] for at in range(len(text))]
    pairs = [(at, text[at : at + 2]) for at in range(len(text) - 1)]
    # Letters of other scripts may join, combine or run from right to left, where a reader would see the change.
    return [[Edit(at, at + 2, _reordered(pair))] for at, pair in pairs if pair.isascii() and pair.isalpha()]


def _reordered(pair: str) -> str:
    """Write two characters in reverse, in an override from right to left, which shows them in their order.

    Each character is isolated, so that the override reverses the two and not what is inside of them.
    """
    override, reverse, end = "\u202d", "\u202e", "\u202c"
    isolate, end_isolate = "\u2066", "\u2069"
    inner = "".join(isolate + char + end_isolate for char in reversed(pair))
    return override + isolate + reverse + inner + end + end_isolate + end


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Apply edits of the original; of those that overlap, only the first."""
    pieces, end = [], 0
    for edit in sorted(edits, key=lambda e: e.start):
        if edit.start >= end:
            pieces += [text[end : edit.start], edit.replacement]
            end = edit.end
    return "".join([*pieces, text[end:]])


@dataclass(frozen=True, slots=True)
class Genome:
    """The meaning of a vector: each perturbation has a gene for its place, and one for the edit if there is a choice.

    Attributes:
        places: The edits to choose from, by place.
        perturbations: Number of perturbations.
    """

    places: Sequence[Sequence[Edit]]
    perturbations: int

    @property
    def length(self) -> int:
        """Number of genes."""
        return self.perturbations * (1 if len(self.places[0]) == 1 else 2)

    def edits(self, vector: Vector) -> list[Edit]:
        """Return the edits of a vector. The lowest place is not a change."""
        width = self.length // self.perturbations
        chosen = []
        for first in range(0, self.length, width):
            place = round(-1 + vector[first] * len(self.places))
            if place >= 0:
                edits = self.places[place]
                chosen.append(edits[round(vector[first + width - 1] * (len(edits) - 1))])
        return chosen


_FEWEST = 5
"""Texts of a generation at least, as in scipy."""
_RECOMBINATION, _MUTATION = 0.7, (0.5, 1.0)


def _evolve(
    case: "Case",
    start: "ScoredItem",
    text: "Callable[[Vector], AttackedText]",
    *,
    genes: int,
    size: int,
    generations: int,
) -> "Ask[SearchResult]":
    """Evolve vectors (Storn & Price, 1997) with scipy's defaults: best1bin, recombination 0.7, mutation 0.5 to 1.

    A generation is classified at once and replaces its parents afterwards, scipy's `updating="deferred"`. The search
    ends with the first text that misleads the victim; scipy's test of convergence and its last step by L-BFGS-B, which
    cannot change a whole number, are left out.
    """
    from benchmark.attacks.engine import SearchResult
    from benchmark.attacks.engine.case import best, exceeds, wrong
    from benchmark.attacks.engine.scheduler import gather

    vectors: list[Vector] = []
    scored: list[ScoredItem] = []
    for _ in range(generations + 1):
        if case.spent:
            break
        if vectors:
            top = vectors[(yield from best(scored))]
            scale = case.rng.uniform(*_MUTATION)
            children = [_child(vectors, row, top, scale, case.rng) for row in range(size)]
        else:
            children = _latin_hypercube(size, genes, case.rng)
        answers = yield from case.classify([text(child) for child in children])
        misclassified = yield from wrong(answers)
        if any(misclassified):
            first = misclassified.index(True)
            return SearchResult(text(children[first]), answers[first])
        if not vectors:
            vectors, scored = children[: len(answers)], answers
            continue
        worse = yield from gather([exceeds(parent, child) for parent, child in zip(scored, answers, strict=False)])
        for row, parent_is_better in enumerate(worse):
            if not parent_is_better:
                vectors[row], scored[row] = children[row], answers[row]
    if not vectors:
        return SearchResult(case.original, start)
    top_row = yield from best(scored)
    return SearchResult(text(vectors[top_row]), scored[top_row])


def _latin_hypercube(size: int, genes: int, rng: random.Random) -> list[Vector]:
    """Draw vectors whose values of each gene are spread evenly: one in each of `size` equal parts of its range."""
    columns = []
    for _ in range(genes):
        column = [(part + rng.random()) / size for part in range(size)]
        rng.shuffle(column)
        columns.append(column)
    return [list(vector) for vector in zip(*columns, strict=True)]


def _child(vectors: Sequence[Vector], row: int, top: Vector, scale: float, rng: random.Random) -> Vector:
    """Cross a vector with the best one plus the scaled difference of two others; a gene out of range is drawn again."""
    one, other = (vectors[i + (i >= row)] for i in rng.sample(range(len(vectors) - 1), 2))
    child = list(vectors[row])
    always = rng.randrange(len(child))
    for gene in range(len(child)):
        if rng.random() < _RECOMBINATION or gene == always:
            value = top[gene] + scale * (one[gene] - other[gene])
            child[gene] = value if 0 <= value <= 1 else rng.random()
    return child
