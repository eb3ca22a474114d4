"""Keyboard typos: their four operators, the words and bounds they respect, and TextAttack's decisions."""

import ast
import importlib.util
import random
import string
from pathlib import Path

import pytest

from benchmark.attacks.recipes.keyboard_typos import misspellings
from benchmark.keyboard import NEIGHBOURS
from benchmark.schema.errors import UsageError
from scripts.prove_attacks import same_draws
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import assert_same_distribution, by_both, outcomes, spec


def typos_of(word, letters):
    """Return all misspellings of a word, from the paper's description: inner characters only."""
    inside = range(1, len(word) - 1)
    keys = {
        i: [key.upper() if word[i].isupper() else key for key in NEIGHBOURS.get(word[i].lower(), "")] for i in inside
    }
    return {
        *(word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inside if i + 1 in inside),
        *(word[:i] + word[i + 1 :] for i in inside),
        *(word[:i] + letter + word[i:] for i in inside for letter in letters),
        *(word[:i] + key + word[i + 1 :] for i in inside for key in keys[i]),
    }


@pytest.mark.parametrize("word", ["film", "Watch", "ANYBODY", "it's", "naïve", "b2b-shop"])
def test_every_operator_is_tried_at_every_inner_place(word):
    assert set(misspellings(word, "all", random.Random(0))) == typos_of(word, string.ascii_lowercase)
    without, seen = typos_of(word, ""), set()
    for seed in range(600):
        some = misspellings(word, "random", random.Random(seed))
        assert len(some) == len(set(some))
        assert without <= set(some)
        seen.update(some)
    assert seen == typos_of(word, string.ascii_letters)


def test_the_letter_next_to_the_edge_and_short_words_stay(tmp_path):
    text = "not bad, and dull"
    attack = spec("keyboard_typos", insertions="all", max_words=9)
    ((_, outcome, perturbed, _, _),) = outcomes(tmp_path, attack, dataset(text), victim, parts({}, stopwords=("dull",)))
    assert (outcome, perturbed) == ("survived", text)
    with pytest.raises(UsageError, match="min_length: is the number 3; write a whole number of at least 4"):
        outcomes(tmp_path, spec("keyboard_typos", min_length=3), dataset(text), victim, parts())


@pytest.mark.parametrize(
    ("bounds", "changed"), [({}, 1), ({"max_words": 2}, 2), ({"max_words": 9, "max_share": 0.4}, 3)]
)
def test_the_number_and_the_share_of_words_are_bounds(tmp_path, bounds, changed):
    text = "good great fine charming good great"
    attack = spec("keyboard_typos", insertions="all", **bounds)
    ((_, outcome, perturbed, *_),) = outcomes(tmp_path, attack, dataset(text), victim, parts())
    assert outcome == "survived"
    assert sum(a != b for a, b in zip(text.split(), perturbed.split(), strict=True)) == changed


def test_queries_are_the_text_and_every_misspelling(tmp_path):
    text = "good great film"
    attack = spec("keyboard_typos", insertions="all")
    ((_, outcome, _, queries, _),) = outcomes(tmp_path, attack, dataset(text), victim, parts())
    # A swap of two equal letters leaves the word as it is.
    words = [set(misspellings(word, "all", random.Random(0))) - {word} for word in text.split()]
    assert (outcome, queries) == ("survived", 1 + sum(map(len, words)))
    attack = spec("keyboard_typos", query_budget=20)
    ((_, outcome, _, queries, _),) = outcomes(tmp_path, attack, dataset(text), victim, parts())
    assert (outcome, queries) == ("budget", 20)


@pytest.mark.needs("textattack")
def test_textattacks_keyboard_has_other_neighbours_for_17_letters():
    """Its table is not symmetric: g has d but not f. So both backends use ours."""
    found = importlib.util.find_spec("textattack")
    source = Path(found.origin).parent / "transformations/word_swaps/word_swap_qwerty.py"
    (theirs,) = [
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    ]
    assert "f" not in theirs["g"]
    assert "g" in theirs["f"]
    assert theirs.keys() == NEIGHBOURS.keys()
    assert sum(set(theirs[letter]) != set(NEIGHBOURS[letter]) for letter in theirs) == 17


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize("budget", [None, 200])
    @pytest.mark.parametrize("pair", [False, True])
    @pytest.mark.parametrize("bounds", [{}, {"max_words": 3, "max_share": 0.2}, {"max_words": 2}], ids=str)
    def test_without_random_letters_both_are_identical(self, tmp_path, bounds, pair, budget):
        asked, made = random_cases.victim(2, seed=1), random_cases.parts(1)
        examples = random_cases.examples(3, (1, 14), asked, 1, pair)
        parameters = {**bounds, "insertions": "all", **({} if budget is None else {"query_budget": budget})}
        ours, theirs = by_both(tmp_path, "keyboard_typos", examples, asked, made, **parameters)
        assert ours == theirs
        assert {row[1] for row in ours} & {"flipped", "survived"}

    @pytest.mark.parametrize("max_words", [1, 2])
    def test_the_same_draws_give_the_same_attack(self, tmp_path, max_words):
        """At most eight words: TextAttack draws in the order of a set, which is the text's only there."""
        asked, made = random_cases.victim(2, seed=1), random_cases.parts(1)
        examples = random_cases.examples(12, (1, 8), asked, 1)
        with same_draws():
            ours, theirs = by_both(tmp_path, "keyboard_typos", examples, asked, made, max_words=max_words)
        assert ours == theirs

    def test_the_attacks_agree_in_distribution(self, tmp_path):
        assert_same_distribution(tmp_path, "keyboard_typos", 4, (4, 10), seeds=40, max_words=2)
