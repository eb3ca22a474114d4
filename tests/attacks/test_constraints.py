"""Constraints on substitutes: each rule alone, and all of them on accepted texts."""

from functools import partial
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.attacked_text import AttackedText, words_of
from benchmark.attacks.constraints import (
    Similarity,
    allowed,
    few_enough,
    modifiable,
    near_enough,
    same_part_of_speech,
)
from benchmark.attacks.engine import Case, Failure, run_searches
from benchmark.attacks.engine.questions import ENCODER, VICTIM
from benchmark.attacks.job import new_attempt
from benchmark.attacks.recipes import ATTACKS
from benchmark.attacks.recipes.textfooler import TextFooler
from benchmark.attacks.transformations import neighbours, recover_case, swaps
from benchmark.attacks.victim import encoder_oracle, victim_oracle
from benchmark.data import Example
from tests.attacks.fakes import LEXICON, VerbTagger, lexicon, parts, victim


def text(*columns):
    return AttackedText(columns)


@pytest.mark.parametrize(
    ("word", "like", "written"),
    [
        ("fine", "good", "fine"), ("Fine", "good", "fine"), ("fine", "GOOD", "FINE"), ("fine", "Good", "Fine"),
        ("fine", "A", "fine"), ("fine", "gOOd", "fine"), ("fine", "12", "fine"), ("Fine", "I", "Fine"),
    ],
)  # fmt: skip
def test_a_substitute_is_written_as_the_word_is(word, like, written):
    assert recover_case(word, like) == written


def test_neighbours_come_nearest_first_and_in_the_words_case():
    assert neighbours(lexicon(), "good", 3) == ["fine", "nice", "decent"]
    assert neighbours(lexicon(), "GOOD", 1) == ["FINE"]
    assert neighbours(lexicon(), "unheard-of", 3) == []


def test_swaps_leave_out_what_changes_nothing():
    made = swaps(text("a good film"), 1, ["fine", "good", "nice", "fine"])
    assert [candidate.joined for candidate in made] == ["a fine film", "a nice film", "a fine film"]
    assert all(candidate.latest == {1} for candidate in made)


def test_stop_words_replaced_words_and_the_premise_are_not_modifiable():
    assert modifiable(text("the good film"), {"the"}) == [1, 2]
    assert modifiable(text("The good film"), {"the"}) == [0, 1, 2]
    assert modifiable(text("the good film").replace(1, "fine"), {"the"}) == [0, 2][1:]
    assert modifiable(text("a premise", "the good film"), {"the"}) == [3, 4]


def test_the_cosine_is_that_of_the_lexicon():
    original, swapped = text("a GOOD film"), text("a GOOD film").replace(1, "Nice")
    assert near_enough(lexicon(), 0.8, original, swapped)
    assert not near_enough(lexicon(), 0.81, original, swapped)
    assert not near_enough(lexicon(), -0.9, original, original.replace(1, "unknown"))
    assert near_enough(lexicon(), -1, original, original.replace(1, "unknown"))
    # The second of two words has no word of the original's at its place.
    assert not near_enough(lexicon(), -1, text("good"), text("good").replace(0, "nice one"))


def test_the_part_of_speech_is_judged_in_the_originals_context():
    seen = []

    class Watched(VerbTagger):
        def tag(self, words):
            seen.append(words)
            return super().tag(words)

    original = text("one two three four five good seven eight nine ten eleven")
    assert same_part_of_speech(Watched(), original, original.replace(5, "nice"))
    context = ("two", "three", "four", "five"), ("seven", "eight", "nine")
    assert seen == [(*context[0], word, *context[1]) for word in ("good", "nice")]
    assert not same_part_of_speech(Watched(), original, original.replace(5, "movie"))
    assert same_part_of_speech(Watched(), text("film"), text("film").replace(0, "watch"))
    assert not same_part_of_speech(Watched(), text("good"), text("good").replace(0, "watch"))


