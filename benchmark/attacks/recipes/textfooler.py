"""TextFooler (Jin et al., AAAI 2020), with the decisions of TextAttack's recipe of that name."""

from collections.abc import Callable
from functools import partial

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
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.searches.greedy import by_importance, greedy
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import neighbours, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import Substitution, TextFooler


def textfooler(numbers: TextFooler, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Words by how much their deletion hurts; neighbours of like meaning, kind and context in their place."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("TextFooler needs a lexicon; load_parts gives it.")
    rules = rules_of(numbers, parts)
    similarity = Similarity(
        numbers.similarity_threshold, numbers.similarity_metric, numbers.window, numbers.short_texts
    )

    def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
        words = neighbours(lexicon, text.words[index], numbers.candidates)
        return (yield from similarity.keep(case, text, allowed(case.original, swaps(text, index, words), rules)))

    def search(case: Case, start: Scored) -> Ask[Finding]:
        following = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
        return (yield from greedy(case, start, following, propose))

    return search


def rules_of(numbers: Substitution, parts: Parts) -> list[Rule]:
    """What a substitute must keep beside the sentence's similarity, from the cheapest rule to the dearest."""
    lexicon, tagger = parts.lexicon, parts.tagger
    if lexicon is None or tagger is None:
        raise TemperError("TextFooler's substitutes need a lexicon and a tagger; load_parts gives both.")
    few: list[Rule] = [] if numbers.max_share is None else [partial(few_enough, numbers.max_share)]
    return [*few, partial(near_enough, lexicon, numbers.min_cosine), partial(same_part_of_speech, tagger)]
