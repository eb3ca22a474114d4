"""The level of verification that records have reached, written where the board reads them."""

from collections.abc import Collection, Mapping
from pathlib import Path

from benchmark.execution.cards import write_card
from benchmark.execution.records import write_records
from benchmark.schema import Record, record_path
from benchmark.submission.intake import Submission


def write_levels(submission: Submission, results: Path, rerun: Collection[int]) -> list[Path]:
    """Write a submission's records into a results folder: rescored, and rerun for seeds that were trained again.

    Raises:
        UsageError: the folder holds rows of another state of the suite.
    """
    by_seed = {seed: submission.records(seed) for seed in sorted(submission.runs)}
    ours = [record_path(records[0]) for records in by_seed.values()]
    card = write_card(results, dict(submission.results.card), ours)
    return [card, *(write_records(results, _at(by_seed[seed], rerun=seed in rerun)) for seed in by_seed)]


def _at(records: list[Record], *, rerun: bool) -> list[Record]:
    """Records at their new level."""
    level: Mapping[str, str] = {"verification": "rerun" if rerun else "rescored"}
    return [{**record, **level} for record in records]
