"""DeepWordBug: its four operators, its bound on the edit distance, and TextAttack's decisions."""

import random
import string

import pytest

from benchmark.attacks.recipes.deepwordbug import edit_distance, edited_words
from scripts.prove_attacks import same_draws
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import assert_same_distribution, by_both, outcomes, spec


def edits_of(word):
    """Return all results of the four operators on a word, from the paper's description."""
    letters, places = string.ascii_letters, range(len(word))
    return [
        {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in places[:-1]},
        {word[:i] + letter + word[i + 1 :] for i in places for letter in letters},
        {word[:i] + word[i + 1 :] for i in places},
        {word[:i] + letter + word[i:] for i in places for letter in letters},
    ]


@pytest.mark.parametrize("word", ["at", "film", "Watch"])
def test_each_operator_is_applied_once_at_a_random_place(word):
    rng, seen = random.Random(0), set()
    swapped, substituted, deleted, inserted = edits_of(word)
    for _ in range(4000):
        edits = edited_words(word, "all", rng)
        assert len(edits) == len(set(edits)) <= 4
        assert edits[0] in swapped
        assert edits[-1] in inserted
        assert set(edits) <= swapped | substituted | deleted | inserted
        seen.update(edits)
        (only,) = edited_words(word, "substitution", rng)
        assert only in substituted
    assert seen == swapped | substituted | deleted | inserted


def test_a_word_of_one_character_has_no_edits():
    for operators in ("all", "substitution"):
        assert edited_words("a", operators, random.Random(0)) == []


def test_the_edit_distance_is_that_of_the_table():
    def distance(first, second):
        row = list(range(len(second) + 1))
        for i, one in enumerate(first, 1):
            above, row = row, [i]
            for j, other in enumerate(second, 1):
                row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (one != other)))
        return row[-1]

    rng = random.Random(0)
    texts = ["".join(rng.choice("ab é\n") for _ in range(rng.randrange(90))) for _ in range(60)]
    assert all(edit_distance(one, other) == distance(one, other) for one in texts for other in texts[:12])
    assert edit_distance("", "") == 0


def test_the_bound_on_edits_ends_the_attack(tmp_path):
    text = " ".join(["good"] * 9)
    for most, outcome in ((8, "survived"), (30, "flipped")):
        attack = spec("deepwordbug", max_edits=most)
        ((_, ended, perturbed, queries, _),) = outcomes(tmp_path, attack, dataset(text + " dull"), victim, parts())
        assert (ended, edit_distance(text + " dull", perturbed) <= most) == (outcome, True)
        # 1 for the text and 10 for hiding a word; a word has at most four edits.
        assert 11 < queries <= 11 + 4 * 10


def test_the_share_of_changed_words_and_the_budget_are_bounds(tmp_path):
    text = "good great fine charming good great"
    attack = spec("deepwordbug", max_share=0.3)
    ((_, outcome, perturbed, *_),) = outcomes(tmp_path, attack, dataset(text), victim, parts())
    assert outcome == "survived"
    assert sum(a != b for a, b in zip(text.split(), perturbed.split(), strict=True)) == 2
    ((_, outcome, _, queries, _),) = outcomes(
        tmp_path, spec("deepwordbug", query_budget=9), dataset(text), victim, parts()
    )
    assert (outcome, queries) == ("budget", 9)


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize("budget", [None, 30])
    @pytest.mark.parametrize("pair", [False, True])
    @pytest.mark.parametrize(
        "parameters", [{}, {"operators": "substitution"}, {"max_edits": 4}, {"max_share": 0.2}], ids=str
    )
    def test_the_same_draws_give_the_same_attack(self, tmp_path, parameters, pair, budget):
        """TextAttack's operators get the engine's random numbers; all else is its own."""
        asked, made = random_cases.victim(2, seed=1), random_cases.parts(1)
        examples = random_cases.examples(10, (1, 25), asked, 1, pair)
        if budget is not None:
            parameters = {**parameters, "query_budget": budget}
        with same_draws():
            ours, theirs = by_both(tmp_path, "deepwordbug", examples, asked, made, **parameters)
        assert ours == theirs
        assert {row[1] for row in ours} & {"flipped", "survived"}

    def test_the_attacks_agree_in_distribution(self, tmp_path):
        assert_same_distribution(tmp_path, "deepwordbug", 4, (4, 10))
