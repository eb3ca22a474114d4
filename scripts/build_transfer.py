"""Write the transfer check of the suite `offline`: its examples as TextFooler changed them against plain fine-tuning.

For each attacked example it writes the text that flipped vanilla, seed 0, or the original if there is none. Such texts
need no search: a model that they fool, but that resists the search itself, has misled the search. The texts belong to
the version of the suite; weights from another machine differ in their last bits and may give other texts.

    temper run offline --methods vanilla
    python -m scripts.build_transfer runs benchmark/suites/data/transfer.csv
"""

import csv
import sys
from pathlib import Path

from benchmark.evaluation.parquet import read_attack
from benchmark.schema import UsageError, read_records

CLASSES = ("negative", "positive")
RECORDS, ATTACK = "results/offline@2/vanilla/minilm/seed-0.jsonl", "textfooler"


def rows_of(runs: Path) -> list[tuple[str, str]]:
    """Return text and label of each attacked example, in the order of the attack table.

    Raises:
        UsageError: vanilla's seed 0 was not attacked in that folder.
    """
    records = runs / RECORDS
    if not records.is_file():
        raise UsageError(f"{records} not found. Run `temper run offline --methods vanilla --out {runs}` first.")
    key = next(r["keys"]["attack"] for r in read_records(records) if r["task"]["id"] == ATTACK)
    table = runs / "store" / "attack" / key.removeprefix("sha256:") / "attacked.parquet"
    return [
        (str(row.perturbed) if row.outcome == "flipped" else row.original, CLASSES[row.label])
        for row in read_attack(table)
    ]


def main(runs: str, target: str) -> None:
    """Write the file."""
    with Path(target).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("text", "label"))
        writer.writerows(rows_of(Path(runs)))


if __name__ == "__main__":
    main(*sys.argv[1:])
