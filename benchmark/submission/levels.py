"""The level of verification that records have reached, written where the board reads them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.execution.cards import write_card
from benchmark.execution.companions import described, flipped_texts
from benchmark.execution.records import write_companions, write_records
from benchmark.schema import Record, UsageError, read_records, record_key, record_path
from benchmark.submission.declared import described as words_of
from benchmark.submission.sources import registered_texts
from benchmark.submission.verifying import Verification


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: The files of records.
        replaced: Files of records that were there and were not the same.
        removed: Files of records of seeds that the submission has not.
    """

    files: list[Path]
    replaced: list[Path]
    removed: list[Path]


def write_levels(verification: Verification, results: Path, rerun: Collection[int]) -> Written:
    """Write a submission that holds into a results folder: rescored, and rerun for seeds that were trained again.

    Beside its records go what its source says that the method is, and some texts that its attacks flipped. A record
    that is there already and says the same keeps a higher level. Nothing is written before everything is made.

    Raises:
        UsageError: the folder holds rows of another state of the suite, holds another row in this one's place, or
            cannot be written to.
        IntegrityError: something of the submission cannot stand on the board.
    """
    submission = verification.submission
    by_seed = {seed: submission.records(seed) for seed in sorted(submission.runs)}
    places = {seed: record_path(records[0]) for seed, records in by_seed.items()}
    home = results / Path(places[min(places)]).parent
    stale = sorted(set(home.glob("seed-*.jsonl")) - {results / place for place in places.values()})
    try:
        levelled = [_at(by_seed[seed], results / place, rerun=seed in rerun) for seed, place in places.items()]
        companions = list(_companions(verification, places))
        before = {place: _text_at(results / place) for place in places.values()}
        write_card(results, verification.card, [*places.values(), *(str(p.relative_to(results)) for p in stale)])
        write_companions(results, companions)
        files = [write_records(results, records) for records in levelled]
        for path in stale:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{results} cannot be written to: {error.strerror} ({error.filename}).") from error
    replaced = [path for path, text in zip(files, before.values(), strict=True) if text not in ("", _text_at(path))]
    return Written(files, replaced, stale)


def _companions(verification: Verification, places: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    submission = verification.submission
    name = submission.manifest["method"]["name"]
    # Docstrings are not part of a source's hash: what describes a method that is registered here is its own.
    texts = registered_texts(name) or submission.sources
    yield described(places[min(places)], name, *words_of(name, texts))
    for seed, place in places.items():
        yield from flipped_texts(verification.cells[seed], place)


def _at(records: list[Record], path: Path, *, rerun: bool) -> list[Record]:
    """Records at their new level, or at the one that they have at a path already where that is higher."""
    there = read_records(path) if path.is_file() else []
    _require_same_row(records[0], there, path)
    held = {record_key(record): record for record in there}
    level = "rerun" if rerun else "rescored"
    new = [{**record, "verification": level} for record in records]
    return [old if (old := held.get(record_key(one), one)) == {**one, "verification": "rerun"} else one for one in new]


def _require_same_row(ours: Record, there: list[Record], path: Path) -> None:
    """Refuse to overwrite another row, such as one on another backbone of the same name."""
    mine, theirs = (
        (one["method"]["name"], one["method"]["configuration"], one["backbone"]["revision"])
        for one in (ours, there[0] if there else ours)
    )
    if mine[:2] != theirs[:2]:
        raise UsageError(
            f"{path} is of {theirs[0]} ({theirs[1]}) and not of {mine[0]} ({mine[1]}); move it away first."
        )
    if mine != theirs and None not in (mine[2], theirs[2]):
        raise UsageError(
            f"{path} is of another backbone called {ours['backbone']['name']}, of revision {theirs[2]} and not "
            f"{mine[2]}; move it away first."
        )


def _text_at(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
