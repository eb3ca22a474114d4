"""The genetic attack: its steps one by one, and TextAttack's distribution of outcomes and queries."""

import math
import random
from collections import Counter
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine import Answer, Case, ScoredItem, SearchResult, case, run_searches
from benchmark.attacks.engine.questions import ENCODER, VICTIM
from benchmark.attacks.genetic_search import _Breeder, crossover
from benchmark.attacks.job import new_attempt
from benchmark.attacks.recipes.genetic import Genetic
from benchmark.attacks.victim import encoder_oracle, victim_oracle
from benchmark.data import Dataset, Example
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import assert_same_distribution, outcomes, spec

SMALL = {"population": 8, "generations": 5, "min_cosine": 0.5}


def test_a_text_that_one_swap_flips_takes_one_generation(tmp_path):
    attack = spec("genetic", population=4, generations=1, min_cosine=0.65)
    ((_, outcome, text, queries, _),) = outcomes(tmp_path, attack, dataset("a good film"), victim, parts())
    assert (outcome, text) == ("flipped", "a decent film")
    # 1 for the text; each member asks about fine, nice and decent, and about movie first if film is drawn first.
    assert 1 + 4 * 3 <= queries <= 1 + 4 * 4


@pytest.mark.parametrize(("share", "outcome"), [(0.5, "survived"), (0.6, "flipped")])
def test_no_word_is_swapped_beyond_the_share(tmp_path, monkeypatch, share, outcome):
    """Crossover is disabled, because it can exceed the share; TextAttack's recipe does not check it either."""
    monkeypatch.setattr(
        import_module("benchmark.attacks.genetic_search"), "crossover", lambda first, second, rng: first
    )
    attack = spec("genetic", population=6, generations=20, min_cosine=0.5, max_share=share)
    ((_, found, text, *_),) = outcomes(tmp_path, attack, dataset("good good good film"), victim, parts())
    assert found == outcome
    assert text.split()[:3].count("good") == (1 if share == 0.5 else 0)


def bred(text, budget=None, **breeding):
    """A search of one text with the same random numbers, however it is limited."""
    made, numbers = parts(), replace(Genetic(), min_cosine=0.5, max_share=1.0, **breeding)
    attempt = new_attempt(Example("0", (text,), 1), numbers.search(made), "seed", budget)
    oracles = {VICTIM: victim_oracle(victim), ENCODER: encoder_oracle(made.encoder)}
    ((_, row),) = run_searches([("0", attempt.run())], oracles, 1)
    return row


def test_the_last_generation_is_asked_about_and_not_looked_at():
    """Two swaps are needed: the first generation has one, the next one may have both."""
    one, two = (bred("good good film", population=30, generations=generations) for generations in (1, 2))
    assert (one.outcome, one.changed) == ("survived", 1)
    assert (two.outcome, two.changed) == ("flipped", 2)
    assert one.queries == two.queries


@pytest.mark.parametrize("budget", [1, 2, 3, 10, 40, 100, 10**6])
def test_a_budget_only_cuts_short(budget):
    breeding = {"population": 8, "generations": 4}
    free, bound = (bred("good charming good film to watch", limit, **breeding) for limit in (None, budget))
    assert free.outcome == "flipped"
    assert bound.queries == min(budget, free.queries)
    assert bound == free if budget > free.queries else bound.outcome in {"budget", "flipped"}
    if budget < 4:
        assert bound.outcome == "budget"


def test_a_seed_belongs_to_an_example(tmp_path):
    same = tuple(Example(str(i), ("good good charming film to watch",), 1) for i in range(6))
    attack = spec("genetic", **SMALL, max_share=1.0)
    found = [
        outcomes(tmp_path, attack, Dataset("same", some, ("a", "b")), victim, parts())
        for some in (same, same[::-1], same[3:])
    ]
    assert len({row[3] for row in found[0]}) > 1
    assert found[0] == found[1][::-1]
    assert found[0][3:] == found[2]


def test_what_is_forgotten_is_asked_again_and_changes_nothing(tmp_path, monkeypatch):
    asked, made = random_cases.victim(3), random_cases.parts()
    examples = random_cases.examples(3, (4, 10), asked)
    passes = []

    def counted(texts):
        passes[-1] += len(texts)
        return asked(texts)

    found = []
    for remembered in (case.REMEMBERED, 5):
        monkeypatch.setattr(case, "REMEMBERED", remembered)
        passes.append(0)
        found.append(outcomes(tmp_path, spec("genetic", **SMALL), examples, counted, made))
    assert found[0] == found[1]
    assert passes[0] < passes[1]


def member(doubt, text="a"):
    logits = np.array([0.0, math.log(doubt / (1 - doubt))], dtype=np.float32)
    return SearchResult(AttackedText((text,)), ScoredItem("victim", doubt, 0, Answer(logits, 0.0, 0)))


def test_parents_are_drawn_with_textattacks_probabilities():
    """Those that the victim believes more are likelier, as exp(-doubt / temperature); 4,000 draws, chi-square."""
    members = [member(doubt) for doubt in (0.05, 0.2, 0.35, 0.9)]
    farm = _Breeder(Case(AttackedText(("a",)), 0, random.Random(0)), 0.3, lambda text, index: [], [1])
    rng, drawn = random.Random(1), Counter()
    for _ in range(4000):
        with pytest.raises(StopIteration) as end:
            next(farm._parent(members, rng))
        drawn[members.index(end.value.value)] += 1
    weights = np.exp(-np.array([0.05, 0.2, 0.35, 0.9]) / 0.3)
    expected = 4000 * weights / weights.sum()
    assert sum((drawn[i] - expected[i]) ** 2 / expected[i] for i in range(4)) < 16.3  # 0.1 % of chi-square with 3


def test_a_crossed_text_has_each_different_word_from_either_parent():
    text = AttackedText(("a good film, to watch",))
    one, two = text.replace(1, "fine").replace(4, "view"), text.replace(1, "nice").replace(2, "movie")
    seen = Counter(crossover(one, two, random.Random(seed)).joined for seed in range(400))
    assert set(seen) == {
        f"a {first} {second}, to {third}"
        for first in ("fine", "nice") for second in ("film", "movie") for third in ("view", "watch")
    }  # fmt: skip
    assert min(seen.values()) > 25
    for seed in range(20):
        child = crossover(one, two, random.Random(seed))
        assert child.modified == {i for i, (a, b) in enumerate(zip(child.words, text.words, strict=True)) if a != b}


def test_words_of_two_parts_are_no_substitutes(tmp_path):
    made = parts({"good": [("o.k", 0.9), ("bad", 0.8)]})
    ((_, outcome, text, *_),) = outcomes(tmp_path, spec("genetic", **SMALL), dataset("good film"), victim, made)
    assert (outcome, text) == ("flipped", "bad film")


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize(
        ("pair", "numbers"),
        [
            (False, {}),
            (True, {}),
            (False, {"query_budget": 60}),
            (False, {"max_share": 0.6, "temperature": 0.05, "candidates": 2}),
        ],
        ids=["one text", "a pair", "a budget", "sharp"],
    )
    def test_outcomes_and_queries_agree_in_distribution(self, tmp_path, pair, numbers):
        assert_same_distribution(tmp_path, "genetic", 2, (6, 14), pair=pair, seed=1, **SMALL, **numbers)
