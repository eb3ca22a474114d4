"""Genetic search over substitutions, with the steps of TextAttack's AlzantotGeneticAlgorithm."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmark.attacks.engine.case import Case, Finding
from benchmark.attacks.engine.questions import Ask
from benchmark.attacks.engine.scored import above, best, exceeds, wrong
from benchmark.attacks.engine.together import together
from benchmark.attacks.text import AttackedText

T = TypeVar("T")

Substitutes = Callable[[AttackedText, int], list[AttackedText]]
"""The allowed texts with another word in the place of the one with a number; the number of words stays the same."""


@dataclass(frozen=True, slots=True)
class Breeding:
    """How texts are bred.

    Attributes:
        population: Texts of a generation.
        generations: Most generations after the first.
        temperature: How little a text's doubt, 1 - p(label), counts when parents are drawn.
    """

    population: int
    generations: int
    temperature: float


def genetic(case: Case, start: Finding, breeding: Breeding, substitutes: Substitutes) -> Ask[Finding]:
    """Swap a random word in each of many texts, cross texts with each other, and so on until the victim is wrong.

    What is found is the best text before the last generation, which TextAttack breeds and then does not look at.

    Args:
        case: The example.
        start: The original with what the victim says about it.
        breeding: How texts are bred.
        substitutes: Gives what may stand in a word's place.
    """
    counts = [len(substitutes(start.text, index)) for index in range(len(start.text.words))]
    # Also words without a substitute are drawn now and then, in vain.
    least = max(1, int(min(counts, default=0) * 0.1))
    weights = [max(count, least) for count in counts]
    farm = _Farm(case, breeding, substitutes, weights)
    members = (yield from farm.all([farm.mutated(start, rng) for rng in farm.seeds(breeding.population)])) or [start]
    for _ in range(breeding.generations):
        members = yield from _best_first(members)
        if case.spent or (yield from wrong([members[0].scored]))[0]:
            break
        children = [farm.child(members, rng) for rng in farm.seeds(breeding.population - 1)]
        members = [members[0], *(child for child in (yield from farm.all(children)) if child is not None)]
    return members[0]


def _best_first(members: Sequence[Finding]) -> Ask[list[Finding]]:
    """The members with the one that the victim doubts most in front; nothing depends on the others' order."""
    # A text is often there many times, and asking exactly about one of them is enough.
    firsts = sorted({members[place].scored.item: place for place in reversed(range(len(members)))}.values())
    top = firsts[(yield from best([members[place].scored for place in firsts]))]
    return [members[top], *members[:top], *members[top + 1 :]]


@dataclass(frozen=True, slots=True)
class _Farm:
    """Makes texts out of texts.

    Attributes:
        case: The example.
        breeding: How.
        substitutes: What may stand in a word's place.
        weights: How likely each word is to be swapped, while it is the original's.
    """

    case: Case
    breeding: Breeding
    substitutes: Substitutes
    weights: Sequence[int]

    def seeds(self, number: int) -> list[random.Random]:
        """Random numbers for each text to be made, so that none depends on how many another one needs."""
        return [random.Random(self.case.rng.getrandbits(64)) for _ in range(number)]

    def all(self, made: Sequence[Ask[T]]) -> Ask[list[T]]:
        """Make texts side by side; under a budget one after the other, for it matters who comes to ask."""
        if self.case.budget is None:
            return (yield from together(made))
        found = []
        for one in made:
            if self.case.spent:
                break
            found.append((yield from one))
        return found

    def child(self, members: Sequence[Finding], rng: random.Random) -> Ask[Finding | None]:
        """Cross two members and swap a word of the result; None if the budget went on the crossing."""
        first = yield from self._parent(members, rng)
        second = yield from self._parent(members, rng)
        text = crossed(first.text, second.text, rng)
        (scored,) = yield from self.case.classify([text])
        if self.case.spent:
            return None
        return (yield from self.mutated(Finding(text, scored), rng))

    def mutated(self, member: Finding, rng: random.Random) -> Ask[Finding]:
        """Put the best substitute in a random word's place; where none is better, try another word."""
        left = [0 if index in member.text.modified else weight for index, weight in enumerate(self.weights)]
        for _ in range(sum(map(bool, left))):
            index = rng.choices(range(len(left)), left)[0]
            texts = self.substitutes(member.text, index)
            if not texts:
                continue
            scored = yield from self.case.classify(texts)
            top = (yield from best(scored)) if scored else None
            if top is not None and (yield from exceeds(scored[top], member.scored)):
                return Finding(texts[top], scored[top])
            left[index] = 0
            if self.case.spent:
                break
        return member

    def _parent(self, members: Sequence[Finding], rng: random.Random) -> Ask[Finding]:
        """Draw a member, each as likely as exp(-doubt / temperature): TextAttack prefers what the victim believes.

        A member drawn at random is taken with that probability, so that one decision hangs on one member's score.
        """
        while True:
            member = rng.choice(members)
            most = -self.breeding.temperature * math.log(1 - rng.random())
            if most >= 1:
                return member
            if most > 0 and not (yield from above([member.scored], math.log(most / (1 - most))))[0]:
                return member


def crossed(first: AttackedText, second: AttackedText, rng: random.Random) -> AttackedText:
    """The first text with each word that the second has otherwise taken from there with probability 1/2."""
    different = [i for i, (one, other) in enumerate(zip(first.words, second.words, strict=True)) if one != other]
    taken = frozenset(index for index in different if rng.random() < 0.5)
    text = first
    for index in sorted(taken):
        text = text.replace(index, second.words[index])
    return AttackedText(text.columns, (first.modified - taken) | (second.modified & taken), taken)
