"""Decisions: those of the last tier, whatever the tiers before it err by, and no question about what is settled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.engine import ScoredItem
from benchmark.attacks.engine.case import above, best, exceeds, rounded, wrong
from benchmark.attacks.engine.questions import Answer

MARGINS = (0.6, 0.3, 0.0)
"""Three tiers; exact values are on a grid of quarters, so that there are ties, near ties and clear cases."""

values = st.integers(-4, 4).map(lambda number: number / 4)
errors = st.floats(-0.999, 0.999)


class Noisy:
    """An oracle whose tiers err by a given share of their margins."""

    def __init__(self, exact, shares):
        self.exact, self.shares = exact, shares
        self.asked = []

    def answer(self, item, tier):
        error = MARGINS[tier] * np.array(self.shares[item][tier])
        return Answer((np.array(self.exact[item]) + error).astype(np.float32), MARGINS[tier], tier)

    def scored(self, label=None):
        return [ScoredItem("victim", item, label, self.answer(item, 0)) for item in range(len(self.exact))]

    def decide(self, decision, in_doubt=lambda item: True):
        """Run a decision to its end; every item that it asks about must be in doubt, and be asked one tier up."""
        question = None
        try:
            question = next(decision)
            while True:
                assert question.items
                for item in question.items:
                    assert in_doubt(item), "a settled item was asked about"
                self.asked += [(item, question.tier) for item in question.items]
                question = decision.send([self.answer(item, question.tier) for item in question.items])
        except StopIteration as end:
            assert len(self.asked) == len(set(self.asked)), "an item was asked about twice on one tier"
            return end.value


def numbers(width, least=1, most=6):
    """An oracle of some items with `width` numbers each."""
    row = st.lists(values, min_size=width, max_size=width)
    share = st.lists(st.lists(errors, min_size=width, max_size=width), min_size=3, max_size=3)
    both = st.lists(st.tuples(row, share), min_size=least, max_size=most)
    return both.map(lambda drawn: Noisy([r for r, _ in drawn], [s for _, s in drawn]))


def ended(search, answer):
    """Return a decision about one item, where `answer` gives the answer of each tier."""
    try:
        question = next(search)
        while True:
            question = search.send([answer(question.tier)])
    except StopIteration as end:
        return end.value


def low(s):
    return s.score - s.margin


def high(s):
    return s.score + s.margin


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(1))
def test_the_best_is_the_first_of_the_exactly_highest(oracle):
    scored, exact = oracle.scored(), [row[0] for row in oracle.exact]
    won = oracle.decide(best(scored), lambda item: high(scored[item]) >= max(map(low, scored)))
    assert won == exact.index(max(exact))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(1, 2, 2))
def test_exceeding_is_exact_and_equal_does_not_exceed(oracle):
    one, other = scored = oracle.scored()
    held = oracle.decide(exceeds(one, other), lambda _: low(one) <= high(other) and low(other) <= high(one))
    assert held == (oracle.exact[0][0] > oracle.exact[1][0])
    assert all(s.answer.tier <= 2 for s in scored)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(1), values)
def test_reaching_a_threshold_is_exact(oracle, threshold):
    scored = oracle.scored()
    kept = oracle.decide(above(scored, threshold), lambda item: low(scored[item]) <= threshold <= high(scored[item]))
    assert kept == [row[0] >= threshold for row in oracle.exact]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(3), st.integers(0, 2))
def test_whether_the_model_is_wrong_is_exact(oracle, label):
    scored = oracle.scored(label)
    found = oracle.decide(wrong(scored), lambda item: abs(scored[item].lead) <= scored[item].margin)
    assert found == [int(np.argmax(row)) != label for row in oracle.exact]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(3), st.integers(0, 2))
def test_log_odds_decide_as_the_label_s_probability_does(oracle, label):
    rows = np.exp(np.array(oracle.exact))
    probabilities = rows[:, label] / rows.sum(axis=1)
    won = oracle.decide(best(oracle.scored(label)))
    assert probabilities[won] == pytest.approx(probabilities.min(), rel=1e-12)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers(3), st.integers(0, 2))
def test_the_score_and_the_lead_err_by_no_more_than_their_margin(oracle, label):
    exact = [ScoredItem("victim", item, label, oracle.answer(item, 2)) for item in range(len(oracle.exact))]
    for tier in (0, 1):
        for item, true in enumerate(exact):
            noisy = ScoredItem("victim", item, label, oracle.answer(item, tier))
            assert abs(noisy.score - true.score) <= noisy.margin + 1e-6
            assert abs(noisy.lead - true.lead) <= noisy.margin + 1e-6


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.floats(-3, 3, width=32), st.lists(st.floats(-1, 1), min_size=2, max_size=2), st.integers(1, 4))
def test_what_is_written_down_is_the_last_tiers_number_rounded(value, shares, decimals):
    margins = (0.02, 1e-4, 0.0)

    def answer(tier):
        error = margins[tier] * (shares[tier] if tier < 2 else 0) * 0.99
        return Answer(np.array([value + error], dtype=np.float32), margins[tier], tier)

    assert ended(rounded(ScoredItem("victim", "x", None, answer(0)), decimals), answer) == (
        float(np.round(np.float64(np.float32(value)), decimals)),
    )


def test_nothing_is_asked_where_the_margins_decide():
    oracle = Noisy([[0.0], [4.0], [-4.0]], [[[0.9]] * 3] * 3)
    assert oracle.decide(best(oracle.scored())) == 1
    assert oracle.decide(above(oracle.scored(), 2.0)) == [False, True, False]
    assert not oracle.asked


def test_only_what_is_in_doubt_is_asked_again():
    oracle = Noisy([[0.0], [0.1], [-4.0], [0.05]], [[[0.0]] * 3] * 4)
    assert oracle.decide(best(oracle.scored())) == 1
    assert {item for item, _ in oracle.asked} == {0, 1, 3}
    assert {tier for _, tier in oracle.asked} == {1, 2}
