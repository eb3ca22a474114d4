"""Parts of one search that do not wait for each other."""

from collections.abc import Generator, Hashable, Sequence
from typing import TypeVar

from benchmark.attacks.engine.questions import Answer, Ask, Question

T = TypeVar("T")


def together(parts: Sequence[Ask[T]]) -> Ask[list[T]]:
    """Run parts of a search side by side, the questions of a round put together; gives their results in order.

    What a part does may depend on its own answers and on nothing else that changes while it runs: neither on another
    part nor on random numbers that they share.
    """
    results: dict[int, T] = {}
    waiting: dict[int, Question] = {}
    for number, part in enumerate(parts):
        _advance(number, part, None, waiting, results)
    while waiting:
        known = yield from _answered(list(waiting.values()))
        for number, question in list(waiting.items()):
            answers = [known[question.oracle, question.tier, item] for item in question.items]
            _advance(number, parts[number], answers, waiting, results)
    return [results[number] for number in range(len(parts))]


def _answered(
    questions: Sequence[Question],
) -> Generator[Question, Sequence[Answer], dict[tuple[str, int, Hashable], Answer]]:
    items: dict[tuple[str, int], dict[Hashable, None]] = {}
    for question in questions:
        items.setdefault((question.oracle, question.tier), {}).update(dict.fromkeys(question.items))
    known = {}
    for (oracle, tier), some in items.items():
        answers = yield Question(oracle, tuple(some), tier)
        known.update({(oracle, tier, item): answer for item, answer in zip(some, answers, strict=True)})
    return known


def _advance(
    number: int, part: Ask[T], answers: Sequence[Answer] | None, waiting: dict[int, Question], results: dict[int, T]
) -> None:
    """Let a part go on to its next question or its end, and note which of the two it came to."""
    waiting.pop(number, None)
    try:
        waiting[number] = next(part) if answers is None else part.send(answers)
    except StopIteration as end:
        results[number] = end.value
