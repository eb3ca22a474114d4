"""BERT-Attack (Li et al., EMNLP 2020), with the decisions of TextAttack's recipe of that name."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import Candidate, Rule, Similarity, allowed, few_enough, modifiable
from benchmark.attacks.engine import Answer, Ask, Case, Question, ScoredItem, SearchResult
from benchmark.attacks.engine.questions import MASKED_LM
from benchmark.attacks.greedy_search import by_importance, greedy
from benchmark.attacks.parts import Parts
from benchmark.attacks.token_predictions import MaskedLM, Slots
from benchmark.attacks.transformations import joined_pieces, one_word, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import BertAttack

UNKNOWN = "[UNK]"
"""Replacement of a word while its importance is measured, whatever the victim's own unknown token is."""


def bert_attack(parameters: BertAttack, parts: Parts) -> Callable[[Case, ScoredItem], Ask[SearchResult]]:
    """Replace words by a masked LM's predictions, in the order of the drop in p(label) without each word."""
    model = parts.masked_lm
    if model is None:
        raise TemperError("BERT-Attack needs a masked LM. Load it with load_parts.")
    rules: list[Rule] = [] if parameters.max_share is None else [partial(few_enough, parameters.max_share)]
    similarity = Similarity(parameters.similarity_threshold, parameters.similarity_metric, window=None)

    def search(case: Case, start: ScoredItem) -> Ask[SearchResult]:
        substitutes = MaskedLMSubstitutes(model, parameters.candidates, parameters.max_combinations)

        def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
            words = yield from substitutes.words(text, index)
            candidates = allowed(case.original, swaps(text, index, words), rules)
            return (yield from similarity.keep(case, case.original, candidates))

        next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without=UNKNOWN)
        return (yield from greedy(case, start, next_word, propose))

    return search


@dataclass
class MaskedLMSubstitutes:
    """A masked LM's substitutes for the words of one text after another.

    Attributes:
        model: The masked LM.
        most: Number of tokens tried per position, and of words tried for a word of several pieces.
        limit: Maximum number of combinations of pieces.
    """

    model: MaskedLM
    most: int
    limit: int
    _text: str | None = None
    _positions: Sequence[int] = ()
    _ranking: "Ranking | None" = None

    def words(self, text: AttackedText, index: int) -> Ask[list[str]]:
        """Return the substitutes of a word, as TextAttack's WordSwapMaskedLM finds them."""
        positions = self.model.positions(text, index)
        if not positions:
            return []
        ranking = yield from self._predictions(text.joined, positions)
        # A single token needs the set of top tokens only; combinations of tokens depend on their order too.
        rows = [self._positions.index(position) for position in positions]
        ids = yield from ranking.top(rows, in_order=len(rows) > 1)
        tokens = [[self.model.token(id) for id in row] for row in ids]
        if len(tokens) > 1:
            words = joined_pieces(tokens, self.most, self.limit)
        else:
            words = [t for t in tokens[0] if one_word(t) and not self.model.continues_word(t, first=index == 0)]
        return [word.strip("Ġ") for word in words]

    def _predictions(self, text: str, positions: range) -> "Ask[Ranking]":
        """Predict the tokens of one word of a new text, and of all words once a second word of it is needed.

        A successful swap makes a new text, so that predictions for the other words would be wasted.
        """
        known = text == self._text
        if self._ranking is None or not known or not set(positions) <= set(self._positions):
            self._text = text
            self._positions = range(max(self.model.length(text), positions.stop)) if known else positions
            item = Slots(text, tuple(self._positions), self.most)
            (answer,) = yield Question(MASKED_LM, (item,))
            self._ranking = Ranking(MASKED_LM, item, answer)
        return self._ranking


@dataclass(slots=True)
class Ranking:
    """An item with the oracle's most exact top-k answer so far; its rows hold one value more than is used.

    Attributes:
        oracle: Name of the oracle.
        item: The item.
        answer: The most exact answer so far, with ids.
    """

    oracle: str
    item: Hashable
    answer: Answer

    def top(self, rows: Iterable[int], *, in_order: bool) -> Ask[NDArray[np.int64]]:
        """Return the top ids of some rows, as the oracle's last tier ranks them.

        The item is evaluated again if the margin leaves open which ids these are, or their order.

        Args:
            rows: Rows of the answer.
            in_order: Whether the order of the ids matters, and not only the set.

        Returns:
            Ids, shape (rows, k).
        """
        chosen = list(rows)
        while self.answer.margin > 0 and self._is_open(chosen, in_order=in_order):
            (self.answer,) = yield Question(self.oracle, (self.item,), self.answer.tier + 1)
        if self.answer.ids is None:
            raise TypeError(f"the oracle {self.oracle!r} returns no ids")
        return self.answer.ids[chosen, :-1]

    def _is_open(self, rows: list[int], *, in_order: bool) -> bool:
        values = self.answer.values[rows].astype(np.float64)
        gaps = values[:, :-1] - values[:, 1:]
        return bool(((gaps if in_order else gaps[:, -1:]) <= 2 * self.answer.margin).any())
