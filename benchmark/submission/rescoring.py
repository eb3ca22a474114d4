"""Every record computed again from the tables, by the code that a run computes it with, and compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.execution.cells import TABLES, Cell, Row, cells_of
from benchmark.execution.explaining import differences
from benchmark.execution.observer import Quiet
from benchmark.execution.records import records_of
from benchmark.execution.running import Runner
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, record_key
from benchmark.submission.stated import StatedStore, training_problems

EXACT = 1e-9
"""Largest relative difference of a value that summing in another order may make."""

ROUNDED = 2e-6
"""Largest difference of a replicate, which keeps six decimals."""


def rescore(
    row: Row, work: Workload, card: Mapping[str, Any], store: StatedStore
) -> tuple[list[Cell], list[dict[str, Any]]]:
    """The cells of a submission's row, and the records that its tables give.

    Raises:
        IntegrityError: what the submission states of training and keys is not what the suite and the weights give; one
            sentence a line.
        TemperError: a table cannot be scored.
    """
    cells = list(cells_of(row, work, store))
    _require_keys(cells, work, store)
    runner = Runner(work, store, Quiet())
    for cell in cells:
        if cell.kind == "score" and store.find("score", cell.key or "") is None:
            runner.run(cell)
    # The precision is the submitter's device's; everything else of the training has been found equal.
    cells[0] = replace(cells[0], spec=store.run["training"])
    return cells, records_of(row, cells, work, card, store)


def _require_keys(cells: Sequence[Cell], work: Workload, store: StatedStore) -> None:
    run, name = store.run, f"seed {store.run['seed']}"
    anyway = work.suite.recipe.precision == "auto"
    problems = [
        f"{name} {what}" for what in training_problems(run["training"], cells[0].spec or {}, any_precision=anyway)
    ]
    stated = {table["subject"]: table for table in run["tables"]}
    for cell in cells:
        if cell.kind not in TABLES:
            continue
        table = stated.pop(cell.subject, None)
        if table is None:
            problems.append(f"{name} has no table of {cell.subject}; run `temper run` and `temper submit` again.")
        elif (table["kind"], table["key"]) != (cell.kind, cell.key):
            problems.append(
                f"{name}, {cell.subject}: the table is stated under {table['kind']} key {table['key'][:19]}…, but the "
                f"stated weights and the suite's data give {cell.kind} key {str(cell.key)[:19]}…"
            )
    problems += [
        f"{name}, {subject}: a table that the suite does not ask for; remove it." for subject in sorted(stated)
    ]
    if problems:
        raise IntegrityError("\n".join(problems))


def record_problems(stated: Sequence[Mapping[str, Any]], computed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every record that is missing, too many, or not what its table gives."""
    theirs, ours = ({record_key(record): record for record in records} for records in (stated, computed))
    for key in sorted(ours.keys() - theirs.keys()):
        yield f"{_name(ours[key])}: there is no record."
    for key in sorted(theirs.keys() - ours.keys()):
        yield f"{_name(theirs[key])}: is not among the suite's records."
    for key in sorted(ours.keys() & theirs.keys()):
        yield from _record_problems(theirs[key], ours[key])


def _record_problems(stated: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[str]:
    if not _close(stated["value"], computed["value"], EXACT * max(1.0, abs(computed["value"] or 0.0))):
        yield f"{_name(stated)}: says {stated['value']}, its table gives {computed['value']}."
    if not _all_close(stated["replicates"], computed["replicates"]):
        yield f"{_name(stated)}: its replicates are not those that its table gives."
    for found in differences(_rest(computed), _rest(stated)):
        here, there = (text[:120] or "nothing" for text in (found.found, found.wanted))
        yield f"{_name(stated)}: {found.pointer} is {here}; the manifest, the tables and the suite give {there}."


def _rest(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("value", "replicates")}


def _close(stated: float | None, computed: float | None, gap: float) -> bool:
    if stated is None or computed is None:
        return stated is computed
    return abs(stated - computed) <= gap


def _all_close(stated: Sequence[float] | None, computed: Sequence[float] | None) -> bool:
    if stated is None or computed is None:
        return stated is computed
    pairs = zip(stated, computed, strict=False)
    return len(stated) == len(computed) and all(_close(a, b, ROUNDED) for a, b in pairs)


def _name(record: Mapping[str, Any]) -> str:
    return f"seed {record['seed']}, {record['probe']['id']}, {record['metric']['id']}"
