"""What the victim says about a text, as far as it is known, and decisions that ask further where that is too little.

Every decision (which text scores best, whether one scores higher than another, whether the model is wrong) is the one
that the oracle's last tier would give: where the margins leave it open, the texts in doubt are asked about again on
the next tier, and only they.
"""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.questions import Answer, Ask, Question


@dataclass(slots=True, eq=False)
class Scored:
    """One item with the oracle's latest answer to it.

    Attributes:
        oracle: Who answers.
        item: What was asked about.
        label: For a victim, the class that the text has; None where scores are the answers' first number.
        answer: The most exact answer so far.
    """

    oracle: str
    item: Hashable
    label: int | None
    answer: Answer
    score: float = field(init=False)

    def __post_init__(self) -> None:
        """Work the score out."""
        self.learn(self.answer)

    def learn(self, answer: Answer) -> None:
        """Take a more exact answer."""
        self.answer = answer
        self.score = float(answer.values[0]) if self.label is None else _log_odds(answer.values, self.label)

    @property
    def margin(self) -> float:
        """Bound on the error of `score`: both sides of a difference of logits may be off."""
        return self.answer.margin * (1 if self.label is None else 2)

    @property
    def lead(self) -> float:
        """By how much the largest other logit exceeds the label's; its error is bounded by `margin` too."""
        values, label = self.answer.values.astype(np.float64), self.label or 0
        return float(np.delete(values, label).max() - values[label])

    @property
    def wrong(self) -> bool:
        """Whether the largest logit, the first of equal ones, is not the label's."""
        return int(self.answer.values.argmax()) != self.label


def refine(scored: Sequence[Scored]) -> Ask[None]:
    """Ask about the least exactly known of the items again, one tier up: what that settles need not be asked dearly."""
    for oracle in dict.fromkeys(s.oracle for s in scored):
        open_ones = [s for s in scored if s.oracle == oracle and s.answer.margin > 0]
        tier = min((s.answer.tier for s in open_ones), default=0)
        doubtful = [s for s in open_ones if s.answer.tier == tier]
        if doubtful:
            answers = yield Question(oracle, tuple(s.item for s in doubtful), tier + 1)
            for item, answer in zip(doubtful, answers, strict=True):
                item.learn(answer)


def best(scored: Sequence[Scored]) -> Ask[int]:
    """Position of the highest score; of equal ones, the first."""
    while True:
        top = max(range(len(scored)), key=lambda row: scored[row].score)
        reach = max(s.score - s.margin for s in scored)
        rivals = [s for row, s in enumerate(scored) if row != top and s.score + s.margin >= reach]
        doubtful = [s for s in (scored[top], *rivals) if s.answer.margin > 0]
        if not rivals or not doubtful:
            return top
        yield from refine(doubtful)


def exceeds(one: Scored, other: Scored) -> Ask[bool]:
    """Whether the first score is higher than the second."""
    while abs(one.score - other.score) <= one.margin + other.margin and (one.answer.margin or other.answer.margin):
        yield from refine([s for s in (one, other) if s.answer.margin > 0])
    return one.score > other.score


def above(scored: Sequence[Scored], threshold: float) -> Ask[list[bool]]:
    """For each score whether it reaches a threshold."""
    while doubtful := [s for s in scored if s.answer.margin > 0 and abs(s.score - threshold) <= s.margin]:
        yield from refine(doubtful)
    return [s.score >= threshold for s in scored]


def wrong(scored: Sequence[Scored]) -> Ask[list[bool]]:
    """For each text whether the victim gives another class than its label."""
    while doubtful := [s for s in scored if s.answer.margin > 0 and abs(s.lead) <= s.margin]:
        yield from refine(doubtful)
    return [s.wrong for s in scored]


def rounded(scored: Scored, decimals: int) -> Ask[tuple[float, ...]]:
    """The answer's numbers, rounded as the last tier's would be.

    A number whose margin reaches over the border between two roundings is asked about again, so that what is written
    down does not depend on who was asked about beside it.
    """
    scale = 10.0**decimals
    while margin := scored.answer.margin:
        exact = scored.answer.values.astype(np.float64)
        if (np.round((exact - margin) * scale) == np.round((exact + margin) * scale)).all():
            break
        yield from refine([scored])
    return tuple(float(value) for value in np.round(scored.answer.values.astype(np.float64), decimals))


def descending(scored: Sequence[Scored]) -> Generator[Question, Sequence[Answer], list[int]]:
    """Positions by descending score, equal ones in their order.

    Neighbours in that order are told apart, which settles all pairs.
    """
    while True:
        order = sorted(range(len(scored)), key=lambda row: -scored[row].score)
        doubtful: dict[int, Scored] = {}
        for position, row in enumerate(order):
            for later in order[position + 1 :]:
                one, other = scored[row], scored[later]
                if one.score - one.margin > other.score + other.margin:
                    break
                doubtful |= {id(s): s for s in (one, other) if s.answer.margin > 0}
        if not doubtful:
            return order
        yield from refine(list(doubtful.values()))


def _log_odds(logits: NDArray[np.float32], label: int) -> float:
    """Log odds of any other class against the label's, in float64.

    It orders texts as 1 - p(label) does, and still tells apart what probabilities in float32 cannot.
    """
    values = logits.astype(np.float64)
    others = np.delete(values, label)
    top = float(others.max())
    return top + float(np.log(np.exp(others - top).sum())) - float(values[label])
