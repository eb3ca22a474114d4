"""Compute the missing cells of rows, one row after the other or several in processes that share the store.

Other commands, also on other machines, may work on the same store. A row whose next cell another process is computing
is left for later, so two commands for the same rows share the work.
"""

import pickle
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from benchmark.execution.cells import Row, cells_of
from benchmark.execution.claims import ClaimedError
from benchmark.execution.method_registry import load_plugin, loaded_plugins, method_class
from benchmark.execution.method_source import source_fingerprint
from benchmark.execution.runner import Observer, Runner
from benchmark.execution.store import Store
from benchmark.schema.errors import TemperError
from benchmark.training.context import MethodError

POLL_SECONDS = 4.0
"""Time after which a row that waits for another process is looked at again."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a row.

    Attributes:
        computed: Number of cells computed.
        reused: Number of cells that existed already.
        failure: Why the row cannot be measured; empty if all its cells are done.
        claimed: Which cell another process is computing, if nothing else is left to do; empty if the row is done.
    """

    computed: int = 0
    reused: int = 0
    failure: str = ""
    claimed: str = ""


class RowLostError(Exception):
    """The process that computed a row died. The message says how; what it finished is in the store."""


class Executor(Protocol):
    """Where rows are computed. Executors differ in the place of a row, never in its bytes.

    Attributes:
        slots: Number of rows that it takes at a time.
    """

    slots: int

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Start rows, each with a number that stands for it."""

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Return the numbers of rows that ended since the last call, with their outcome or what stopped them.

        Args:
            seconds: Time to wait for the first one; None to wait as long as it takes.
        """

    def close(self) -> None:
        """Stop what is running."""


class InProcess:
    """Compute one row at a time in this process."""

    slots = 1

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._rows: dict[int, Row] = {}

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Keep the rows for `finished`."""
        self._rows |= rows

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Compute the rows."""
        outcomes = [(number, compute_row(row, self._runner)) for number, row in self._rows.items()]
        self._rows.clear()
        return outcomes

    def close(self) -> None:
        """Do nothing."""


def compute_rows(rows: Sequence[Row], runner: Runner, executor: Executor) -> Iterator[tuple[Row, Outcome]]:
    """Compute the missing cells of every row; yield each row when it is done.

    Args:
        rows: The rows, in the order in which they are started.
        runner: Holds the suite's data, the store and the observer.
        executor: Computes the rows. It is closed at the end.

    Raises:
        TemperError: an error that stops all rows, or, after the other rows, the death of a row's process.
    """
    waiting, noted, lost = deque(_Pending(row) for row in rows), set[str](), list[str]()
    running: dict[int, _Pending] = {}

    def ended(pending: _Pending, outcome: Outcome) -> Iterator[tuple[Row, Outcome]]:
        earlier = pending.computed
        if not outcome.claimed:
            yield pending.row, replace(outcome, computed=outcome.computed + earlier, reused=outcome.reused - earlier)
            return
        waiting.append(_Pending(pending.row, earlier + outcome.computed, time.monotonic() + POLL_SECONDS))
        if outcome.claimed not in noted:
            noted.add(outcome.claimed)
            runner.observer.note(outcome.claimed)

    try:
        while waiting or running:
            due = [pending for pending in waiting if pending.due <= time.monotonic()]
            started: dict[int, _Pending] = {}
            for pending in due[: executor.slots - len(running)]:
                waiting.remove(pending)
                if isinstance(executor, InProcess) or _needs_work(pending.row, runner):
                    started[id(pending)] = pending
                else:
                    yield from ended(pending, compute_row(pending.row, runner))
            if started:
                running |= started
                executor.submit({number: pending.row for number, pending in started.items()})
            elif not running:
                time.sleep(POLL_SECONDS / 4)
            for number, outcome in executor.finished(POLL_SECONDS / 4 if waiting else None) if running else ():
                pending = running.pop(number)
                if isinstance(outcome, Outcome):
                    yield from ended(pending, outcome)
                elif isinstance(outcome, RowLostError):
                    lost.append(f"{pending.row.label} ({outcome})")
                    runner.observer.note(f"{pending.row.label}: its process died ({outcome}).")
                else:
                    raise outcome
    finally:
        executor.close()
    if lost:
        raise TemperError(
            f"The process of {', '.join(lost)} died; the other rows are done. Run the same command again to resume, "
            "with fewer rows at a time if memory was short."
        )


