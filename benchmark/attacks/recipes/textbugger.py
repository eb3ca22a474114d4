"""TextBugger (Li et al., NDSS 2019), with the decisions of TextAttack's recipe of that name.

MVP's restricted setting is `edits = false` with TextFooler's similarity: a threshold of 0.840845057 against the text
before the swap, in windows of 15 words.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from benchmark.attacks.attack_recipe import (
    AttackRecipe,
    Budget,
    Count,
    Encoder,
    Lexicon,
    ShortTexts,
    SimilarityMetric,
    Stopwords,
    attack,
)
from benchmark.schema.base import Flag, Integer, Real, doc

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Candidate
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


# Version 2: a split word counts as one changed word, and the words after it as unchanged.
@attack("textbugger", version=2)
class TextBugger(AttackRecipe):
    """TextBugger (Li et al., 2019) as TextAttack has it; its lexicon and encoder are not the published ones."""

    added_parameters: ClassVar[tuple[str, ...]] = ("short_texts",)

    edits: Annotated[Flag, doc("Whether words are misspelt too; if not, only neighbours are tried, as MVP does.")] = (
        True
    )
    candidates: Annotated[Count, doc("Neighbours tried for a word, nearest first.")] = 5
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "angular"
    similarity_threshold: Annotated[
        Real,
        Field(ge=-1, le=1),
        doc(
            "Minimum similarity of a text to the one named by `similar_to`. For texts shorter than `window`, see "
            "`short_texts`."
        ),
    ] = 0.8
    similar_to: Annotated[
        Literal["original", "current"],
        doc("Text that is compared with: the original, or the text before the swap."),
    ] = "original"
    window: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Number of words around the change that are compared. Absent: all words."),
    ] = None
    short_texts: ShortTexts = "pass"
    stopwords: Stopwords = "nltk-english"
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Replace words by misspellings and neighbours, in the order of the drop in p(label) without each word."""
        from benchmark.attacks.constraints import Similarity, may_replace, modifiable
        from benchmark.attacks.greedy_search import by_importance, greedy
        from benchmark.attacks.parts import required
        from benchmark.attacks.transformations import misspellings, neighbours, swaps

        lexicon = required(parts.lexicon, "lexicon")
        similarity = Similarity(self.similarity_threshold, self.similarity_metric, self.window, self.short_texts)

        def propose(case: "Case", text: "AttackedText", index: int) -> "Ask[list[Candidate]]":
            # A space inserted into an earlier word has shifted the indices; TextAttack uses the old index all the same.
            if not may_replace(text, index, parts.stopwords):
                return []
            word = text.words[index]
            edits = misspellings(word, case.rng) if self.edits else []
            words = [*edits, *neighbours(lexicon, word, self.candidates)]
            texts = {swapped.joined: swapped for swapped in reversed(swaps(text, index, words))}
            reference = case.original if self.similar_to == "original" else text
            return (yield from similarity.keep(case, reference, list(texts.values())))

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
            return (yield from greedy(case, start, next_word, propose))

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build TextBugger in the order of Li et al.'s recipe."""
        from benchmark.attacks.parts import required
        from benchmark.attacks.textattack import components

        similarity = components.LocalSentenceEncoder(
            parts.encoder,
            threshold=self.similarity_threshold,
            metric=self.similarity_metric,
            window=self.window,
            against_original=self.similar_to == "original",
        )
        neighbours = components.LexiconEmbedding(required(parts.lexicon, "lexicon")).swaps(self.candidates)
        transformation = components.bugs(neighbours, edits=self.edits)
        search = components.OrderedGreedySearch("delete")
        return components.compose(
            self, parts, victim, pair=pair, constraints=[similarity], transformation=transformation, search=search
        )
