"""Genetic search over texts (Alzantot et al., EMNLP 2018), with TextAttack's decisions (AlzantotGeneticAlgorithm)."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine import Ask, Case, SearchResult
from benchmark.attacks.engine.case import above, best, exceeds, wrong
from benchmark.attacks.engine.scheduler import gather

T = TypeVar("T")

Substitutes = Callable[[AttackedText, int], list[AttackedText]]
"""Returns the allowed texts with another word at an index; the number of words stays the same."""


def genetic_search(
    case: Case,
    start: SearchResult,
    substitutes: Substitutes,
    *,
    population: int,
    generations: int,
    temperature: float,
) -> Ask[SearchResult]:
    """Swap a random word in each of many texts, then cross the texts over generations until the victim is wrong.

    The result is the best text before the last generation, because TextAttack never evaluates the last one.

    Args:
        case: The example.
        start: The original with its score.
        substitutes: Returns the texts with a word replaced.
        population: Number of texts of a generation.
        generations: Maximum number of generations after the first.
        temperature: Temperature of the selection of parents.
    """
    counts = [len(substitutes(start.text, index)) for index in range(len(start.text.words))]
    # TextAttack gives words without a substitute a small weight too; drawing one of them changes nothing.
    least = max(1, int(min(counts, default=0) * 0.1))
    weights = [max(count, least) for count in counts]
    breeder = _Breeder(case, temperature, substitutes, weights)
    first = [breeder.mutate(start, rng) for rng in breeder.generators(population)]
    members = (yield from breeder.breed(first)) or [start]
    for _ in range(generations):
        members = yield from _best_first(members)
        if case.spent or (yield from wrong([members[0].scored]))[0]:
            break
        children = [breeder.child(members, rng) for rng in breeder.generators(population - 1)]
        members = [members[0], *(child for child in (yield from breeder.breed(children)) if child is not None)]
    return members[0]


def _best_first(members: Sequence[SearchResult]) -> Ask[list[SearchResult]]:
    """Move the member with the highest score to the front; the order of the others has no effect."""
    # A text often occurs several times, and one exact evaluation of it is enough.
    firsts = sorted({members[row].scored.item: row for row in reversed(range(len(members)))}.values())
    top = firsts[(yield from best([members[row].scored for row in firsts]))]
    return [members[top], *members[:top], *members[top + 1 :]]


@dataclass(frozen=True, slots=True)
class _Breeder:
    """Mutation and crossover of texts.

    Attributes:
        case: The example.
        temperature: Temperature of the selection of parents.
        substitutes: Returns the texts with a word replaced.
        weights: Relative probability that each original word is swapped.
    """

    case: Case
    temperature: float
    substitutes: Substitutes
    weights: Sequence[int]

    def generators(self, count: int) -> list[random.Random]:
        """Return a random generator per text, so that no text depends on the number of draws for another."""
        return [random.Random(self.case.rng.getrandbits(64)) for _ in range(count)]

    def breed(self, searches: Sequence[Ask[T]]) -> Ask[list[T]]:
        """Create texts concurrently; under a budget one after the other, because the order of queries matters."""
        if self.case.budget is None:
            return (yield from gather(searches))
        results = []
        for search in searches:
            if self.case.spent:
                break
            results.append((yield from search))
        return results

    def child(self, members: Sequence[SearchResult], rng: random.Random) -> Ask[SearchResult | None]:
        """Cross two members and swap a word of the result; None if the crossover used up the budget."""
        first = yield from self._parent(members, rng)
        second = yield from self._parent(members, rng)
        text = crossover(first.text, second.text, rng)
        (scored,) = yield from self.case.classify([text])
        if self.case.spent:
            return None
        return (yield from self.mutate(SearchResult(text, scored), rng))

    def mutate(self, member: SearchResult, rng: random.Random) -> Ask[SearchResult]:
        """Replace a random word by its best substitute; if none scores higher than the member, try another word."""
        left = [0 if index in member.text.modified else weight for index, weight in enumerate(self.weights)]
        for _ in range(sum(map(bool, left))):
            index = rng.choices(range(len(left)), left)[0]
            texts = self.substitutes(member.text, index)
            if not texts:
                continue
            scored = yield from self.case.classify(texts)
            top = (yield from best(scored)) if scored else None
            if top is not None and (yield from exceeds(scored[top], member.scored)):
                return SearchResult(texts[top], scored[top])
            left[index] = 0
            if self.case.spent:
                break
        return member

    def _parent(self, members: Sequence[SearchResult], rng: random.Random) -> Ask[SearchResult]:
        """Draw a member with probability proportional to exp(-(1 - p(label)) / temperature).

        TextAttack thus prefers texts that the victim classifies correctly. Rejection sampling makes each decision
        depend on the score of one member only.
        """
        while True:
            member = rng.choice(members)
            bound = -self.temperature * math.log(1 - rng.random())
            if bound >= 1:
                return member
            if bound > 0 and not (yield from above([member.scored], math.log(bound / (1 - bound))))[0]:
                return member


def crossover(first: AttackedText, second: AttackedText, rng: random.Random) -> AttackedText:
    """Replace each word of the first text that differs in the second by the second's with probability 1/2."""
    different = [i for i, (one, other) in enumerate(zip(first.words, second.words, strict=True)) if one != other]
    swapped = frozenset(index for index in different if rng.random() < 0.5)
    text = first
    for index in sorted(swapped):
        text = text.replace(index, second.words[index])
    return AttackedText(text.columns, (first.modified - swapped) | (second.modified & swapped), swapped)
