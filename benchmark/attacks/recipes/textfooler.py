"""TextFooler (Jin et al., AAAI 2020), with the decisions of TextAttack's recipe of that name."""

from collections.abc import Callable
from functools import partial

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import (
    Candidate,
    Rule,
    Similarity,
    allowed,
    few_enough,
    modifiable,
    near_enough,
    same_part_of_speech,
)
from benchmark.attacks.engine import Ask, Case, ScoredItem, SearchResult
from benchmark.attacks.greedy_search import by_importance, greedy
from benchmark.attacks.parts import Parts
from benchmark.attacks.transformations import neighbours, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import Substitution, TextFooler


def textfooler(parameters: TextFooler, parts: Parts) -> Callable[[Case, ScoredItem], Ask[SearchResult]]:
    """Replace words by neighbours of similar meaning, in the order of the drop in p(label) without each word."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("TextFooler needs a lexicon. Load it with load_parts.")
    rules = rules_of(parameters, parts)
    similarity = Similarity(
        parameters.similarity_threshold, parameters.similarity_metric, parameters.window, parameters.short_texts
    )

    def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
        words = neighbours(lexicon, text.words[index], parameters.candidates)
        return (yield from similarity.keep(case, text, allowed(case.original, swaps(text, index, words), rules)))

    def search(case: Case, start: ScoredItem) -> Ask[SearchResult]:
        next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
        return (yield from greedy(case, start, next_word, propose))

    return search


def rules_of(parameters: Substitution, parts: Parts) -> list[Rule]:
    """Return the constraints on a substitute, cheapest first, without the constraint on sentence similarity."""
    lexicon, tagger = parts.lexicon, parts.tagger
    if lexicon is None or tagger is None:
        raise TemperError("TextFooler's substitutes need a lexicon and a tagger. Load both with load_parts.")
    share: list[Rule] = [] if parameters.max_share is None else [partial(few_enough, parameters.max_share)]
    return [*share, partial(near_enough, lexicon, parameters.min_cosine), partial(same_part_of_speech, tagger)]
