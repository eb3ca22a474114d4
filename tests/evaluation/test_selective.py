"""Selective prediction against all orders of ties, two other formulas in fractions, and scikit-learn's area."""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.evaluation.metrics import labelled_measurements, selective

IDS = ["aurc", "e_aurc", "auarc", "accuracy_at_80"]
small = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6)
large = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=60)


def by_definition(errors):
    """Every metric of one order without ties: errors are 0 or 1, the most confident example first."""
    n = len(errors)
    curve = [Fraction(sum(errors[:i]), i) for i in range(1, n + 1)]
    best = [Fraction(sum(sorted(errors)[:i]), i) for i in range(1, n + 1)]
    trapezoids = sum((2 - left - right) / 2 for left, right in zip([0, *curve], curve, strict=False))
    kept = -(-4 * n // 5)
    return sum(curve) / n, sum(curve) / n - sum(best) / n, trapezoids / n, 1 - curve[kept - 1]


def over_all_orders(examples):
    """Average the metrics over every order in which equal scores may come."""
    levels = sorted({score for score, _ in examples})
    groups = [[int(not correct) for score, correct in examples if score == level] for level in levels]
    orders = [sum(parts, ()) for parts in product(*(permutations(group) for group in groups))]
    values = [by_definition(order) for order in orders]
    return [sum(column) / len(values) for column in zip(*values, strict=True)]


def by_ranks(examples):
    """Add up what each error contributes: one at rank j is in the risks j to n, and so adds 1/j + ... + 1/n over n.

    An example that is tied takes each rank of its group with the same probability.
    """
    n = len(examples)
    harmonic = [sum((Fraction(1, i) for i in range(j, n + 1)), Fraction(0)) for j in range(1, n + 1)]
    total = Fraction(0)
    for score, correct in examples:
        below = sum(other < score for other, _ in examples)
        tied = sum(other == score for other, _ in examples)
        total += 0 if correct else sum(harmonic[below : below + tied]) / tied
    wrong = sum(not correct for _, correct in examples)
    best = sum(harmonic[n - wrong :], Fraction(0))
    return total / n, (total - best) / n


def measured(examples):
    """Measure two-class logits whose gaps decrease with the score."""
    logits = np.array([[0.0, 50.0 - score] for score, _ in examples], dtype=np.float32)
    labels = [int(correct) for _, correct in examples]
    values = labelled_measurements(logits, labels, metrics=IDS, seed_text="s")
    return [values[name].value for name in IDS]


@given(small)
@settings(deadline=None, max_examples=60)
def test_ties_are_the_mean_over_all_orders(examples):
    assert measured(examples) == pytest.approx(list(map(float, over_all_orders(examples))), abs=1e-12)


@given(large)
@settings(deadline=None, max_examples=40)
def test_areas_equal_the_sum_over_errors(examples):
    assert measured(examples)[:2] == pytest.approx(list(map(float, by_ranks(examples))), abs=1e-12)


@given(large)
@settings(deadline=None, max_examples=40)
def test_auarc_equals_sklearns_trapezoids(examples):
    from sklearn.metrics import auc

    scores, correct = (np.array(column, dtype=float) for column in zip(*examples, strict=True))
    risk = selective.risks(scores, correct)
    coverage = np.arange(len(risk) + 1) / len(risk)
    assert selective.auarc(risk) == pytest.approx(auc(coverage, np.r_[1, 1 - risk]), abs=1e-12)


def test_four_examples_by_hand():
    """Compute four examples by hand, and another four whose area by trapezoids from risk 0 openmed publishes."""
    risk = selective.risks(np.arange(4.0), np.array([1.0, 0.0, 1.0, 0.0]))
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert selective.aurc(risk) == pytest.approx(1 / 3)
    assert selective.e_aurc(risk) == pytest.approx(1 / 3 - (1 / 3 + 1 / 2) / 4)
    other = selective.risks(np.arange(4.0), np.array([0.0, 1.0, 1.0, 0.0]))
    best = selective.risks(np.arange(4.0), np.array([1.0, 1.0, 0.0, 0.0]))
    assert [1 - selective.auarc(risk) for risk in (other, best)] == pytest.approx([0.5208, 0.1458], abs=5e-5)


def test_limits():
    for correct, expected in ((np.ones(7), (0, 0, 1)), (np.zeros(7), (1, 0, 1 / 14))):
        risk = selective.risks(np.arange(7.0), correct)
        assert (selective.aurc(risk), selective.e_aurc(risk), selective.auarc(risk)) == pytest.approx(expected)
    equal = selective.risks(np.zeros(5), np.array([1.0, 1, 1, 0, 0]))
    assert equal == pytest.approx([0.4] * 5)


@pytest.mark.parametrize("gap", [40.0, 800.0, 1e6])
def test_confidences_that_round_to_one_still_have_an_order(gap):
    """The error is the least confident of five, whose probabilities are all 1 in float64."""
    logits = np.array([[0.0, gap * (1 + i / 8)] for i in range(5)])
    values = labelled_measurements(logits, [0, 1, 1, 1, 1], metrics=IDS, seed_text="s")
    assert values["accuracy_at_80"].value == 1.0
    assert values["e_aurc"].value == pytest.approx(0)


def test_classes_are_merged_before_anything_is_sorted():
    """Unmerged, the first example is the less confident one; merged, it is certain and right."""
    logits = np.log([[0.02, 0.49, 0.49], [0.70, 0.15, 0.15]])
    values = labelled_measurements(logits, [1, 1], metrics=IDS, merge=[0, 1, 1], seed_text="s")
    assert [values[name].value for name in IDS] == pytest.approx([0.25, 0, 0.875, 0.5])
