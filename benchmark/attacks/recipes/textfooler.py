"""TextFooler (Jin et al., AAAI 2020), with the decisions of TextAttack's recipe of that name."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from benchmark.attacks.attack_recipe import (
    AttackRecipe,
    Budget,
    Cosine,
    Count,
    Encoder,
    Lexicon,
    Share,
    ShortTexts,
    SimilarityMetric,
    Stopwords,
    attack,
)
from benchmark.schema.base import Real, Words, doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Candidate, Rule, Similarity
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution(AttackRecipe):
    """Rules for substitutes of TextFooler, and their parameters."""

    added_parameters: ClassVar[tuple[str, ...]] = ("short_texts",)

    candidates: Annotated[Count, doc("Substitutes tried for a word, nearest first.")] = 50
    min_cosine: Cosine = 0.5
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "angular"
    similarity_threshold: Annotated[
        Real,
        Field(ge=-1, le=1),
        doc(
            "Minimum similarity between the text with and without a swap, inside the window. Several swaps together "
            "have no bound; for texts shorter than the window, see `short_texts`."
        ),
    ] = 0.840845057
    window: Annotated[Count, doc("Number of words around the substitute that are compared.")] = 15
    short_texts: ShortTexts = "pass"
    tagger: Annotated[Words, doc("Part-of-speech tagger; a substitute keeps the word's part of speech.")] = (
        "textblob-pattern"
    )
    stopwords: Stopwords = "textfooler"
    max_share: Share = None

    def rules(self, parts: "Parts") -> "list[Rule]":
        """Return the constraints on a substitute, cheapest first, without the constraint on sentence similarity."""
        from benchmark.attacks.constraints import near_enough, same_part_of_speech, share_rules
        from benchmark.attacks.parts import required

        lexicon, tagger = required(parts.lexicon, "lexicon"), required(parts.tagger, "tagger")
        return [
            *share_rules(self.max_share),
            partial(near_enough, lexicon, self.min_cosine),
            partial(same_part_of_speech, tagger),
        ]

    def similarity(self) -> "Similarity":
        """Return the constraint on sentence similarity."""
        from benchmark.attacks.constraints import Similarity

        return Similarity(self.similarity_threshold, self.similarity_metric, self.window, self.short_texts)


@attack("textfooler")
class TextFooler(Substitution):
    """TextFooler (Jin et al., 2020) as TextAttack has it; lexicon, encoder and tagger are not the published ones."""

    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Replace words by neighbours of similar meaning, in the order of the drop in p(label) without each word."""
        from benchmark.attacks.constraints import allowed, modifiable
        from benchmark.attacks.greedy_search import by_importance, greedy
        from benchmark.attacks.parts import required
        from benchmark.attacks.transformations import neighbours, swaps

        lexicon, rules, similarity = required(parts.lexicon, "lexicon"), self.rules(parts), self.similarity()

        def propose(case: "Case", text: "AttackedText", index: int) -> "Ask[list[Candidate]]":
            words = neighbours(lexicon, text.words[index], self.candidates)
            return (yield from similarity.keep(case, text, allowed(case.original, swaps(text, index, words), rules)))

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
            return (yield from greedy(case, start, next_word, propose))

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build TextFooler in the order of Jin et al.'s recipe."""
        from benchmark.attacks.parts import required
        from benchmark.attacks.textattack import components

        embedding = components.LexiconEmbedding(required(parts.lexicon, "lexicon"))
        constraints = [
            *components.max_words(self.max_share),
            components.least_cosine(embedding, self.min_cosine),
            components.LocalPartOfSpeech(required(parts.tagger, "tagger")),
            components.LocalSentenceEncoder(
                parts.encoder,
                threshold=self.similarity_threshold,
                metric=self.similarity_metric,
                window=self.window,
            ),
        ]
        transformation, search = embedding.swaps(self.candidates), components.OrderedGreedySearch("delete")
        return components.compose(
            self, parts, victim, pair=pair, constraints=constraints, transformation=transformation, search=search
        )
