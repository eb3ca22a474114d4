"""Random substitution with TextFooler's substitutes: what is left of an attack when its search is taken away."""

from collections.abc import Callable

from benchmark.attacks.constraints import Similarity, allowed, modifiable
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.recipes.textfooler import rules_of
from benchmark.attacks.searches.random_walk import random_walks
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import neighbours, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import RandomSwap


def random_swap(numbers: RandomSwap, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Random words, random substitutes out of those that TextFooler allows, as many queries as is said."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("Random substitution needs a lexicon; load_parts gives it.")
    rules = rules_of(numbers, parts)
    similarity = Similarity(
        numbers.similarity_threshold, numbers.similarity_metric, numbers.window, numbers.short_texts
    )

    def pick(case: Case, text: AttackedText, index: int) -> Ask[AttackedText | None]:
        words = neighbours(lexicon, text.words[index], numbers.candidates)
        texts = allowed(case.original, swaps(text, index, words), rules)
        # The first of them in random order that is similar enough is as good as any that is.
        for swapped in case.rng.sample(texts, len(texts)):
            if (yield from similarity.keep(case, text, [swapped])):
                return swapped
        return None

    def search(case: Case, start: Scored) -> Ask[Finding]:
        words = modifiable(case.original, parts.stopwords)
        return (yield from random_walks(case, Finding(case.original, start), numbers.queries, words, pick))

    return search
