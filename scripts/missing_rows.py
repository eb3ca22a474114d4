"""List the methods without a row in the card of the ranked suite, so that the leaderboard names them with their time.

    python -m scripts.missing_rows
    temper board build

A method whose row is added later is no longer shown; run the script again for a new method.
"""

from pathlib import Path

from benchmark.schema import read_suite_card, suite_card_text
from benchmark.schema.atomic_io import replace_file
from benchmark.suites import load_suite
from scripts.methods_page import BACKBONE, SUITE, has_row, method_costs, row_hours

RESULTS = Path(__file__).parents[1] / "leaderboard" / "results"

COMPOSED = ("mvp+adv_embed", "mvp+roast")
"""Compositions that a paper of the leaderboard's methods evaluates."""


def write_missing(results: Path) -> dict[str, float | None]:
    """Write the core-hours of each missing row into the suite's card, and return them by method."""
    suite = load_suite(SUITE)
    hours = {name: row_hours(cost, suite) for name, cost in (method_costs() | dict.fromkeys(COMPOSED)).items()}
    missing = {
        name: None if time is None else round(time, 1)
        for name, time in hours.items()
        if not has_row(name, suite, results)
    }
    path = results / suite.full_name / "suite.json"
    replace_file(path, suite_card_text(read_suite_card(path) | {"not_run": {BACKBONE: missing}}).encode())
    return missing


def main() -> None:
    """Write the list and print the number of methods in it."""
    print(f"{len(write_missing(RESULTS))} methods have no row.")


if __name__ == "__main__":
    main()
