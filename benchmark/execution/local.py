"""The local executor: rows one after the other, every cell that is missing, nothing twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.execution.cards import suite_card, write_card
from benchmark.execution.cells import Cell, Row, cells_of
from benchmark.execution.companions import companions_of
from benchmark.execution.effect import vanilla_weight_notes
from benchmark.execution.explaining import state_of
from benchmark.execution.observer import Observer
from benchmark.execution.records import (
    failed_records,
    file_of,
    records_of,
    require_recordable,
    write_companions,
    write_records,
)
from benchmark.execution.running import Runner
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, TemperError, excerpt
from benchmark.schema.record import LONGEST_SENTENCE
from benchmark.training.context import MethodError


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        computed: Cells computed.
        reused: Cells that were there already.
        files: Record files of the rows, in order.
        failures: One sentence for each row that failed.
    """

    computed: int = 0
    reused: int = 0
    files: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_rows(rows: Sequence[Row], work: Workload, store: Store, results: Path, observer: Observer) -> RunReport:
    """Bring every row to its records.

    A row that fails for a reason of its own (its loss diverged, its plugin raised) becomes records with that reason,
    and the other rows are computed. What stops all rows (a full disk, a missing resource) is raised.
    """
    report = RunReport()
    card = suite_card(work)
    require_recordable(rows, card, results)
    _require_backbones(rows, work, store)
    with store.guarded():
        write_card(results, card, [file_of(row, card) for row in rows])
    runner = Runner(work, store, observer)
    for row in rows:
        try:
            _finish(row, runner, report)
            cells = list(cells_of(row, work, store))
            records = records_of(row, cells, work, card, store)
            with store.guarded():
                _write_companions(cells, results / file_of(row, card), results, observer)
        except RowFailedError as error:
            report.failures.append(str(error))
            observer.note(str(error))
            records = failed_records(row, card, str(error))
        with store.guarded():
            report.files.append(write_records(results, records))
        _tell(store, observer)
    for sentence in vanilla_weight_notes(rows, work, store):
        observer.note(sentence)
    return report


def _require_backbones(rows: Sequence[Row], work: Workload, store: Store) -> None:
    """A backbone that cannot be used is the user's to change; no method is to blame."""
    from benchmark.models.backbone_check import require_supported

    task = work.suite.training
    untrained = [row for row in rows if _is_untrained(row, work, store)]
    for backbone in dict.fromkeys(row.backbone for row in untrained):
        require_supported(backbone, len(task.classes), task.max_length)


def _is_untrained(row: Row, work: Workload, store: Store) -> bool:
    try:
        return state_of(next(cells_of(row, work, store)), store) != "done"
    except MethodError:
        # The row fails by itself, and says why.
        return False


def _write_companions(cells: list[Cell], file: Path, results: Path, observer: Observer) -> None:
    """Write what is next to a row's records; it explains them, so that what cannot be written is left out."""
    place = str(file.relative_to(results))
    try:
        companions = list(companions_of(cells, place))
    except IntegrityError as error:
        observer.note(f"The attacked texts and the method's description next to {place} are left out: {error}")
    else:
        write_companions(results, companions)


class RowFailedError(TemperError):
    """One method with one seed cannot be measured; the sentence becomes the reason in its records."""

    def __init__(self, sentence: str) -> None:
        super().__init__(excerpt(sentence, LONGEST_SENTENCE))


def _finish(row: Row, runner: Runner, report: RunReport) -> None:
    """Compute the row's missing cells in order; each pass over the cells sees the specs of more of them."""
    done: set[str] = set()
    while True:
        try:
            cells = list(cells_of(row, runner.work, runner.store))
        except MethodError as error:
            raise RowFailedError(f"{row.label}: {error}") from error
        missing = next((c for c in cells if c.key is not None and runner.store.find(c.kind, c.key) is None), None)
        _tell(runner.store, runner.observer)
        if missing is None:
            break
        try:
            runner.run(missing)
        except MethodError as error:
            raise RowFailedError(f"{missing.label}: {error}") from error
        done.add(missing.label)
        report.computed += 1
    report.reused += len(cells) - len(done)


def _tell(store: Store, observer: Observer) -> None:
    while store.notes:
        observer.note(store.notes.pop(0))
