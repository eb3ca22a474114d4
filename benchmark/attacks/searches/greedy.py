"""Greedy search over words by importance, with TextAttack's decisions (GreedyWordSwapWIR)."""

from collections.abc import Callable, Sequence

from benchmark.attacks.constraints import Candidate
from benchmark.attacks.engine.case import Case, Finding
from benchmark.attacks.engine.questions import Ask
from benchmark.attacks.engine.scored import Scored, best, exceeds, wrong
from benchmark.attacks.text import AttackedText

Propose = Callable[[Case, AttackedText, int], Ask[list[Candidate]]]
"""All allowed candidates for the word of a number in a text."""

Next = Callable[[], Ask[int | None]]
"""The word to try next; None when there is none left."""


def by_importance(case: Case, indices: Sequence[int], without: str) -> Ask[Next]:
    """Order words by how much the victim's belief in the label falls where each is replaced.

    The order is settled as far as the search goes along it. Equal ones come in the order of the text, where
    TextAttack leaves them to an unstable sort.

    Args:
        case: The example.
        indices: Numbers of the words.
        without: What stands in a word's place: nothing, or a token that says nothing.
    """
    scored = yield from case.classify([case.original.replace(index, without) for index in indices])
    # A budget may have cut the answers short; words without one are not tried.
    remaining = dict(zip(indices, scored, strict=False))

    def following() -> Ask[int | None]:
        if not remaining:
            return None
        numbers = list(remaining)
        first = numbers[(yield from best(list(remaining.values())))]
        del remaining[first]
        return first

    return following


def greedy(case: Case, start: Scored, following: Next, propose: Propose) -> Ask[Finding]:
    """Replace word after word by the candidate that the victim believes least, until it is wrong.

    Args:
        case: The example.
        start: What the victim says about the original.
        following: Gives the words in the order in which they are tried.
        propose: Gives the candidates for a word.
    """
    current = Finding(case.original, start)
    while not case.spent:
        index = yield from following()
        if index is None:
            break
        candidates = sorted((yield from propose(case, current.text, index)), key=lambda c: c.text.joined)
        scored = yield from case.classify([candidate.text for candidate in candidates])
        if not scored:
            continue
        top = yield from best(scored)
        if not (yield from exceeds(scored[top], current.scored)):
            continue
        if (yield from wrong([scored[top]]))[0]:
            return (yield from _most_similar(candidates[: len(scored)], scored, top))
        current = Finding(candidates[top].text, scored[top])
    return current


def _most_similar(candidates: Sequence[Candidate], scored: Sequence[Scored], top: int) -> Ask[Finding]:
    """Of the candidates that the victim gets wrong, the most similar one; of equal ones, the least believed.

    Only those count that are believed less than every candidate that it gets right.
    """
    if candidates[top].similarity is None:
        return Finding(candidates[top].text, scored[top])
    misled = yield from wrong(scored)
    right = [s for s, is_wrong in zip(scored, misled, strict=True) if not is_wrong]
    rows = [row for row, is_wrong in enumerate(misled) if is_wrong]
    if right:
        bar = right[(yield from best(right))]
        beyond = []
        for row in rows:
            if (yield from exceeds(scored[row], bar)) or (scored[row].score == bar.score and row < scored.index(bar)):
                beyond.append(row)
        rows = beyond
    return (yield from _closest(candidates, scored, rows))


def _closest(candidates: Sequence[Candidate], scored: Sequence[Scored], rows: Sequence[int]) -> Ask[Finding]:
    similarities = [s for row in rows if (s := candidates[row].similarity) is not None]
    first = similarities[(yield from best(similarities))]
    level = [row for row, s in zip(rows, similarities, strict=True) if s.score == first.score]
    chosen = level[(yield from best([scored[row] for row in level]))]
    return Finding(candidates[chosen].text, scored[chosen])
