"""One example under attack: its queries, the scores of its texts, and decisions between them.

Every decision (the text with the highest score, the higher of two scores, whether the model is wrong) is the one that
the oracle's last tier would give: where the margins leave it open, only the undecided texts are evaluated again on the
next tier.
"""

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine.questions import ENCODER, VICTIM, Answer, Ask, Question


@dataclass(slots=True, eq=False)
class ScoredItem:
    """An item, the oracle's most exact answer for it so far, and the score that follows from the answer.

    Attributes:
        oracle: Name of the oracle.
        item: The item.
        label: Class of the text, for a victim; None if the score is the answer's first value.
        answer: The most exact answer so far.
        score: Log odds of the other classes against the label, or the answer's first value.
    """

    oracle: str
    item: Hashable
    label: int | None
    answer: Answer
    score: float = field(init=False)

    def __post_init__(self) -> None:
        """Compute the score."""
        self.update(self.answer)

    def update(self, answer: Answer) -> None:
        """Replace the answer by a more exact one."""
        self.answer = answer
        self.score = float(answer.values[0]) if self.label is None else _log_odds(answer.values, self.label)

    @property
    def margin(self) -> float:
        """Bound on the error of `score`; both logits of a difference can have the answer's error."""
        return self.answer.margin * (1 if self.label is None else 2)

    @property
    def lead(self) -> float:
        """Largest other logit minus the label's; `margin` bounds its error too."""
        values, label = self.answer.values.astype(np.float64), self.label or 0
        return float(np.delete(values, label).max() - values[label])

    @property
    def wrong(self) -> bool:
        """Return whether the largest logit, the first in a tie, is not the label's."""
        return int(self.answer.values.argmax()) != self.label


def refine(scored: Sequence[ScoredItem]) -> Ask[None]:
    """Evaluate the least exact of the items one tier higher, so that the slowest tier is used for few items."""
    for oracle in dict.fromkeys(s.oracle for s in scored):
        inexact = [s for s in scored if s.oracle == oracle and s.answer.margin > 0]
        tier = min((s.answer.tier for s in inexact), default=0)
        least_exact = [s for s in inexact if s.answer.tier == tier]
        if least_exact:
            answers = yield Question(oracle, tuple(s.item for s in least_exact), tier + 1)
            for item, answer in zip(least_exact, answers, strict=True):
                item.update(answer)


def best(scored: Sequence[ScoredItem]) -> Ask[int]:
    """Return the position of the highest score, the first in a tie."""
    while True:
        top = max(range(len(scored)), key=lambda row: scored[row].score)
        reach = max(s.score - s.margin for s in scored)
        rivals = [s for row, s in enumerate(scored) if row != top and s.score + s.margin >= reach]
        undecided = [s for s in (scored[top], *rivals) if s.answer.margin > 0]
        if not rivals or not undecided:
            return top
        yield from refine(undecided)


def exceeds(one: ScoredItem, other: ScoredItem) -> Ask[bool]:
    """Return whether the first score is higher than the second."""
    while abs(one.score - other.score) <= one.margin + other.margin and (one.answer.margin or other.answer.margin):
        yield from refine([s for s in (one, other) if s.answer.margin > 0])
    return one.score > other.score


def above(scored: Sequence[ScoredItem], threshold: float) -> Ask[list[bool]]:
    """Return for each score whether it is at least a threshold."""
    while undecided := [s for s in scored if s.answer.margin > 0 and abs(s.score - threshold) <= s.margin]:
        yield from refine(undecided)
    return [s.score >= threshold for s in scored]


def wrong(scored: Sequence[ScoredItem]) -> Ask[list[bool]]:
    """Return for each text whether the victim's class differs from the label."""
    while undecided := [s for s in scored if s.answer.margin > 0 and abs(s.lead) <= s.margin]:
        yield from refine(undecided)
    return [s.wrong for s in scored]


def rounded(scored: ScoredItem, decimals: int) -> Ask[tuple[float, ...]]:
    """Return the answer's values, rounded as the last tier's would be.

    An item is evaluated again if the margin leaves the rounding open, so that the stored values do not depend on the
    other items of a batch.
    """
    scale = 10.0**decimals
    while margin := scored.answer.margin:
        exact = scored.answer.values.astype(np.float64)
        if (np.round((exact - margin) * scale) == np.round((exact + margin) * scale)).all():
            break
        yield from refine([scored])
    return tuple(float(value) for value in np.round(scored.answer.values.astype(np.float64), decimals))


def _log_odds(logits: NDArray[np.float32], label: int) -> float:
    """Compute the log odds of all other classes against the label in float64.

    The order of texts is that of 1 - p(label), without the ties of probabilities in float32.
    """
    values = logits.astype(np.float64)
    others = np.delete(values, label)
    top = float(others.max())
    return top + float(np.log(np.exp(others - top).sum())) - float(values[label])


REMEMBERED = 1 << 11
"""Number of texts whose answers an example caches: enough for repeated queries, and little memory per example."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The final text of a search.

    Attributes:
        text: The text.
        scored: Its score by the victim.
    """

    text: AttackedText
    scored: ScoredItem


@dataclass
class Case:
    """An example under attack.

    Attributes:
        original: The example's text.
        label: The correct class.
        rng: The example's own random generator.
        budget: Maximum number of queries; None for no bound.
        queries: Number of texts classified, repetitions included, as TextAttack counts them.
        id: The example's id.
    """

    original: AttackedText
    label: int
    rng: random.Random
    budget: int | None = None
    queries: int = 0
    id: str = ""
    _known: dict[tuple[str, ...], ScoredItem] = field(default_factory=dict)

    @property
    def spent(self) -> bool:
        """Return whether the query budget is used up."""
        return self.budget is not None and self.queries >= self.budget

    def classify(self, texts: Sequence[AttackedText]) -> Ask[list[ScoredItem]]:
        """Classify texts by the victim, as many as the budget still allows; each counts as a query.

        A repeated text costs a query and, while its answer is cached, no forward pass.
        """
        allowed = texts if self.budget is None else texts[: max(0, self.budget - self.queries)]
        self.queries += len(allowed)
        columns = [text.columns for text in allowed]
        known = {c: self._known[c] for c in columns if c in self._known}
        fresh = tuple(dict.fromkeys(c for c in columns if c not in known))
        if fresh:
            answers = yield Question(VICTIM, fresh)
            for item, answer in zip(fresh, answers, strict=True):
                # A concurrent part of the search may have stored a more exact answer by now.
                known[item] = self._known.setdefault(item, ScoredItem(VICTIM, item, self.label, answer))
            for item in list(islice(self._known, max(0, len(self._known) - REMEMBERED))):
                del self._known[item]
        return [known[c] for c in columns]

    def similarities(self, pairs: Sequence[tuple[str, str]]) -> Ask[list[ScoredItem]]:
        """Compute cosine similarities of pairs of texts by the sentence encoder; they do not count as queries."""
        items = tuple(dict.fromkeys(pairs))
        answers = yield Question(ENCODER, items)
        by_pair = dict(zip(items, answers, strict=True))
        return [ScoredItem(ENCODER, pair, None, by_pair[pair]) for pair in pairs]


Search = Callable[[Case, ScoredItem], Ask[SearchResult]]
"""Attacks one example, given the victim's score of its original."""
