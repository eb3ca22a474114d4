"""Keeps many searches in flight and answers their questions together."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from benchmark.attacks.engine.questions import Answer, Ask, Oracle, Question
from benchmark.schema.errors import TemperError

K = TypeVar("K")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Failed:
    """A search that raised, or whose question could not be answered; the others are not concerned."""

    error: Exception


@dataclass(slots=True)
class _Running(Generic[K, R]):
    """A search and the question that it waits with."""

    key: K
    search: Ask[R]
    question: Question


def run_searches(
    searches: Iterable[tuple[K, Ask[R]]], oracles: Mapping[str, Oracle], in_flight: int
) -> Iterator[tuple[K, R | Failed]]:
    """Run searches to their ends, and give each one's result when it has it.

    In each round the questions of all searches in flight are put together, each item once. A search sees only the
    answers to its own questions, so its result depends neither on the others nor on `in_flight`.

    Args:
        searches: Keys and searches; each is begun when there is room for it.
        oracles: Who answers, by name.
        in_flight: Most searches at once, at least 1.

    Raises:
        TemperError: an oracle cannot go on at all. So do MemoryError and OSError pass.
    """
    waiting = iter(searches)
    running: list[_Running[K, R]] = []
    exhausted = False
    while True:
        while len(running) < in_flight and not exhausted:
            begun = next(waiting, None)
            if begun is None:
                exhausted = True
                break
            key, search = begun
            outcome = _advance(search, None)
            if isinstance(outcome, Question):
                running.append(_Running(key, search, outcome))
            else:
                yield key, outcome[0]
        if not running:
            return
        answered = _answer([r.question for r in running], oracles)
        still: list[_Running[K, R]] = []
        for r in running:
            outcome = _advance(r.search, answered(r.question))
            if isinstance(outcome, Question):
                r.question = outcome
                still.append(r)
            else:
                yield r.key, outcome[0]
        running = still


Answers = dict[Hashable, Answer | Exception]


class _Answered:
    """Answers of one round by oracle, tier and item."""

    def __init__(self, by_kind: Mapping[tuple[str, int], Answers]) -> None:
        self._by_kind = by_kind

    def __call__(self, question: Question) -> list[Answer] | Exception:
        """The answers to one question, or why there are none."""
        known = self._by_kind[question.oracle, question.tier]
        answers: list[Answer] = []
        for item in question.items:
            answer = known[item]
            if isinstance(answer, Exception):
                return answer
            answers.append(answer)
        return answers


def _answer(questions: Sequence[Question], oracles: Mapping[str, Oracle]) -> _Answered:
    items: dict[tuple[str, int], dict[Hashable, None]] = {}
    for question in questions:
        items.setdefault((question.oracle, question.tier), {}).update(dict.fromkeys(question.items))
    return _Answered({(name, tier): _ask(oracles[name], list(some), tier) for (name, tier), some in items.items()})


def _ask(oracle: Oracle, items: Sequence[Hashable], tier: int) -> Answers:
    """Ask for all at once; if that raises, halve until the items that are to blame stand alone."""
    try:
        answers = oracle.answer(items, tier)
    except (TemperError, MemoryError, OSError):
        raise
    except Exception as error:
        # Broad on purpose: an item that cannot be answered must not end a run of hours. Its search is told.
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
    return ValueError("the model gave numbers that are not finite")


def _advance(search: Ask[R], answers: list[Answer] | Exception | None) -> Question | tuple[R | Failed]:
    """Let a search go on to its next question; a tuple holds its end."""
    try:
        if isinstance(answers, Exception):
            return search.throw(answers)
        return next(search) if answers is None else search.send(answers)
    except StopIteration as end:
        return (end.value,)
    except (TemperError, MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - as above: the error becomes this example's outcome
        return (Failed(error),)
