"""Print every value, interval, rank, star and note of a built leaderboard, one per line, to compare two of them.

    python -m scripts.leaderboard_values leaderboard/site > before.txt
    python -m scripts.leaderboard_values leaderboard/site before.txt     # exits with 1 and a diff where a line changed

The values are read from the files that `temper board build` wrote, so they are compared to the printed digit.
"""

import argparse
import csv
import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Long lists and texts that hold no headline value.
_SKIPPED = ("facts", "summary", "paper", "measurements")


def values(site: Path) -> list[str]:
    """List the values of `board.json`, the cells of `board.csv` and the table lines of `board.md`."""
    lines = []
    for section in json.loads((site / "board.json").read_text(encoding="utf-8"))["sections"]:
        name = f"{section['suite']} {section['backbone']}"
        lines.append(f"{name}: ranked = {section['ranked']}, finding = {section['finding']}")
        for row in section["rows"]:
            label = f"{name}: {row['method']} {row['configuration']} ({row['group']})"
            shown = {key: value for key, value in row.items() if key not in _SKIPPED}
            lines += [f"{label}: {path} = {value}" for path, value in _leaves(shown, "")]
    with (site / "board.csv").open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            lines += [f"board.csv: {cells['suite']} {cells['method']}: {key} = {cell}" for key, cell in cells.items()]
    # The cells of `board.md` show stars and rank intervals.
    lines += [line for line in (site / "board.md").read_text(encoding="utf-8").splitlines() if re.match(r"\| ", line)]
    return lines


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}/{number}")
    else:
        yield path, value


def main() -> None:
    """Print the values, or their difference from an earlier print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("before", type=Path, nargs="?")
    arguments = parser.parse_args()
    lines = values(arguments.site)
    if arguments.before is None:
        print("\n".join(lines))
        return
    before = arguments.before.read_text(encoding="utf-8").splitlines()
    difference = list(difflib.unified_diff(before, lines, str(arguments.before), str(arguments.site), lineterm="", n=0))
    print("\n".join(difference) or f"{len(lines)} lines, all equal")
    raise SystemExit(1 if difference else 0)


if __name__ == "__main__":
    main()
