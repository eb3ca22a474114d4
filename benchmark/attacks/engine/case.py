"""One example under attack: what is asked about it, what that costs, and what was found."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from benchmark.attacks.engine.questions import ENCODER, VICTIM, Ask, Question
from benchmark.attacks.engine.scored import Scored
from benchmark.attacks.text import AttackedText

REMEMBERED = 1 << 11
"""Texts whose answers an example keeps: more than a search asks about again, and little for a thousand examples."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a search ended.

    Attributes:
        text: The text it ended with.
        scored: What the victim says about it.
    """

    text: AttackedText
    scored: Scored


@dataclass
class Case:
    """An example in a search's hands.

    Attributes:
        original: The example's text.
        label: Class that the model should give.
        rng: The example's own random numbers.
        budget: Most queries; None for no bound.
        queries: Texts asked about, repetitions included, as TextAttack counts them.
        id: Of the example.
    """

    original: AttackedText
    label: int
    rng: random.Random
    budget: int | None = None
    queries: int = 0
    id: str = ""
    _known: dict[tuple[str, ...], Scored] = field(default_factory=dict)

    @property
    def spent(self) -> bool:
        """Whether the budget is used up, so that nothing more may be asked."""
        return self.budget is not None and self.queries >= self.budget

    def classify(self, texts: Sequence[AttackedText]) -> Ask[list[Scored]]:
        """Ask the victim about texts, as many of them as the budget still allows; each counts as a query.

        A text that was asked about before costs a query and, unless that was long ago, no pass.
        """
        allowed = texts if self.budget is None else texts[: max(0, self.budget - self.queries)]
        self.queries += len(allowed)
        columns = [text.columns for text in allowed]
        known = {c: self._known[c] for c in columns if c in self._known}
        fresh = tuple(dict.fromkeys(c for c in columns if c not in known))
        if fresh:
            answers = yield Question(VICTIM, fresh)
            for item, answer in zip(fresh, answers, strict=True):
                # What another part of the search has asked about since may be known better by now.
                known[item] = self._known.setdefault(item, Scored(VICTIM, item, self.label, answer))
            for item in list(islice(self._known, max(0, len(self._known) - REMEMBERED))):
                del self._known[item]
        return [known[c] for c in columns]

    def similarities(self, pairs: Sequence[tuple[str, str]]) -> Ask[list[Scored]]:
        """Cosine similarities of pairs of texts by the sentence encoder; not queries of the victim."""
        items = tuple(dict.fromkeys(pairs))
        answers = yield Question(ENCODER, items)
        by_pair = dict(zip(items, answers, strict=True))
        return [Scored(ENCODER, pair, None, by_pair[pair]) for pair in pairs]
