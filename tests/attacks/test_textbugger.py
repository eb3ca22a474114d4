"""TextBugger: its five bugs, MVP's restriction to one of them, and TextAttack's decisions."""

import ast
import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.transformations import HOMOGLYPHS, misspellings
from benchmark.data import Dataset, Example
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import assert_same_distribution, by_both, outcomes, spec

MVP = {"edits": False, "similar_to": "current", "window": 15, "similarity_threshold": 0.840845057}


def bugs_of(word):
    """Return all results of the three random bugs on a word, from the paper's description."""
    inside = range(1, len(word) - 1)
    gaps = {word[:i] + " " + word[i:] for i in inside}
    holes = {word[:i] + word[i + 1 :] for i in inside}
    turned = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inside if i + 1 in inside}
    return [gaps, holes, turned]


@pytest.mark.parametrize("word", ["watch", "good", "film", "Extraordinary"])
def test_each_bug_is_made_once_at_a_random_place_inside(word):
    seen = [set(), set(), set()]
    for seed in range(200):
        made = misspellings(word, random.Random(seed))
        for bug, found in zip(made[:3], seen, strict=True):
            found.add(bug)
        assert made[3:] == misspellings(word, random.Random(0))[3:]
    assert seen == bugs_of(word)


@pytest.mark.parametrize(("word", "count"), [("a", 0), ("at", 0), ("cat", 2), ("cats", 3)])
def test_short_words_have_fewer_bugs(word, count):
    made = misspellings(word, random.Random(1))
    alike = [word[:i] + HOMOGLYPHS[letter] + word[i + 1 :] for i, letter in enumerate(word)]
    assert made[count:] == alike


def test_capitals_and_other_signs_have_no_homoglyph():
    assert misspellings("NO", random.Random(1)) == []
    assert misspellings("é", random.Random(1)) == []


@pytest.mark.needs("textattack")
def test_the_homoglyphs_are_textattacks():
    found = importlib.util.find_spec("textattack")
    source = Path(found.origin).parent / "transformations/word_swaps/word_swap_homoglyph_swap.py"
    tables = [
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and node.value.keys
    ]
    assert tables == [HOMOGLYPHS]


def test_bugs_hide_a_word_and_the_text_most_like_the_original_is_taken(tmp_path):
    attack = spec("textbugger", similarity_threshold=-1)
    ((_, outcome, text, queries, _),) = outcomes(tmp_path, attack, dataset("a nice film"), victim, parts({}))
    assert (outcome, text[:2], text[-5:]) == ("flipped", "a ", " film")
    assert "nice" not in text
    # 1 for the text, 2 for leaving a word out, 3 random bugs and 4 homoglyphs of nice.
    assert queries == 1 + 2 + 7


@pytest.mark.parametrize("backend", ["engine", pytest.param("textattack", marks=with_textattack)])
def test_words_after_a_split_word_count_as_unchanged(tmp_path, backend):
    text = "a nice film and the same plot once more in other words"
    data = Dataset("split", tuple(Example(str(id), (text,), 1) for id in range(20)), ("negative", "positive"))
    attack = spec("textbugger", backend=backend, similarity_threshold=-1)

    def split_only(texts):
        """Flip where the second word is split in two, and nowhere else."""
        return np.array([[1, 0] if " film" in t and t.split()[3] == "film" else [0, 1] for (t,) in texts], np.float32)

    rows = run_attack(attack, data, split_only, tmp_path / "journal.jsonl", parts=parts({}, stopwords=text.split()[2:]))
    flipped = [row for row in rows if row.outcome == "flipped"]
    assert flipped
    for row in flipped:
        assert len(row.perturbed.split()) == row.words + 1
        assert (row.words, row.changed) == (12, 1)


def test_without_edits_only_neighbours_are_tried(tmp_path):
    attack = spec("textbugger", edits=False, similarity_threshold=-1)
    ((_, outcome, text, queries, _),) = outcomes(tmp_path, attack, dataset("a good film to watch"), victim, parts())
    # 1 for the text, 3 for leaving a word out, 4 neighbours, of which two flip.
    assert (outcome, queries) == ("flipped", 1 + 3 + 4)
    assert text in {"a decent film to watch", "a bad film to watch"}
    attack = spec("textbugger", edits=False, candidates=2, similarity_threshold=-1)
    ((_, outcome, *_),) = outcomes(tmp_path, attack, dataset("a good film to watch"), victim, parts())
    assert outcome == "survived"


def test_after_a_space_words_are_counted_anew_as_textattack_does(tmp_path):
    """The order of words is that of the original; a bug's second half or a stop word may meanwhile be at that index."""

    def spaced(texts):
        return np.array([[0.5 * (len(text[0].split()) - 2) - ("b" in text[0]) * 0.1, 1] for text in texts], np.float32)

    attack = spec("textbugger", similarity_threshold=-1)
    made = parts({}, stopwords=("def",))
    ((_, outcome, text, _, _),) = outcomes(tmp_path, attack, dataset("abc def uvw", labels=[1]), spaced, made)
    # abc is split first; then uvw is word 3, but its number 2 is that of the stop word def.
    assert (outcome, text.split()[2:]) == ("survived", ["def", "uvw"])


def test_bugs_differ_from_example_to_example_and_not_from_run_to_run(tmp_path):
    same = tuple(Example(str(i), ("an extraordinarily good thing",), 1) for i in range(6))
    found = [
        outcomes(
            tmp_path, spec("textbugger", similarity_threshold=-1), Dataset("same", some, ("a", "b")), lengths, parts({})
        )
        for some in (same, same[::-1], same[2:])
    ]
    assert len({row[2] for row in found[0]}) > 1
    assert found[0] == found[1][::-1]
    assert found[0][2:] == found[2]


def lengths(texts):
    """Believes a text the less, the more words it has."""
    return np.array([[len(text[0].split()), 4.5] for text in texts], dtype=np.float32)


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize("budget", [None, 30])
    @pytest.mark.parametrize("pair", [False, True])
    @pytest.mark.parametrize("numbers", [{"edits": False}, MVP, {**MVP, "window": 6}], ids=["whole", "MVP", "window 6"])
    def test_neighbours_alone_are_identical(self, tmp_path, numbers, pair, budget):
        asked, made = random_cases.victim(2, seed=1), random_cases.parts(1)
        examples = random_cases.examples(8, (1, 25), asked, 1, pair)
        if budget is not None:
            numbers = {**numbers, "query_budget": budget}
        ours, theirs = by_both(tmp_path, "textbugger", examples, asked, made, **numbers)
        assert ours == theirs
        assert {row[1] for row in ours} & {"flipped", "survived"}

    def test_all_bugs_agree_in_distribution(self, tmp_path):
        assert_same_distribution(tmp_path, "textbugger", 4, (4, 10))