@dataclass(eq=False)
class _Pending:
    """A row that is to be started.

    Attributes:
        row: The row.
        computed: Number of its cells that were computed before it had to wait for another process.
        due: When to start it, by the monotonic clock.
    """

    row: Row
    computed: int = 0
    due: float = 0.0


def compute_row(row: Row, runner: Runner) -> Outcome:
    """Compute the row's missing cells. A finished cell completes the specs of later ones, so list them after each."""
    if row.failure:
        return Outcome(failure=row.failure)
    failed = True
    try:
        outcome = _compute_cells(row, runner)
        failed = bool(outcome.failure)
    finally:
        runner.tracking.end(failed=failed)
    return outcome


def _compute_cells(row: Row, runner: Runner) -> Outcome:
    done = 0
    while True:
        try:
            cells = list(cells_of(row, runner.work, runner.store))
        except MethodError as error:
            return Outcome(done, failure=f"{row.label}: {error}")
        missing = [c for c in cells if c.key is not None and runner.store.find(c.kind, c.key) is None]
        report_notes(runner.store, runner.observer)
        if not missing:
            if done and runner.tracker is not None:
                runner.track_scores(cells)
            return Outcome(done, len(cells) - done)
        claimed = ""
        for cell in missing:
            try:
                done += runner.run(cell)
            except ClaimedError as error:
                claimed = claimed or str(error)
                continue
            except MethodError as error:
                return Outcome(done, failure=f"{cell.label}: {error}")
            break
        else:
            return Outcome(done, claimed=claimed)


def report_notes(store: Store, observer: Observer) -> None:
    """Report the store's notes and forget them."""
    while store.notes:
        observer.note(store.notes.pop(0))


def _needs_work(row: Row, runner: Runner) -> bool:
    """Return whether a cell of a row can be computed now; starting a process for another row takes seconds."""
    if row.failure:
        return False
    store = runner.store
    try:
        cells = [cell for cell in cells_of(row, runner.work, store) if cell.key is not None]
    except MethodError:
        return False
    return any(store.find(c.kind, c.key) is None and store.owner(c.kind, c.key) is None for c in cells if c.key)


@dataclass(frozen=True)
class Task:
    """Rows with everything that another process needs to compute them.

    Attributes:
        plugins: Files with methods of the user's.
        rows: The rows, pickled without their methods' classes: a plugin or a composition has no import path.
        shared: The suite's data, the store's folder, the observer and the tracker, pickled.
    """

    plugins: Sequence[str]
    rows: bytes
    shared: bytes

    @classmethod
    def of(cls, rows: Sequence[Row], runner: Runner, observer: Observer | None = None) -> "Task":
        """Pack rows; with an observer in place of the runner's, if one is given."""
        bare = [replace(row, method=replace(row.method, plugin=None)) for row in rows]
        shared = (runner.work, runner.store.root, observer or runner.observer, runner.tracker)
        return cls(loaded_plugins(), pickle.dumps(bare), pickle.dumps(shared))

    def unpack(self) -> tuple[list[Row], Runner]:
        """Restore the rows with their methods' classes, and a runner.

        Raises:
            TemperError: a method's source has changed since the row's key was made from it.
        """
        for plugin in self.plugins:
            load_plugin(plugin)
        bare = pickle.loads(self.rows)  # noqa: S301 - from the process that started this one
        work, root, observer, tracker = pickle.loads(self.shared)  # noqa: S301
        rows = []
        for row in bare:
            cls = method_class(row.method.name)
            if source_fingerprint(cls) != row.method.source:
                raise TemperError(
                    f"The source of {row.method.name} changed during the run. Run the same command again."
                )
            rows.append(replace(row, method=replace(row.method, plugin=cls)))
        return rows, Runner(work, Store(root), observer, tracker)
