"""MVP's TextFooler, which may change a tenth or three tenths of the words, and the lists of stop words."""

import pytest

from benchmark.attacks.parts import stop_words
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.random_cases import by_both


class TestAgainstTextAttack:
    pytestmark = with_textattack

    @pytest.mark.parametrize("budget", [None, 40])
    @pytest.mark.parametrize("pair", [False, True])
    @pytest.mark.parametrize("share", [0.1, 0.3])
    def test_a_share_of_the_words_means_what_max_words_perturbed_does(self, tmp_path, share, pair, budget):
        asked, made = random_cases.victim(2, seed=1), random_cases.parts(1)
        examples = random_cases.examples(8, (1, 30), asked, 1, pair)
        numbers = {"max_share": share} if budget is None else {"max_share": share, "query_budget": budget}
        ours, theirs = by_both(tmp_path, "textfooler", examples, asked, made, **numbers)
        assert ours == theirs
        if budget is None and share == 0.1:
            assert {row[1] for row in ours} == {"flipped", "survived"}


def test_the_english_stop_words_are_nltks_179():
    words = stop_words("nltk-english")
    assert len(words) == 179
    assert {"i", "any", "shouldn't", "wouldn", "s", "ma"} <= words
    assert {"be", "do", "so", "very", "because"} <= words - stop_words("textfooler")
    assert "first" not in words
