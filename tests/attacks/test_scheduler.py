"""The scheduler: many searches at once, each with the result that it would have alone."""

import random

import numpy as np
import pytest

from benchmark.attacks.engine import Failure, Question, run_searches
from benchmark.attacks.engine.questions import Answer
from benchmark.schema.errors import TemperError


class Doubling:
    """Says twice the item; keeps what it is asked, and fails as it is told."""

    last_tier = 0

    def __init__(self, broken=(), error=None, nan=()):
        self.broken, self.error, self.nan, self.rounds = set(broken), error or ValueError("broken"), set(nan), []

    def answer(self, items, tier):
        self.rounds.append((list(items), tier))
        if self.broken & set(items):
            raise self.error
        return [Answer(np.float32([np.nan if i in self.nan else 2 * i]), 0.0, tier) for i in items]


def walk(start, steps, seed=0):
    """Asks for a few numbers a step, of which the last answer decides the next ones."""
    rng, at, seen = random.Random(seed), start, []
    for _ in range(steps):
        answers = yield Question("double", tuple(dict.fromkeys([at, at + rng.randint(1, 3)])))
        seen += [float(answer.values[0]) for answer in answers]
        at = int(seen[-1]) % 17
    return seen


def asking(*items):
    answers = yield Question("double", items)
    return [float(answer.values[0]) for answer in answers]


def results(searches, oracle, in_flight=64):
    return dict(run_searches(searches, {"double": oracle}, in_flight))


def walks():
    return [(key, walk(key, 1 + key % 5, seed=key)) for key in range(40)]


@pytest.mark.parametrize("in_flight", [1, 3, 64])
def test_a_searchs_result_does_not_depend_on_the_others(in_flight):
    alone = {key: results([(key, search)], Doubling())[key] for key, search in walks()}
    assert results(walks(), Doubling(), in_flight) == alone
    assert results(reversed(walks()), Doubling(), in_flight) == alone


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_searches_are_begun_than_there_is_room_for(in_flight):
    begun, ended = [], []

    def watched(key):
        begun.append(key)
        yield from walk(key, 1 + key % 4)
        ended.append(key)

    for _ in run_searches(((key, watched(key)) for key in range(12)), {"double": Doubling()}, in_flight):
        assert len(begun) - len(ended) < in_flight
    assert begun == list(range(12))


def test_an_item_of_two_searches_is_asked_once_a_round():
    oracle = Doubling()
    found = results([("a", asking(1, 2)), ("b", asking(2, 3, 2))], oracle)
    assert found == {"a": [2.0, 4.0], "b": [4.0, 6.0, 4.0]}
    assert oracle.rounds == [([1, 2, 3], 0)]


def test_tiers_and_oracles_are_asked_apart():
    def both(tier):
        (one,) = yield Question("double", (5,), tier)
        (other,) = yield Question("second", (5,), tier)
        return one.tier, other.tier

    first, second = Doubling(), Doubling()
    searches = [(tier, both(tier)) for tier in (0, 1)]
    assert dict(run_searches(searches, {"double": first, "second": second}, 2)) == {0: (0, 0), 1: (1, 1)}
    assert sorted(first.rounds) == sorted(second.rounds) == [([5], 0), ([5], 1)]


def test_searches_end_when_they_end_and_some_ask_nothing():
    def nothing():
        return "nothing"
        yield

    order = [
        key for key, _ in run_searches([(0, walk(0, 3)), (1, nothing()), (2, walk(2, 1))], {"double": Doubling()}, 3)
    ]
    assert order == [1, 2, 0]
    assert list(run_searches([], {}, 3)) == []


def test_an_item_that_cannot_be_answered_fails_its_search_alone():
    oracle = Doubling(broken=[77])
    searches = [(key, asking(key, key + 100)) for key in range(64)] + [("bad", asking(1, 77))]
    found = results(searches, oracle, 100)
    bad = found.pop("bad")
    assert isinstance(bad, Failure)
    assert str(bad.error) == "broken"
    # 77 is also the item of no other search; halving finds it among 129.
    assert found == {key: [2.0 * key, 2.0 * key + 200] for key in range(64)}
    assert len(oracle.rounds) <= 2 * 8 + 1


def test_a_number_that_is_none_fails_its_search_alone():
    found = results([(key, asking(key)) for key in range(5)], Doubling(nan=[3]))
    failed = found.pop(3)
    assert isinstance(failed, Failure)
    assert "not finite" in str(failed.error)
    assert found == {key: [2.0 * key] for key in (0, 1, 2, 4)}


def test_a_search_may_take_a_failure_and_go_on():
    def brave():
        try:
            yield Question("double", (77,))
        except ValueError:
            return (yield from asking(1))

    assert results([("brave", brave())], Doubling(broken=[77])) == {"brave": [2.0]}


def test_a_search_that_raises_stops_nothing():
    def broken():
        yield Question("double", (1,))
        raise ZeroDivisionError("in the search")

    found = results([("broken", broken()), ("other", walk(1, 4))], Doubling())
    assert isinstance(found["broken"].error, ZeroDivisionError)
    assert len(found["other"]) == 8


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(28, "No space left"),
        TemperError("stop"),
        RuntimeError("CUDA out of memory. Tried"),
        KeyboardInterrupt(),
    ],
)
def test_what_ends_the_run_passes(error):
    with pytest.raises(type(error)):
        results([(key, asking(key)) for key in range(3)], Doubling(broken=[1], error=error))
    if not isinstance(error, RuntimeError):

        def raising():
            yield Question("double", (1,))
            raise error

        with pytest.raises(type(error)):
            results([("raising", raising())], Doubling())
