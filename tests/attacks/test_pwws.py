"""PWWS: TextAttack's order of words to the last bit, its texts and its queries."""

import random
from importlib import import_module

import numpy as np
import pytest

from benchmark.attacks.attacked_text import AttackedText, words_of
from benchmark.attacks.engine import Answer, Case, ScoredItem
from benchmark.attacks.greedy_search import by_weighted_saliency
from benchmark.data import Dataset
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import by_both, outcomes, spec

ENTRIES = {"good": [("good", 1), ("fine", 1), ("decent", 1)], "film": [("movie", 1)], "watch": [("view", 1)]}


def pwws(tmp_path, text, made=None, **parameters):
    examples = text if isinstance(text, Dataset) else dataset(text)
    return outcomes(tmp_path, spec("pwws", **parameters), examples, victim, made or parts(ENTRIES))


def test_the_word_whose_swap_helps_most_comes_first_and_queries_count_twice(tmp_path):
    # 1 for the text; good, film and watch unknown; fine and decent, movie, view; then good again, which flips.
    assert pwws(tmp_path, "a good film to watch") == [("10", "flipped", "a decent film to watch", 1 + 3 + 4 + 2, None)]


def test_a_synonym_is_written_as_the_lexicon_has_it_and_may_be_the_word_itself(tmp_path):
    ((_, outcome, text, queries, _),) = pwws(tmp_path, "Good film")
    assert (outcome, text, queries) == ("flipped", "decent film", 1 + 2 + 4 + 3)


def test_words_without_synonyms_and_stop_words_are_not_asked_about_again(tmp_path):
    ((_, outcome, text, queries, _),) = pwws(
        tmp_path, "the good slow thing", parts({"the": [("a", 1)], "good": [("fine", 1)]})
    )
    assert (outcome, text, queries) == ("survived", "the fine slow thing", 1 + 3 + 1 + 1)


def test_a_share_bounds_the_number_of_changed_words(tmp_path):
    entries = {"good": [("fine", 1)], "film": [("movie", 1)], "watch": [("view", 1)]}
    changed = {}
    for share in (None, 0.2, 0.4):
        numbers = {} if share is None else {"max_share": share}
        ((_, outcome, text, _, _),) = pwws(tmp_path, "a good film to watch", parts(entries), **numbers)
        changed[share] = sum(a != b for a, b in zip(text.split(), ["a", "good", "film", "to", "watch"], strict=True))
        assert outcome == "survived"
    assert changed[0.2] <= 1
    assert changed[0.4] <= 2


@pytest.mark.parametrize("budget", range(1, 11))
def test_a_budget_cuts_each_phase_short(tmp_path, budget):
    ((_, outcome, _, queries, _),) = pwws(tmp_path, "a good film to watch", query_budget=budget)
    assert queries == budget
    assert outcome == ("flipped" if budget >= 9 else "budget")


def test_every_changed_word_is_a_synonym_of_the_originals(tmp_path):
    asked, made = random_cases.victim(2, seed=3), random_cases.parts(3)
    examples = random_cases.examples(10, (3, 15), asked, 3)
    changed = 0
    for row, example in zip(outcomes(tmp_path, spec("pwws"), examples, asked, made), examples.examples, strict=True):
        for old, new in zip(words_of(example.texts[0]), words_of(row[2]), strict=True):
            if old != new:
                assert new in {near for near, _ in made.lexicon.neighbours(old.lower())}
                assert old not in made.stopwords
                changed += 1
    assert changed > 10


def scored(doubt, margin=0.0):
    logits = np.array([0.0, np.log(doubt / (1 - doubt))], dtype=np.float32)
    return ScoredItem("victim", doubt, 0, Answer(logits, margin, 0))


def order(saliencies, doubts, monkeypatch, weights=None):
    """The order of words whose saliencies and best swaps are given."""
    text = AttackedText((" ".join("abcdefgh"[: len(saliencies)]),))
    answers = iter([[scored(s) for s in saliencies], [scored(d) for d in doubts]])
    case = Case(text, 0, random.Random(0))
    monkeypatch.setattr(Case, "classify", lambda self, texts: given(next(answers)))
    if weights is not None:
        monkeypatch.setattr(
            import_module("benchmark.attacks.greedy_search"),
            "_softmax",
            lambda values: np.array(weights, dtype=np.float32),
        )
    following = finish(by_weighted_saliency(case, range(len(saliencies)), swapped))
    return [finish(following()) for _ in saliencies]


def swapped(case, text, index):
    yield from ()
    return [type("Swap", (), {"text": text.replace(index, "x")})]


def given(value):
    yield from ()
    return value


def finish(asking):
    with pytest.raises(StopIteration) as end:
        next(asking)
    return end.value.value


def test_saliency_counts_as_its_exponential(monkeypatch):
    # exp(0.9) 0.30 > exp(0.1) 0.60 > exp(0.5) 0.35
    assert order([0.1, 0.9, 0.5], [0.60, 0.30, 0.35], monkeypatch) == [1, 0, 2]


def test_equal_products_come_in_the_order_of_the_text(monkeypatch):
    assert order([0.5, 0.2, 0.2, 0.5], [0.3, 0.4, 0.4, 0.3], monkeypatch) == [0, 3, 1, 2]


def test_products_that_differ_by_less_than_float32_tells_are_compared_as_textattack_does(monkeypatch):
    near = [0.3, 0.3 + 1e-7]
    assert order([0.5, 0.5], near, monkeypatch) == [1, 0]
    assert order([0.5, 0.5], near, monkeypatch, weights=[0.5000003, 0.4999997]) == [0, 1]
    assert order([0.5, 0.5], [0.3, 0.31], monkeypatch, weights=[1.0, 0.0]) == [1, 0]


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize("share", [None, 0.1, 0.3])
    @pytest.mark.parametrize("budget", [None, 3, 17])
    @pytest.mark.parametrize("pair", [False, True])
    def test_outcome_text_and_queries_are_the_same(self, tmp_path, pair, budget, share):
        asked, made = random_cases.victim(3, seed=1), random_cases.parts(1)
        examples = random_cases.examples(10, (1, 25), asked, 1, pair)
        given = {"query_budget": budget, "max_share": share}
        numbers = {name: value for name, value in given.items() if value is not None}
        ours, theirs = by_both(tmp_path, "pwws", examples, asked, made, **numbers)
        assert ours == theirs
        assert len({row[1] for row in ours} & {"flipped", "budget"}) > 0

    def test_our_ordered_search_is_textattacks_where_nothing_is_equal(self):
        from textattack.search_methods import GreedyWordSwapWIR

        from benchmark.attacks.recipes.pwws import PWWS
        from benchmark.attacks.textattack.components import OrderedSaliencySearch, VictimWrapper, attacked_text

        asked, made = random_cases.victim(2, seed=2), random_cases.parts(2)
        compared = 0
        for example in random_cases.examples(10, (5, 15), asked, 2).examples:
            orders = []
            for search in (OrderedSaliencySearch(), GreedyWordSwapWIR("weighted-saliency")):
                attack = PWWS().build_textattack(made, VictimWrapper(asked), pair=False)
                for name in ("get_transformations", "get_goal_results", "get_indices_to_order"):
                    setattr(search, name, getattr(attack.search_method, name))
                text = attacked_text(example.texts)
                attack.goal_function.init_attack_example(text, example.label)
                order = [int(index) for index in search._get_index_order(text)[0]]
                with_synonyms = [i for i in order if attack.get_transformations(text, text, indices_to_modify=[i])]
                orders.append(with_synonyms)
            assert orders[0] == orders[1]
            compared += len(orders[0])
        assert compared > 50
