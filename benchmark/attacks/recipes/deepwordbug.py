"""DeepWordBug (Gao et al., DLS 2018), with the decisions of TextAttack's recipe of that name.

Words are ordered by the paper's replace-1 score: the drop in p(label) when the word is unknown. The paper's combined
score of heads and tails of the text is not available, because TextAttack does not have it either.
"""

import random
import string
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from benchmark.attacks.attack_recipe import AttackRecipe, Budget, Count, ReportedEncoder, Share, Stopwords, attack
from benchmark.attacks.transformations import swapped_at
from benchmark.schema.base import doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Candidate, Rule
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@attack("deepwordbug")
class DeepWordBug(AttackRecipe):
    """DeepWordBug (Gao et al., 2018) as TextAttack has it: one random edit of each important word."""

    operators: Annotated[
        Literal["all", "substitution"],
        doc(
            "`all` tries a swap of neighbours, a substitution, a deletion and an insertion of a character; "
            "`substitution` is the paper's main setting."
        ),
    ] = "all"
    max_edits: Annotated[Count, doc("Maximum edit distance (Levenshtein) between the text and its original.")] = 30
    max_share: Share = None
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Edit word after word, in the order of the drop in p(label) with each word unknown."""
        from benchmark.attacks.constraints import Candidate, allowed, modifiable, share_rules
        from benchmark.attacks.greedy_search import UNKNOWN, by_importance, greedy
        from benchmark.attacks.transformations import swaps

        rules: list[Rule] = [partial(_few_edits, self.max_edits), *share_rules(self.max_share)]

        def propose(case: "Case", text: "AttackedText", index: int) -> "Ask[list[Candidate]]":
            yield from ()
            words = edited_words(text.words[index], self.operators, case.rng)
            return [Candidate(edited) for edited in allowed(case.original, swaps(text, index, words), rules)]

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without=UNKNOWN)
            return (yield from greedy(case, start, next_word, propose))

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build DeepWordBug in the order of Gao et al.'s recipe."""
        from textattack import transformations
        from textattack.constraints.overlap import LevenshteinEditDistance

        from benchmark.attacks.textattack import components

        operators = [
            transformations.WordSwapNeighboringCharacterSwap(),
            transformations.WordSwapRandomCharacterSubstitution(),
            transformations.WordSwapRandomCharacterDeletion(),
            transformations.WordSwapRandomCharacterInsertion(),
        ]
        transformation = transformations.CompositeTransformation(
            operators if self.operators == "all" else operators[1:2]
        )
        constraints = [LevenshteinEditDistance(self.max_edits), *components.max_words(self.max_share)]
        search = components.OrderedGreedySearch("unk")
        return components.compose(
            self, parts, victim, pair=pair, constraints=constraints, transformation=transformation, search=search
        )


def edited_words(word: str, operators: str, rng: random.Random) -> list[str]:
    """Apply each operator once at a random position, with random letters, as TextAttack does.

    Args:
        word: The word; a word of one character has no edits.
        operators: "all", or "substitution" alone.
        rng: Source of the positions and letters.
    """
    length = len(word)
    if length < 2:
        return []
    if operators == "substitution":
        return [_substituted(word, rng)]
    swapped = swapped_at(word, rng.randrange(length - 1))
    substituted = _substituted(word, rng)
    at = rng.randrange(length)
    deleted = word[:at] + word[at + 1 :]
    at = rng.randrange(length)
    inserted = word[:at] + rng.choice(string.ascii_letters) + word[at:]
    return list(dict.fromkeys([swapped, substituted, deleted, inserted]))


def _substituted(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + rng.choice(string.ascii_letters) + word[at + 1 :]


def _few_edits(most: int, original: "AttackedText", candidate: "AttackedText") -> bool:
    # A changed word has a distance of at most 2, that of a swap, so most texts need no computation.
    return 2 * len(candidate.modified) <= most or edit_distance(original.joined, candidate.joined) <= most


def edit_distance(first: str, second: str) -> int:
    """Compute the Levenshtein distance with a column of the table per step, as bits of whole numbers (Myers, 1999)."""
    if not first:
        return len(second)
    places: dict[str, int] = {}
    for place, char in enumerate(first):
        places[char] = places.get(char, 0) | 1 << place
    every, last = (1 << len(first)) - 1, 1 << len(first) - 1
    # Bit i of `up` (`down`): row i + 1 of the column is one more (less) than the row above it.
    up, down, distance = every, 0, len(first)
    for char in second:
        equal = places.get(char, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        right_up, right_down = (down | ~(horizontal | up)) & every, up & horizontal
        distance += bool(right_up & last) - bool(right_down & last)
        right_up, right_down = (right_up << 1 | 1) & every, right_down << 1 & every
        up, down = (right_down | ~(vertical | right_up)) & every, right_up & vertical
    return distance
