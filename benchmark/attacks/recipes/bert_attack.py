"""BERT-Attack (Li et al., EMNLP 2020), with the decisions of TextAttack's recipe of that name."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from benchmark.attacks.attack_recipe import (
    AttackRecipe,
    Budget,
    Count,
    Encoder,
    Share,
    SimilarityMetric,
    Stopwords,
    attack,
)
from benchmark.schema.base import Real, Words, doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Candidate
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@attack("bert_attack")
class BertAttack(AttackRecipe):
    """BERT-Attack (Li et al., 2020) as TextAttack has it; the paper's masked LM is bert-base-uncased."""

    candidates: Annotated[
        Count,
        doc("Likeliest tokens tried for a word, or for each of its pieces. TextAttack has 8, the paper 48."),
    ] = 8
    max_combinations: Annotated[
        Count, doc("Combinations of pieces that are examined, until there are `candidates` words.")
    ] = 32_768
    masked_lm: Annotated[
        Words,
        doc("Masked LM that proposes substitutes: `minilm` with the head packaged for it, a folder or a Hub id."),
    ] = "minilm"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "cosine"
    similarity_threshold: Annotated[Real, Field(ge=-1, le=1), doc("Minimum similarity of a text to the original.")] = (
        0.2
    )
    stopwords: Stopwords = "nltk-english"
    max_share: Share = 0.4
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Replace words by a masked LM's predictions, in the order of the drop in p(label) without each word."""
        from benchmark.attacks.constraints import Similarity, allowed, modifiable, share_rules
        from benchmark.attacks.greedy_search import UNKNOWN, by_importance, greedy
        from benchmark.attacks.parts import required
        from benchmark.attacks.token_predictions import MaskedLMSubstitutes
        from benchmark.attacks.transformations import swaps

        model = required(parts.masked_lm, "masked LM")
        rules = share_rules(self.max_share)
        similarity = Similarity(self.similarity_threshold, self.similarity_metric, window=None)

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            substitutes = MaskedLMSubstitutes(model, self.candidates, self.max_combinations)

            def propose(case: "Case", text: "AttackedText", index: int) -> "Ask[list[Candidate]]":
                words = yield from substitutes.words(text, index)
                candidates = allowed(case.original, swaps(text, index, words), rules)
                return (yield from similarity.keep(case, case.original, candidates))

            next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without=UNKNOWN)
            return (yield from greedy(case, start, next_word, propose))

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build BERT-Attack in the order of Li et al.'s recipe."""
        from benchmark.attacks.parts import required
        from benchmark.attacks.textattack import components

        constraints = [
            *components.max_words(self.max_share),
            components.LocalSentenceEncoder(
                parts.encoder,
                threshold=self.similarity_threshold,
                metric=self.similarity_metric,
                window=None,
                against_original=True,
            ),
        ]
        transformation = components.masked_lm_swaps(required(parts.masked_lm, "masked LM"), self.candidates)
        search = components.OrderedGreedySearch("unk")
        return components.compose(
            self, parts, victim, pair=pair, constraints=constraints, transformation=transformation, search=search
        )
