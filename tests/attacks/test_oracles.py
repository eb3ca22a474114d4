"""Oracles: tiers, margins that are measured at the start and widened when they surprise, cosines of pairs."""

import time

import numpy as np
import pytest

from benchmark.attacks.engine.oracles import ENOUGH, LEAST, SAFETY, SAMPLE, Cosines, TieredOracle


class Tier:
    """Says the square of a number, with an error of its own, and counts what it is asked."""

    def __init__(self, error=0.0, at=None):
        self.error, self.at, self.asked = error, at or {}, []

    def __call__(self, items):
        self.asked.append(list(items))
        rows = [[item * item + self.at.get(item, self.error), 1.0] for item in items]
        return np.array(rows, dtype=np.float32).reshape(len(items), 2)


def values(answers):
    return [float(answer.values[0]) for answer in answers]


def test_margins_add_up_from_the_errors_between_the_tiers():
    oracle = TieredOracle([Tier(0.5), Tier(-0.25), Tier()])
    answers = oracle.answer(range(10), 0)
    assert values(answers) == [n * n + 0.5 for n in range(10)]
    assert oracle.last_tier == 2
    assert oracle.margins == pytest.approx([SAFETY * 0.75 + SAFETY * 0.25, SAFETY * 0.25, 0.0])
    assert {(answer.tier, answer.margin) for answer in answers} == {(0, oracle.margins[0])}
    (exact,) = oracle.answer([3], 2)
    assert (float(exact.values[0]), exact.margin, exact.tier) == (9.0, 0.0, 2)


def test_tiers_that_agree_still_have_a_margin():
    oracle = TieredOracle([Tier(), Tier()])
    oracle.answer([1, 2], 0)
    assert oracle.margins == [LEAST, 0.0]


def test_only_a_few_items_are_asked_about_on_every_tier():
    tiers = [Tier(0.1), Tier(0.1), Tier()]
    TieredOracle(tiers).answer(list(range(1000)), 0)
    assert sum(map(len, tiers[2].asked)) == SAMPLE
    assert sum(map(len, tiers[1].asked)) == 2 * SAMPLE
    spread = tiers[2].asked[0]
    assert spread[-1] - spread[0] > 500


def test_small_questions_are_compared_until_there_are_enough_items():
    tiers = [Tier(at={2: 0.5}), Tier()]
    oracle = TieredOracle(tiers)
    assert oracle.answer([1], 0)[0].margin == LEAST
    assert oracle.answer([2], 0)[0].margin == SAFETY * 0.5
    oracle.answer(list(range(3, 103)), 0)
    oracle.answer([103], 0)
    assert sum(map(len, tiers[1].asked)) == SAMPLE


def test_one_tier_is_asked_once_and_is_exact():
    only = Tier()
    oracle = TieredOracle([only])
    assert [answer.margin for answer in oracle.answer([1, 2, 3], 0)] == [0.0] * 3
    assert only.asked == [[1, 2, 3]]


def test_an_answer_that_surprises_widens_the_margin():
    oracle = TieredOracle([Tier(0.001, at={77: 5.0}), Tier()])
    usual = oracle.answer(list(range(SAMPLE)), 0)[0]
    assert usual.margin == pytest.approx(SAFETY * 0.001, rel=1e-2)
    oracle.answer([77], 0)
    oracle.answer([1], 1)
    assert oracle.widened == 0
    oracle.answer([77], 1)
    assert oracle.widened == 1
    assert oracle.margins == pytest.approx([SAFETY * 5.0, 0.0])
    assert oracle.answer([2], 0)[0].margin == pytest.approx(SAFETY * 5.0)


def test_a_number_that_is_none_says_nothing_about_the_margin():
    oracle = TieredOracle([Tier(0.5, at={0: np.nan}), Tier(at={0: np.nan})])
    assert np.isnan(oracle.answer([0, 1, 2], 0)[0].values[0])
    assert oracle.margins == [pytest.approx(SAFETY * 0.5), 0.0]
    oracle.answer([0], 1)
    assert oracle.widened == 0


def test_cosines_encode_each_text_once():
    asked = []

    def encode(texts):
        asked.append(list(texts))
        angles = np.array([float(text) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    cosines = Cosines(encode)([("0", "1"), ("0", "2"), ("1", "1"), ("2", "0")])
    assert asked == [["0", "1", "2"]]
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines[:, 0], np.cos([1, 2, 0, 2]), atol=1e-6)
    assert cosines.max() <= 1
    with pytest.raises(TypeError, match="not a pair"):
        Cosines(encode)(["0"])


class Slow(Tier):
    """A tier that moves a clock on by so much an item."""

    def __init__(self, clock, each, error=0.0):
        super().__init__(error)
        self.clock, self.each = clock, each

    def __call__(self, items):
        self.clock[0] += self.each * len(list(items))
        return super().__call__(items)


@pytest.mark.parametrize(("again", "given_up"), [(0.25, False), (0.75, True)])
def test_a_quick_tier_that_leaves_too_much_open_is_given_up(monkeypatch, again, given_up):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    tiers = [Slow(clock, 1.0, error=0.25), Slow(clock, 2.0), Slow(clock, 9.0)]
    oracle = TieredOracle(tiers)
    items = list(range(ENOUGH))
    assert {answer.tier for answer in oracle.answer(items, 0)} == {0}
    oracle.answer(items[: int(again * ENOUGH)], 1)
    (answer,) = oracle.answer([7], 0)
    assert oracle.given_up is given_up
    assert (answer.tier, answer.margin) == (int(given_up), oracle.margins[int(given_up)])
    assert float(answer.values[0]) == 49 + (0 if given_up else 0.25)


def test_nothing_is_given_up_before_enough_is_known(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    oracle = TieredOracle([Slow(clock, 1.0), Slow(clock, 0.1), Slow(clock, 9.0)])
    items = list(range(ENOUGH - 1))
    for _ in range(2):
        assert oracle.answer(items, 0)[0].tier == 0
        assert not oracle.given_up
        oracle.answer(items[:5], 1)
        items = items[:1]
    assert oracle.answer(items, 0)[0].tier == 1
