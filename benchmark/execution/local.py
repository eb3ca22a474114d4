"""Run rows: compute only missing cells, here or where an executor does it, and write the records."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.execution.cards import replace_text, suite_card, write_card
from benchmark.execution.cells import Cell, Row, cells_of
from benchmark.execution.executors import LOCAL, Place
from benchmark.execution.explanation import state_of
from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.records import (
    attachments_of,
    failed_records,
    file_of,
    records_of,
    require_recordable,
    write_attachments,
    write_records,
)
from benchmark.execution.row_outcomes import compute_rows, forget_failures, report_notes
from benchmark.execution.runner import Observer, Runner
from benchmark.execution.store import Artifact, Store
from benchmark.execution.trackers import Tracker
from benchmark.execution.tuned_row import trials_path, tuned_method
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, excerpt
from benchmark.schema.record import LONGEST_SENTENCE
from benchmark.suites import Suite
from benchmark.training.context import MethodError


@dataclass
class RunReport:
    """The report of a run.

    Attributes:
        computed: Number of cells computed.
        reused: Number of cells that existed already.
        files: Record files of the rows, in order.
        failures: One sentence for each row that failed.
    """

    computed: int = 0
    reused: int = 0
    files: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_rows(
    rows: Sequence[Row],
    work: Workload,
    store: Store,
    results: Path,
    observer: Observer,
    *,
    place: Place = LOCAL,
    tracker: Tracker | None = None,
) -> RunReport:
    """Compute the missing cells of every row and write its records.

    A row that fails on its own (its loss diverged, its plugin raised) becomes records with that reason,
    and the other rows are computed. An error that stops all rows (a full disk, a missing resource) is raised.
    """
    report = RunReport()
    card = suite_card(work)
    require_recordable(rows, card, results)
    require_trainable(rows, work, store)
    with store.guarded():
        write_card(results, card, [file_of(row, card) for row in rows])
    runner = Runner(work, store, observer, tracker)
    forget_failures(rows, runner)
    with closing(compute_rows(rows, runner, place.executor(runner, len(rows)))) as outcomes:
        for row, outcome in outcomes:
            report.computed += outcome.computed
            report.reused += outcome.reused
            if outcome.failure:
                failure = excerpt(outcome.failure, LONGEST_SENTENCE)
                report.failures.append(failure)
                observer.note(failure)
                records = failed_records(row, card, failure)
            else:
                cells = list(cells_of(row, work, store))
                records = records_of(row, cells, work, card, store)
                with store.guarded():
                    _write_attachments(cells, work.suite, results / file_of(row, card), results, observer)
            with store.guarded():
                if "ingredients" in (row.tuning or {}):
                    # Its records are checked against the trials next to them.
                    source = replace(row, method=tuned_method(row.method))
                    text = (results / trials_path(source, work.suite)).read_text(encoding="utf-8")
                    replace_text(results / trials_path(row, work.suite), text)
                report.files.append(write_records(results, records))
            report_notes(store, observer)
    report.files.sort(key=[results / file_of(row, card) for row in rows].index)
    for sentence in vanilla_weight_notes(rows, work, store):
        observer.note(sentence)
    return report


def require_trainable(rows: Sequence[Row], work: Workload, store: Store) -> None:
    """Check that the backbones and the precision are usable here, so that no method is reported as failing for them."""
    from benchmark.models.backbone_check import require_supported
    from benchmark.training.optimization import pick_device, require_precision

    task = work.suite.training
    untrained = [row for row in rows if _is_untrained(row, work, store)]
    if untrained:
        require_precision(work.suite.recipe.precision, pick_device())
    for backbone in dict.fromkeys(row.backbone for row in untrained):
        require_supported(backbone, len(task.classes), task.max_length)


def _is_untrained(row: Row, work: Workload, store: Store) -> bool:
    try:
        return state_of(next(cells_of(row, work, store)), store) != "done"
    except MethodError:
        # Skip this row here: it fails later with its own reason.
        return False


def _write_attachments(cells: list[Cell], suite: Suite, file: Path, results: Path, observer: Observer) -> None:
    """Write the attachments of a row's records. They are optional, so one that cannot be written is left out."""
    place = str(file.relative_to(results))
    try:
        attachments = list(attachments_of(cells, place, suite))
    except IntegrityError as error:
        observer.note(f"The attacked texts and the method's description next to {place} are left out: {error}")
    else:
        write_attachments(results, attachments)


VANILLA = "vanilla"


def has_vanilla_weights(row: Row, work: Workload, store: Store) -> bool:
    """Return whether a row's weights equal vanilla's byte for byte, given the same suite, backbone, seed and protocol.

    Return False if either is missing in the store.
    """
    # A row that averages trials may well choose one of vanilla's alone.
    if row.method.name == VANILLA or VANILLA not in registered() or row.ingredients:
        return False
    vanilla = replace(row, method=configure(MethodRequest(VANILLA, {})))
    own, other = _trained(row, work, store), _trained(vanilla, work, store)
    return own is not None and other is not None and _weights(own) == _weights(other)


def vanilla_weight_notes(rows: Sequence[Row], work: Workload, store: Store) -> Iterator[str]:
    """Yield a sentence for each row whose weights equal vanilla's."""
    for row in rows:
        if has_vanilla_weights(row, work, store):
            yield f"{row.label}: its weights are vanilla's, so the method has no effect. Run `temper check` on it."


def _weights(trained: Artifact) -> Mapping[str, str]:
    """Return the hashes of the weights only, since two versions of Temper may write different configurations."""
    return {name: digest for name, digest in trained.files.items() if name.endswith(".safetensors")}


def _trained(row: Row, work: Workload, store: Store) -> Artifact | None:
    try:
        train = next(cells_of(row, work, store))
        return None if train.key is None else store.peek("train", train.key)
    except (IntegrityError, MethodError):
        return None
