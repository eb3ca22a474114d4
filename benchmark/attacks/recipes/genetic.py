"""The genetic attack of Alzantot et al. (EMNLP 2018) in the variant of Jia et al. (EMNLP 2019), which RIFT uses.

Decisions are those of TextAttack's recipe FasterGeneticAlgorithmJia2019 without its language model, whose scores cannot
be had; and the bound on the distance of word vectors is one on their cosine.
"""

import math
from collections.abc import Callable
from functools import partial

from benchmark.attacks.constraints import Rule, allowed, modifiable, near_enough
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.searches.genetic import Breeding
from benchmark.attacks.searches.genetic import genetic as bred
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import neighbours, one_word, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import Genetic


def genetic(numbers: Genetic, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Texts with neighbours of some of their words, crossed with each other over generations."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("The genetic attack needs a lexicon; load_parts gives it.")
    rules: list[Rule] = [partial(near_enough, lexicon, numbers.min_cosine)]
    breeding = Breeding(numbers.population, numbers.generations, numbers.temperature)

    def fitting(original: AttackedText, index: int) -> list[str]:
        """What may replace a word of the original; no other word is ever replaced."""
        # Texts that are crossed must have the same words at the same numbers.
        words = filter(one_word, neighbours(lexicon, original.words[index], numbers.candidates))
        return [word for word in words if allowed(original, swaps(original, index, [word]), rules)]

    def search(case: Case, start: Scored) -> Ask[Finding]:
        original = case.original
        words = {index: fitting(original, index) for index in modifiable(original, parts.stopwords)}
        most = math.ceil(len(original.words) * numbers.max_share)

        def substitutes(text: AttackedText, index: int) -> list[AttackedText]:
            if index in text.modified or len(text.modified) >= most:
                return []
            return sorted(swaps(text, index, words.get(index, ())), key=lambda swapped: swapped.joined)

        return (yield from bred(case, Finding(original, start), breeding, substitutes))

    return search
