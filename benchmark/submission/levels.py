"""The level of verification that records have reached, written where the board reads them."""

from collections.abc import Collection, Mapping
from pathlib import Path

from benchmark.execution.cards import write_card
from benchmark.execution.companions import described, flipped_texts
from benchmark.execution.records import write_companions, write_records
from benchmark.schema import Record, record_path
from benchmark.submission.declared import described as words_of
from benchmark.submission.verifying import Verification


def write_levels(verification: Verification, results: Path, rerun: Collection[int]) -> list[Path]:
    """Write a submission that holds into a results folder: rescored, and rerun for seeds that were trained again.

    Beside its records go what its source says that the method is, and some texts that its attacks flipped.

    Returns:
        The files of records.

    Raises:
        UsageError: the folder holds rows of another state of the suite.
    """
    submission = verification.submission
    by_seed = {seed: submission.records(seed) for seed in sorted(submission.runs)}
    ours = [record_path(records[0]) for records in by_seed.values()]
    write_card(results, dict(submission.results.card), ours)
    name = submission.manifest["method"]["name"]
    write_companions(results, [described(ours[0], name, *words_of(name, submission.sources))])
    for seed, place in zip(by_seed, ours, strict=True):
        write_companions(results, flipped_texts(verification.cells[seed], place))
    return [write_records(results, _at(by_seed[seed], rerun=seed in rerun)) for seed in by_seed]


def _at(records: list[Record], *, rerun: bool) -> list[Record]:
    """Records at their new level."""
    level: Mapping[str, str] = {"verification": "rerun" if rerun else "rescored"}
    return [{**record, **level} for record in records]
