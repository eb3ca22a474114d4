"""PWWS (Ren et al., ACL 2019), with the decisions of TextAttack's recipe of that name: no named entities."""

from typing import TYPE_CHECKING, ClassVar

from benchmark.attacks.attack_recipe import AttackRecipe, Budget, Lexicon, ReportedEncoder, Share, Stopwords, attack

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.constraints import Candidate
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search, SearchResult
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper


@attack("pwws")
class PWWS(AttackRecipe):
    """PWWS (Ren et al., 2019) as TextAttack has it: synonyms from WordNet, any text allowed, no named entities."""

    added_parameters: ClassVar[tuple[str, ...]] = ("max_share",)

    lexicon: Lexicon = "wordnet-synonyms"
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    max_share: Share = None
    query_budget: Budget = None

    def search(self, parts: "Parts") -> "Search":
        """Replace words by synonyms, written as the lexicon has them, in the order of weighted saliency."""
        from benchmark.attacks.constraints import Candidate, allowed, modifiable, share_rules
        from benchmark.attacks.greedy_search import by_weighted_saliency, greedy
        from benchmark.attacks.parts import required
        from benchmark.attacks.transformations import swaps

        lexicon = required(parts.lexicon, "lexicon")
        rules = share_rules(self.max_share)

        def propose(case: "Case", text: "AttackedText", index: int) -> "Ask[list[Candidate]]":
            yield from ()
            words = (near for near, _ in lexicon.neighbours(text.words[index].lower()))
            return [Candidate(swapped) for swapped in allowed(case.original, swaps(text, index, words), rules)]

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            next_word = yield from by_weighted_saliency(case, modifiable(case.original, parts.stopwords), propose)
            return (yield from greedy(case, start, next_word, propose))

        return search

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build PWWS in the order of Ren et al.'s recipe."""
        from benchmark.attacks.parts import required
        from benchmark.attacks.textattack import components

        transformation = components.LexiconSwap(required(parts.lexicon, "lexicon"))
        constraints, search = components.max_words(self.max_share), components.OrderedSaliencySearch()
        return components.compose(
            self, parts, victim, pair=pair, constraints=constraints, transformation=transformation, search=search
        )
