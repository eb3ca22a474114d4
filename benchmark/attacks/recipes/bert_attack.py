"""BERT-Attack (Li et al., EMNLP 2020), with the decisions of TextAttack's recipe of that name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmark.attacks.constraints import Candidate, Rule, Similarity, allowed, few_enough, modifiable
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.engine.questions import MASKED_LM, Question
from benchmark.attacks.engine.ranking import Ranking
from benchmark.attacks.masked_lm import MaskedLM, Slots
from benchmark.attacks.parts import Parts
from benchmark.attacks.searches.greedy import by_importance, greedy
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import joined_pieces, one_word, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import BertAttack

UNKNOWN = "[UNK]"
"""Stands in a word's place when its importance is asked, whatever the victim's own token for this is."""


@dataclass
class Substitutes:
    """What a masked LM would put in the place of words, of one text after the other.

    Attributes:
        model: The masked LM.
        most: Tokens tried for a place, and words tried for a word of several pieces.
        limit: Combinations of pieces that are looked at.
    """

    model: MaskedLM
    most: int
    limit: int
    _text: str | None = None
    _places: Sequence[int] = ()
    _ranking: Ranking | None = None

    def words(self, text: AttackedText, index: int) -> Ask[list[str]]:
        """Substitutes for a word of a text, as TextAttack's WordSwapMaskedLM finds them."""
        places = self.model.places(text, index)
        if not places:
            return []
        ranking = yield from self._asked(text.joined, places)
        # Which tokens there are decides what a single place can hold; how they combine depends on their order too.
        rows = [self._places.index(place) for place in places]
        ids = yield from ranking.leading(rows, in_order=len(rows) > 1)
        tokens = [[self.model.token(number) for number in row] for row in ids]
        if len(tokens) > 1:
            found = joined_pieces(tokens, self.most, self.limit)
        else:
            found = [t for t in tokens[0] if one_word(t) and not self.model.goes_on(t, first=index == 0)]
        return [word.strip("Ġ") for word in found]

    def _asked(self, text: str, places: range) -> Ask[Ranking]:
        """Ask about the word at hand first, since a swap makes another text; about all words if none was made."""
        known = text == self._text
        if self._ranking is None or not known or not set(places) <= set(self._places):
            self._text = text
            self._places = range(max(self.model.length(text), places.stop)) if known else places
            item = Slots(text, tuple(self._places), self.most)
            (answer,) = yield Question(MASKED_LM, (item,))
            self._ranking = Ranking(MASKED_LM, item, answer)
        return self._ranking


def bert_attack(numbers: BertAttack, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Words by how much hiding them hurts; what a masked LM reads in their place instead of them."""
    model = parts.masked_lm
    if model is None:
        raise TemperError("BERT-Attack needs a masked LM; load_parts gives it.")
    rules: list[Rule] = [] if numbers.max_share is None else [partial(few_enough, numbers.max_share)]
    similarity = Similarity(numbers.similarity_threshold, numbers.similarity_metric, window=None)

    def search(case: Case, start: Scored) -> Ask[Finding]:
        substitutes = Substitutes(model, numbers.candidates, numbers.max_combinations)

        def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
            words = yield from substitutes.words(text, index)
            candidates = allowed(case.original, swaps(text, index, words), rules)
            return (yield from similarity.keep(case, case.original, candidates))

        following = yield from by_importance(case, modifiable(case.original, parts.stopwords), without=UNKNOWN)
        return (yield from greedy(case, start, following, propose))

    return search
