"""The genetic attack of Alzantot et al. (EMNLP 2018) in the variant of Jia et al. (EMNLP 2019), which RIFT uses.

Decisions and steps are those of TextAttack's recipe FasterGeneticAlgorithmJia2019 with two exceptions: its language
model is left out, because its scores are not available, and the bound on the distance of word vectors is a bound on
their cosine.
"""

import math
from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from benchmark.attacks.attack_recipe import (
    AttackRecipe,
    Budget,
    Cosine,
    Count,
    Lexicon,
    ReportedEncoder,
    Stopwords,
    attack,
)
from benchmark.schema.base import Real, doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Rule
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@attack("genetic")
class Genetic(AttackRecipe):
    """The genetic attack of Alzantot et al. (2018) as Jia et al. (2019) and RIFT use it, without its language model."""

    candidates: Annotated[Count, doc("Substitutes tried for a word, nearest first.")] = 8
    min_cosine: Cosine = 0.75
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    max_share: Annotated[
        Real, Field(gt=0, le=1), doc("Maximum share of words changed before a further swap, rounded up.")
    ] = 0.2
    population: Annotated[Count, doc("Texts of a generation.")] = 60
    generations: Annotated[Count, doc("Maximum number of generations after the first.")] = 40
    temperature: Annotated[
        Real, Field(gt=0), doc("Temperature of the distribution over scores from which parents are drawn.")
    ] = 0.3
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Replace words by their neighbours and cross texts over generations."""
        from benchmark.attacks.constraints import allowed, modifiable, near_enough
        from benchmark.attacks.engine import SearchResult
        from benchmark.attacks.genetic_search import genetic_search
        from benchmark.attacks.parts import required
        from benchmark.attacks.transformations import neighbours, one_word, swaps

        lexicon = required(parts.lexicon, "lexicon")
        rules: list[Rule] = [partial(near_enough, lexicon, self.min_cosine)]

        def allowed_words(original: "AttackedText", index: int) -> list[str]:
            """Return the substitutes of a word of the original; other words are never replaced."""
            # Texts that are crossed must have the same words at the same indices.
            words = filter(one_word, neighbours(lexicon, original.words[index], self.candidates))
            return [word for word in words if allowed(original, swaps(original, index, [word]), rules)]

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            original = case.original
            words = {index: allowed_words(original, index) for index in modifiable(original, parts.stopwords)}
            limit = math.ceil(len(original.words) * self.max_share)

            def substitutes(text: "AttackedText", index: int) -> "list[AttackedText]":
                if index in text.modified or len(text.modified) >= limit:
                    return []
                return sorted(swaps(text, index, words.get(index, ())), key=lambda swapped: swapped.joined)

            return (
                yield from genetic_search(
                    case,
                    SearchResult(original, start),
                    substitutes,
                    population=self.population,
                    generations=self.generations,
                    temperature=self.temperature,
                )
            )

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build the genetic attack in the order of Jia et al.'s recipe, without its language model."""
        from textattack.search_methods import AlzantotGeneticAlgorithm

        from benchmark.attacks.parts import required
        from benchmark.attacks.textattack import components

        embedding = components.LexiconEmbedding(required(parts.lexicon, "lexicon"))
        constraints = [*components.max_words(self.max_share), components.least_cosine(embedding, self.min_cosine)]
        search = AlzantotGeneticAlgorithm(
            pop_size=self.population,
            max_iters=self.generations,
            temp=self.temperature,
            post_crossover_check=False,
        )
        transformation = embedding.swaps(self.candidates)
        return components.compose(
            self, parts, victim, pair=pair, constraints=constraints, transformation=transformation, search=search
        )
