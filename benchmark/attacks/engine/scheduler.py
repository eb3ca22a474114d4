"""Run many searches concurrently and answer their questions in shared batches."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from benchmark.attacks.engine.questions import Answer, Ask, Oracle, Question
from benchmark.schema.errors import TemperError

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a search that raised or whose question could not be answered; other searches are unaffected."""

    error: Exception


@dataclass(slots=True)
class _Running(Generic[K, R]):
    """A search and its pending question."""

    key: K
    search: Ask[R]
    question: Question


def run_searches(
    searches: Iterable[tuple[K, Ask[R]]], oracles: Mapping[str, Oracle], in_flight: int
) -> Iterator[tuple[K, R | Failure]]:
    """Run searches to completion and yield each result as soon as it is available.

    Each round pools the questions of all searches in flight and evaluates equal items once. A search sees only the
    answers to its own questions, so its result depends neither on other searches nor on `in_flight`.

    Args:
        searches: Keys and searches; a search starts when fewer than `in_flight` are running.
        oracles: Oracles by name.
        in_flight: Maximum number of concurrent searches, at least 1.

    Raises:
        TemperError: an oracle failed for all items. MemoryError and OSError are raised unchanged.
    """
    waiting = iter(searches)
    running: list[_Running[K, R]] = []
    exhausted = False
    while True:
        while len(running) < in_flight and not exhausted:
            keyed = next(waiting, None)
            if keyed is None:
                exhausted = True
                break
            key, search = keyed
            outcome = _advance(search, None)
            if isinstance(outcome, Question):
                running.append(_Running(key, search, outcome))
            else:
                yield key, outcome[0]
        if not running:
            return
        answers = _answer([r.question for r in running], oracles)
        unfinished: list[_Running[K, R]] = []
        for r in running:
            outcome = _advance(r.search, answers.to(r.question))
            if isinstance(outcome, Question):
                r.question = outcome
                unfinished.append(r)
            else:
                yield r.key, outcome[0]
        running = unfinished


Answers = dict[Hashable, Answer | Exception]


class _Round:
    """Answers of one round by oracle, tier and item."""

    def __init__(self, by_tier: Mapping[tuple[str, int], Answers]) -> None:
        self._by_tier = by_tier

    def to(self, question: Question) -> list[Answer] | Exception:
        """Return the answers to one question, or the error that one of its items raised."""
        by_item = self._by_tier[question.oracle, question.tier]
        answers: list[Answer] = []
        for item in question.items:
            answer = by_item[item]
            if isinstance(answer, Exception):
                return answer
            answers.append(answer)
        return answers


def _answer(questions: Sequence[Question], oracles: Mapping[str, Oracle]) -> _Round:
    items = _pooled(questions)
    return _Round({(name, tier): _ask(oracles[name], pool, tier) for (name, tier), pool in items.items()})


def _pooled(questions: Sequence[Question]) -> dict[tuple[str, int], list[Hashable]]:
    """Return the distinct items of all questions by oracle and tier, in order of first occurrence."""
    items: dict[tuple[str, int], dict[Hashable, None]] = {}
    for question in questions:
        items.setdefault((question.oracle, question.tier), {}).update(dict.fromkeys(question.items))
    return {key: list(pool) for key, pool in items.items()}


def _ask(oracle: Oracle, items: Sequence[Hashable], tier: int) -> Answers:
    """Evaluate all items at once; if that raises, bisect until the failing items are isolated."""
    try:
        answers = oracle.answer(items, tier)
    except (TemperError, MemoryError, OSError):
        raise
    except Exception as error:
        # Broad on purpose: one failing item must not end a long run. Its error is raised in its search.
        if "out of memory" in str(error):
            raise
        if len(items) == 1:
            return {items[0]: error}
        half = len(items) // 2
        return {**_ask(oracle, items[:half], tier), **_ask(oracle, items[half:], tier)}
    return {item: _checked(answer) for item, answer in zip(items, answers, strict=True)}


def _checked(answer: Answer) -> Answer | Exception:
    if np.isfinite(answer.values).all():
        return answer
    return ValueError("the model returned values that are not finite")


def _advance(search: Ask[R], answers: list[Answer] | Exception | None) -> Question | tuple[R | Failure]:
    """Advance a search to its next question; return its result in a tuple when it ends."""
    try:
        if isinstance(answers, Exception):
            return search.throw(answers)
        return next(search) if answers is None else search.send(answers)
    except StopIteration as end:
        return (end.value,)
    except (TemperError, MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - as above: the error becomes the example's outcome
        return (Failure(error),)


def gather(parts: Sequence[Ask[T]]) -> Ask[list[T]]:
    """Run parts of one search concurrently, with the questions of a round pooled; return their results in order.

    A part may depend on its own answers only: neither on another part nor on random numbers that parts share.
    """
    results: dict[int, T] = {}
    waiting: dict[int, Question] = {}

    def advance(number: int, answers: Sequence[Answer] | None) -> None:
        """Advance a part to its next question or to its result."""
        waiting.pop(number, None)
        try:
            waiting[number] = next(parts[number]) if answers is None else parts[number].send(answers)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(parts)):
        advance(number, None)
    while waiting:
        known: dict[tuple[str, int, Hashable], Answer] = {}
        for (oracle, tier), items in _pooled(list(waiting.values())).items():
            answers = yield Question(oracle, tuple(items), tier)
            known.update({(oracle, tier, item): answer for item, answer in zip(items, answers, strict=True)})
        for number, question in list(waiting.items()):
            advance(number, [known[question.oracle, question.tier, item] for item in question.items])
    return [results[number] for number in range(len(parts))]
