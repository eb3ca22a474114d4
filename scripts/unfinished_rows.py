"""Write rows without values for methods that a run did not reach, so that the leaderboard shows them with a reason.

    python -m scripts.unfinished_rows offline --methods rift,mvp+roast --results leaderboard/results --reason "Not run."

A seed with records is not changed; a later run of the method replaces these rows. The method's description is written
next to them, as for any row.
"""

import argparse
import inspect
from pathlib import Path

from benchmark.execution.cards import suite_card, write_card
from benchmark.execution.cells import Row
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.records import failed_records, file_of, method_card, write_attachments, write_records
from benchmark.execution.workload import materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.suites import load_suite


def write_unfinished(suite_name: str, methods: list[str], seeds: int, reason: str, results: Path) -> list[Path]:
    """Write a record without a value for every expected value of the rows, and return their files."""
    suite = load_suite(suite_name)
    card, backbone = suite_card(materialise(suite)), resolve_backbone(suite.backbone)
    requests = [MethodRequest.parse(name) for name in methods]
    rows = [Row(configure(request), backbone, seed) for request in requests for seed in range(seeds)]
    waiting = [row for row in rows if not (results / file_of(row, card)).exists()]
    write_card(results, card, [file_of(row, card) for row in waiting])
    for row in rows:
        cls = row.method.cls
        write_attachments(results, [method_card(file_of(row, card), cls.name, inspect.getdoc(cls) or "", cls.paper)])
    return [write_records(results, failed_records(row, card, reason, status="unavailable")) for row in waiting]


def main() -> None:
    """Read the command line and print the files that were written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--methods", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--reason", required=True)
    args = parser.parse_args()
    for path in write_unfinished(args.suite, args.methods.split(","), args.seeds, args.reason, args.results):
        print(path)


if __name__ == "__main__":
    main()