@pytest.mark.parametrize(("share", "words", "most"), [(0.4, 5, 2), (0.4, 6, 3), (0.01, 9, 1), (1.0, 3, 3)])
def test_a_share_of_the_words_is_rounded_up(share, words, most):
    original = changed = text(" ".join(["good"] * words))
    for index in range(words):
        changed = changed.replace(index, "nice")
        assert few_enough(share, original, changed) == (index + 1 <= most)


def test_rules_are_looked_at_in_their_order_and_no_further():
    looked = []

    def rule(name, kept):
        return lambda _, candidate: looked.append((name, candidate.joined)) or candidate.joined in kept

    texts = [text("x"), text("y")]
    assert allowed(text("a"), texts, [rule("cheap", {"y"}), rule("dear", {"x", "y"})]) == [texts[1]]
    assert looked == [("cheap", "x"), ("cheap", "y"), ("dear", "y")]


class Angles:
    """Vectors at an angle that the text's words add up to, in degrees."""

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        angles = np.radians([sum(float(word) for word in words_of(text) if word.isdigit()) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def kept_by(rule, reference, texts, encoder):
    case = Case(reference, 0, None)
    searches = [("only", rule.keep(case, reference, texts))]
    ((_, found),) = run_searches(searches, {ENCODER: encoder_oracle(encoder)}, 1)
    return found


@pytest.mark.parametrize(
    ("metric", "threshold", "degrees"), [("angular", 0.75, 45), ("cosine", 0.5, 60), ("cosine", -0.5, 120)]
)
def test_similarity_is_bounded_by_angle_or_cosine(metric, threshold, degrees):
    reference = text("0 a b")
    texts = [reference.replace(0, str(d)) for d in (degrees - 1, degrees + 1, 0)]
    found = kept_by(Similarity(threshold, metric, None), reference, texts, Angles())
    assert [candidate.text for candidate in found] == [texts[0], texts[2]]
    assert found[0].similarity.score == pytest.approx(np.cos(np.radians(degrees - 1)), abs=1e-6)


def test_short_texts_are_not_compared_and_long_ones_in_a_window():
    encoder, rule = Angles(), Similarity(0.99, "cosine", 3)
    short = text("0 a")
    (found,) = kept_by(rule, short, [short.replace(0, "90")], encoder)
    assert found.similarity.score == 1.0
    assert not encoder.asked
    long = text("7 a 0, b c d .")
    assert kept_by(rule, long, [long.replace(2, "90")], encoder) == []
    assert encoder.asked == ["a 0, b", "a 90, b"]


def test_short_texts_can_be_compared_whole_with_the_original():
    encoder, rule = Angles(), Similarity(0.99, "cosine", 3, "compare")
    original = text("0 a")
    current = original.replace(1, "b")
    near, far = current.replace(0, "5"), current.replace(0, "90")
    case = Case(original, 0, None)
    oracles = {ENCODER: encoder_oracle(encoder)}
    ((_, found),) = run_searches([("only", rule.keep(case, current, [near, far]))], oracles, 1)
    assert [candidate.text for candidate in found] == [near]
    assert found[0].similarity.score == pytest.approx(np.cos(np.radians(5)), abs=1e-6)
    # The original, and not the text before the swap.
    assert set(encoder.asked) == {"0 a", "5 b", "90 b"}
    encoder.asked.clear()
    long = text("7 a 0, b c d .")
    assert kept_by(rule, long, [long.replace(2, "90")], encoder) == []
    assert encoder.asked == ["a 0, b", "a 90, b"]


@pytest.mark.parametrize("recipe", ["textfooler", "textbugger", "random_swap"])
def test_every_attack_with_a_window_can_bound_short_texts(recipe):
    """A film of three words has no bound in a window of 15, and one where it is asked for."""
    more = {"queries": 40} if recipe == "random_swap" else {}
    shared = {"candidates": 4, "similarity_threshold": 0.999, "similarity_metric": "cosine", "window": 15, **more}
    example, outcomes = Example("0", ("a good film",), 1), {}
    for short_texts in ("pass", "compare"):
        numbers = ATTACKS[recipe](short_texts=short_texts, **shared)
        outcomes[short_texts] = next(row.outcome for _, row in attacked([example], numbers, parts(), recipe))
    assert outcomes == {"pass": "flipped", "compare": "survived"}


def test_without_a_window_all_words_are_compared():
    encoder, pair = Angles(), text("5 p", "(0 a b).")
    kept_by(Similarity(0.5, "cosine", None), pair, [pair.replace(2, "1")], encoder)
    assert encoder.asked == ["5 p\n(0 a b", "5 p\n(1 a b"]


VOCABULARY = sorted(
    {*LEXICON, *(near for entry in LEXICON.values() for near, _ in entry), "the", "a", "of", "Good", "BAD"}
)
sentences = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=9).map(" ".join)
some_numbers = st.builds(
    TextFooler,
    candidates=st.integers(1, 4),
    min_cosine=st.sampled_from([-1.0, 0.5, 0.75]),
    similarity_threshold=st.sampled_from([0.0, 0.7, 0.85]),
    similarity_metric=st.sampled_from(["angular", "cosine"]),
    window=st.sampled_from([2, 4, 15]),
    max_share=st.sampled_from([None, 0.2, 0.6]),
    query_budget=st.sampled_from([None, 6]),
)


def attacked(examples, numbers, made, recipe="textfooler"):
    search = numbers.search(made)
    oracles = {VICTIM: victim_oracle(victim), ENCODER: encoder_oracle(made.encoder)}
    attempts = [new_attempt(example, search, example.id, numbers.query_budget) for example in examples]
    for attempt, row in run_searches([(a, a.run()) for a in attempts], oracles, 3):
        assert not isinstance(row, Failure), row
        yield attempt, row


def steps(original, final, changed):
    """Every order in which the changed words can have been replaced, as pairs of texts before and after a step."""
    for order in permutations(changed):
        before, taken = original, []
        for index in order:
            after = before.replace(index, final.words[index])
            taken.append((before, after))
            before = after
        yield taken


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(sentences, min_size=1, max_size=3), some_numbers, st.integers(0, 1))
def test_an_accepted_text_satisfies_every_rule_alone(texts, numbers, label):
    made = parts()
    examples = [Example(str(i), (t,), label) for i, t in enumerate(texts)]
    for attempt, row in attacked(examples, numbers, made):
        right = victim([(row.original,)])[0].argmax() == label
        assert (row.outcome == "skipped") == (not right)
        if row.perturbed is None:
            assert row.outcome in {"skipped", "budget"}
            continue
        assert (victim([(row.perturbed,)])[0].argmax() != label) == (row.outcome == "flipped")
        original, final = attempt.case.original, text(row.perturbed)
        changed = [i for i, (a, b) in enumerate(zip(original.words, final.words, strict=True)) if a != b]
        assert row.changed == len(changed)
        assert not {original.words[i] for i in changed} & made.stopwords
        marked = AttackedText(final.columns, frozenset(changed), frozenset(changed))
        assert near_enough(made.lexicon, numbers.min_cosine, original, marked)
        assert same_part_of_speech(made.tagger, original, marked)
        assert numbers.max_share is None or few_enough(numbers.max_share, original, marked)
        rule = Similarity(numbers.similarity_threshold, numbers.similarity_metric, numbers.window)
        similar = partial(_similar, rule, made.encoder)
        # More than four words have too many orders to try.
        assert len(changed) > 4 or any(all(map(similar, taken)) for taken in steps(original, final, changed))


def _similar(rule, encoder, step):
    before, after = step
    return bool(kept_by(rule, before, [after], encoder))
