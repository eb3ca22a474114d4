"""Selection among trials: by hand, and against an independent implementation."""

import math
import random

import pytest

from benchmark.schema.trial import at_edge, selected


def trial(number, clean, typos, n=100):
    if clean is None:
        return {"trial": number, "status": "failed", "validation": None, "typos": None}
    return {
        "trial": number,
        "status": "ok",
        "validation": {"n": n, "correct": clean},
        "typos": {"n": n, "correct": typos},
    }


def trials(*results, n=100):
    return [trial(number, *result, n=n) for number, result in enumerate(results)]


@pytest.mark.parametrize(
    ("results", "chosen"),
    [
        ([(80, 60)], 0),
        # One standard error of 80 of 100 is 4 answers: 76 is near enough, 75 is not.
        ([(80, 60), (76, 61), (75, 99)], 1),
        ([(80, 60), (75, 99)], 0),
        # Ties go to the earlier trial, whatever the clean accuracy.
        ([(80, 60), (79, 60), (78, 60)], 0),
        ([(78, 60), (80, 60)], 0),
        ([(78, 59), (80, 60), (79, 61)], 2),
        # Without any error the standard error is 0.
        ([(99, 99), (100, 10)], 1),
        ([(0, 5), (0, 6)], 1),
        # Failed trials are never selected.
        ([(None, None), (50, 40)], 1),
        ([(None, None), (50, 40), (50, 41), (None, None)], 2),
    ],
)
def test_by_hand(results, chosen):
    assert selected(trials(*results))["trial"] == chosen


def test_no_trial_is_selected_if_all_failed():
    assert selected(trials((None, None), (None, None))) is None


def test_against_an_independent_implementation():
    rng = random.Random(0)
    for _ in range(3000):
        n = rng.choice([7, 60, 300, 1500])
        results = []
        for _ in range(rng.randint(1, 12)):
            clean = None if rng.random() < 0.2 else rng.randint(n // 3, n)
            results.append((clean, None if clean is None else rng.randint(0, clean)))
        made = trials(*results, n=n)
        accuracies = {i: (c / n, t / n) for i, (c, t) in enumerate(results) if c is not None}
        chosen = selected(made)
        if not accuracies:
            assert chosen is None
            continue
        best = max(clean for clean, _ in accuracies.values())
        error = math.sqrt(best * (1 - best) / n)
        near = {i: typos for i, (clean, typos) in accuracies.items() if clean >= best - error - 1e-12}
        assert chosen["trial"] == min(near, key=lambda i: (-near[i], i))


def test_order_of_the_list_does_not_matter():
    made = trials((78, 59), (80, 61), (79, 61))
    assert selected(made[::-1])["trial"] == selected(made)["trial"] == 1


@pytest.mark.parametrize(
    ("dimension", "value", "edge"),
    [
        ({"scale": "linear", "low": 0, "high": 1}, 0.04, True),
        ({"scale": "linear", "low": 0, "high": 1}, 0.06, False),
        ({"scale": "linear", "low": 0, "high": 1}, 0.96, True),
        ({"scale": "linear", "low": 0, "high": 1}, 1.5, True),
        ({"scale": "log", "low": 0.01, "high": 1}, 0.012, True),
        ({"scale": "log", "low": 0.01, "high": 1}, 0.02, False),
        ({"scale": "log", "low": 0.01, "high": 1}, 0, True),
        ({"scale": "log", "low": 1e300, "high": math.nextafter(1e300, math.inf)}, 1e300, True),
        ({"scale": "choice", "choices": ["a", "b"]}, "a", False),
    ],
)
def test_the_edge_of_a_range(dimension, value, edge):
    assert at_edge(dimension, value) == edge
