"""One example under attack: what is asked about it, what that costs, and what was found."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.attacks.engine.questions import ENCODER, VICTIM, Ask, Question
from benchmark.attacks.engine.scored import Scored
from benchmark.attacks.text import AttackedText


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

        A text that was asked about before costs a query and no pass.
        """
        allowed = texts if self.budget is None else texts[: max(0, self.budget - self.queries)]
        self.queries += len(allowed)
        columns = [text.columns for text in allowed]
        fresh = tuple(c for c in dict.fromkeys(columns) if c not in self._known)
        if fresh:
            answers = yield Question(VICTIM, fresh)
            for item, answer in zip(fresh, answers, strict=True):
                # What another part of the search has asked about since may be known better by now.
                self._known.setdefault(item, Scored(VICTIM, item, self.label, answer))
        return [self._known[c] for c in columns]

    def similarities(self, pairs: Sequence[tuple[str, str]]) -> Ask[list[Scored]]:
        """Cosine similarities of pairs of texts by the sentence encoder; not queries of the victim."""
        items = tuple(dict.fromkeys(pairs))
        answers = yield Question(ENCODER, items)
        by_pair = dict(zip(items, answers, strict=True))
        return [Scored(ENCODER, pair, None, by_pair[pair]) for pair in pairs]
