"""The documentation states the thresholds and the number of draws that the code uses."""

import re
from pathlib import Path

from leaderboard import bootstrap, masking

DOCS = Path(__file__).parents[2] / "docs"
TEXT = " ".join(f"{(DOCS / 'leaderboard.md').read_text()} {(DOCS / 'statistics.md').read_text()}".split())


def test_number_of_draws_is_in_the_documentation():
    assert f"{bootstrap.DRAWS:,} draws" in TEXT


def test_thresholds_of_the_masking_checks_are_in_the_documentation():
    assert f"more than {100 * masking.MARGIN:g} points" in TEXT
    for name, (most, _) in masking.LIMITS.items():
        assert re.search(rf"`{name}`[^|]*\| above {100 * most:g} % \|", TEXT)
