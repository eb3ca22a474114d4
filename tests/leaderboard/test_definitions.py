"""The documentation says what the board says, word for word."""

import re
from pathlib import Path

import pytest

from leaderboard import bootstrap, definitions, masking

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "board.md").read_text(encoding="utf-8").split())
SENTENCES = [
    "RANK",
    "ORDER",
    "OVERALL",
    "SPREAD",
    "CHANGE",
    "COST",
    "VERIFICATION",
    "COMPLETE",
    "PUBLISHED",
    "STAR",
    "SIMILARITY",
]


@pytest.mark.parametrize("name", SENTENCES)
def test_rule_is_in_the_documentation(name):
    sentence = getattr(definitions, name)
    assert sentence.rstrip(".") in TEXT or sentence[0].lower() + sentence[1:].rstrip(".") in TEXT


def test_number_of_draws_is_in_the_documentation():
    assert f"{bootstrap.DRAWS} draws" in TEXT


def test_thresholds_of_the_masking_checks_are_in_the_documentation():
    assert f"more than {100 * masking.MARGIN:g} points" in TEXT
    for name, (most, _) in masking.LIMITS.items():
        assert re.search(rf"`{name}`[^|]*\| above {100 * most:g} % \|", TEXT)
