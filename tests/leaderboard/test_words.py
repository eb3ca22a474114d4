"""The documentation says what the board says, word for word."""

from pathlib import Path

import pytest

from leaderboard import bootstrap, words

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "board.md").read_text(encoding="utf-8").split())
SENTENCES = ["RANK", "ORDER", "OVERALL", "SPREAD", "CHANGE", "COST", "VERIFICATION", "COMPLETE", "PUBLISHED"]


@pytest.mark.parametrize("name", SENTENCES)
def test_rule_is_in_the_documentation(name):
    sentence = getattr(words, name)
    assert sentence.rstrip(".") in TEXT or sentence[0].lower() + sentence[1:].rstrip(".") in TEXT


def test_number_of_draws_is_in_the_documentation():
    assert f"{bootstrap.DRAWS} draws" in TEXT
