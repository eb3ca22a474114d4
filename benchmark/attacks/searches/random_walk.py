"""Random substitution: what is found without looking at the victim's answers."""

from collections.abc import Callable, Sequence

from benchmark.attacks.engine.case import Case, Finding
from benchmark.attacks.engine.questions import Ask
from benchmark.attacks.engine.scored import wrong
from benchmark.attacks.text import AttackedText

Pick = Callable[[Case, AttackedText, int], Ask[AttackedText | None]]
"""A text with a random allowed substitute in a word's place; None where there is none."""


def random_walks(case: Case, start: Finding, queries: int, indices: Sequence[int], pick: Pick) -> Ask[Finding]:
    """Swap the words one after the other in random order, again and again from the original, until the victim is wrong.

    The victim is asked about every text on the way, and only after the walk.

    Args:
        case: The example.
        start: The original with what the victim says about it.
        queries: Texts asked about in all, what was asked before included; the last walk is cut short.
        indices: Numbers of the words.
        pick: Gives a substitute.
    """
    found = start
    while case.queries < queries:
        texts = yield from _walk(case, queries - case.queries, indices, pick)
        if not texts:
            break
        scored = yield from case.classify(texts)
        misled = yield from wrong(scored)
        last = misled.index(True) if any(misled) else len(texts) - 1
        found = Finding(texts[last], scored[last])
        if misled[last]:
            break
    return found


def _walk(case: Case, most: int, indices: Sequence[int], pick: Pick) -> Ask[list[AttackedText]]:
    texts: list[AttackedText] = []
    current = case.original
    for index in case.rng.sample(indices, len(indices)):
        if len(texts) == most:
            break
        swapped = yield from pick(case, current, index)
        if swapped is not None:
            texts.append(swapped)
            current = swapped
    return texts
