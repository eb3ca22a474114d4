"""Misspellings of Pruthi et al. (ACL 2019), with the decisions of TextAttack's recipe of that name.

Tuning selects among trials by keyboard typos (`benchmark.tuning.typos`), so a tuned row is prepared for a part of this
attack.
"""

import random
import string
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark.attacks.attack_recipe import AttackRecipe, Budget, Count, ReportedEncoder, Share, Stopwords, attack
from benchmark.attacks.transformations import swapped_at
from benchmark.keyboard import NEIGHBOURS
from benchmark.schema.base import Integer, doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Rule
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@attack("keyboard_typos")
class KeyboardTypos(AttackRecipe):
    """Typos (Pruthi et al., 2019) as TextAttack has them: of all misspellings of all words, the worst one."""

    max_words: Annotated[Count, doc("Maximum number of misspelt words. The paper has 1 and 2.")] = 1
    max_share: Share = None
    min_length: Annotated[Integer, Field(ge=4), doc("Letters of the shortest word that is misspelt.")] = 4
    insertions: Annotated[
        Literal["random", "all"],
        doc("Inserted letters: `random` tries one random letter per place, as TextAttack does; `all` tries a to z."),
    ] = "random"
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Misspell one word after another, each time as the victim's score says among all words and misspellings."""
        from benchmark.attacks.constraints import allowed, modifiable, share_rules
        from benchmark.attacks.engine import SearchResult
        from benchmark.attacks.engine.case import best, wrong
        from benchmark.attacks.transformations import swaps

        rules: list[Rule] = [partial(_few_words, self.max_words), *share_rules(self.max_share)]

        def misspelt(case: "Case", text: "AttackedText") -> "list[AttackedText]":
            indices = [i for i in modifiable(text, parts.stopwords) if len(text.words[i]) >= self.min_length]
            words = {index: misspellings(text.words[index], self.insertions, case.rng) for index in indices}
            texts = {swapped.joined: swapped for index in indices for swapped in swaps(text, index, words[index])}
            return allowed(case.original, [texts[joined] for joined in sorted(texts)], rules)

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            current = SearchResult(case.original, start)
            while not case.spent:
                texts = misspelt(case, current.text)
                if not texts:
                    break
                scored = yield from case.classify(texts)
                top = yield from best(scored)
                # The next word is misspelt even if this misspelling does not mislead the victim.
                current = SearchResult(texts[top], scored[top])
                if (yield from wrong([scored[top]]))[0]:
                    break
            return current

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build the attack in the order of TextAttack's Pruthi2019, with our keyboard."""
        from textattack import transformations
        from textattack.constraints.overlap import MaxWordsPerturbed
        from textattack.constraints.pre_transformation import MinWordLength
        from textattack.search_methods import GreedySearch

        from benchmark.attacks.textattack import components

        inside = {"random_one": False, "skip_first_char": True, "skip_last_char": True}
        alphabets = [None] if self.insertions == "random" else list(string.ascii_lowercase)
        keys = transformations.WordSwapQWERTY(**inside)
        keys._keyboard_adjacency = {letter: list(near) for letter, near in NEIGHBOURS.items()}
        operators = [
            transformations.WordSwapNeighboringCharacterSwap(**inside),
            transformations.WordSwapRandomCharacterDeletion(**inside),
            *(transformations.WordSwapRandomCharacterInsertion(letters_to_insert=a, **inside) for a in alphabets),
            keys,
        ]
        return components.compose(
            self,
            parts,
            victim,
            pair=pair,
            constraints=[
                MinWordLength(self.min_length),
                MaxWordsPerturbed(max_num_words=self.max_words, max_percent=self.max_share),
            ],
            transformation=transformations.CompositeTransformation(operators),
            search=GreedySearch(),
        )


def misspellings(word: str, insertions: str, rng: random.Random) -> list[str]:
    """Return every misspelling of a word by one operator at one place, the first and last characters excepted.

    The operators are a swap of two neighbours, a deletion, an insertion, and a key next to the right one. Insertions
    are before a character.

    Args:
        word: A word of at least four characters.
        insertions: "random" for one random letter per place, "all" for each letter from a to z.
        rng: Source of the random letters.
    """
    last = len(word) - 1
    swapped = (swapped_at(word, at) for at in range(1, last - 1))
    deleted = (word[:at] + word[at + 1 :] for at in range(1, last))
    mistyped = (word[:at] + key + word[at + 1 :] for at in range(1, last) for key in _keys(word[at]))
    inserted = (
        word[:at] + letter + word[at:]
        for at in range(1, last)
        for letter in (rng.choice(string.ascii_letters) if insertions == "random" else string.ascii_lowercase)
    )
    return list(dict.fromkeys([*swapped, *deleted, *inserted, *mistyped]))


def _keys(letter: str) -> Iterator[str]:
    """Yield the keys next to a letter, in its case; none for other characters."""
    for key in NEIGHBOURS.get(letter.lower(), ""):
        yield key.upper() if letter.isupper() else key


def _few_words(most: int, original: "AttackedText", candidate: "AttackedText") -> bool:
    return candidate.differing(original) <= most
