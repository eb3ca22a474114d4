"""Compute the missing cells of rows, one row after the other or several in processes that share the store.

Other commands, also on other machines, may work on the same store. A row whose next cell another process is computing
is left for later, so two commands for the same rows share the work.
"""

import pickle
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from benchmark.execution.cells import Row, cells_of
from benchmark.execution.claims import ClaimedError
from benchmark.execution.method_registry import load_plugin, loaded_plugins, method_class
from benchmark.execution.method_source import source_fingerprint
from benchmark.execution.runner import Observer, Runner
from benchmark.execution.store import Store
from benchmark.execution.trackers import Tracker
from benchmark.execution.workload import Workload
from benchmark.schema.errors import TemperError
from benchmark.training.context import MethodError
from benchmark.worker_processes import end_workers, received, set_up_worker, start_worker, threads_per_worker

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


def compute_rows(rows: Sequence[Row], runner: Runner, jobs: int) -> Iterator[tuple[Row, Outcome]]:
    """Compute the missing cells of every row; yield each row when it is done.

    Args:
        rows: The rows; with one job they are computed in order.
        runner: Computes the cells. Another process gets a copy of its observer and its tracker.
        jobs: Rows at a time. If it is more than one, each row has a process with an equal share of torch's threads.

    Raises:
        TemperError: an error that stops all rows, or, after the other rows, the death of a row's process.
    """
    waiting, dead = deque(map(_Pending, rows)), list[str]()
    running: dict[Connection, tuple[SpawnProcess, _Pending]] = {}
    threads, noted = threads_per_worker(jobs), set[str]()

    def ended(pending: _Pending, outcome: Outcome) -> Iterator[tuple[Row, Outcome]]:
        if not outcome.claimed:
            earlier = pending.computed
            yield pending.row, replace(outcome, computed=outcome.computed + earlier, reused=outcome.reused - earlier)
            return
        waiting.append(_Pending(pending.row, pending.computed + outcome.computed, time.monotonic() + POLL_SECONDS))
        if outcome.claimed not in noted:
            noted.add(outcome.claimed)
            runner.observer.note(outcome.claimed)

    try:
        while waiting or running:
            pending = next((one for one in waiting if one.due <= time.monotonic()), None)
            if pending is not None and len(running) < jobs:
                waiting.remove(pending)
                if jobs == 1 or not _needs_work(pending.row, runner):
                    yield from ended(pending, compute_row(pending.row, runner))
                else:
                    receiver, process = start_worker(_work, threads, *_portable(pending.row, runner))
                    running[receiver] = (process, pending)
                continue
            if not running:
                time.sleep(POLL_SECONDS / 4)
                continue
            ready = wait(list(running), POLL_SECONDS / 4 if waiting else None)
            for receiver in [connection for connection in running if connection in ready]:
                message = received(receiver)
                process, pending = running.pop(receiver)
                process.join()
                if isinstance(message, TemperError):
                    raise message
                if isinstance(message, Outcome):
                    yield from ended(pending, message)
                else:
                    dead.append(f"{pending.row.label} (exit code {process.exitcode})")
                    runner.observer.note(f"{pending.row.label}: its process died with exit code {process.exitcode}.")
    finally:
        end_workers((receiver, process) for receiver, (process, _) in running.items())
    if dead:
        raise TemperError(
            f"The process of {', '.join(dead)} died; the other rows are done. Run the same command again to resume, "
            "with fewer --jobs if memory was short."
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


def _portable(row: Row, runner: Runner) -> tuple[list[str], bytes]:
    """Pickle what another process needs, without the method's class: a plugin or a composition has no import path."""
    bare = replace(row, method=replace(row.method, plugin=None))
    return loaded_plugins(), pickle.dumps((bare, runner.work, runner.store.root, runner.observer, runner.tracker))


def _work(sender: Connection, threads: int, plugins: Sequence[str], pickled: bytes) -> None:
    """Compute a row and send its outcome; the main function of a worker process."""
    set_up_worker(threads)
    try:
        for plugin in plugins:
            load_plugin(plugin)
        row, work, root, observer, tracker = _unpickled(pickled)
        sender.send(compute_row(row, Runner(work, Store(root), observer, tracker)))
    except TemperError as error:
        sender.send(error)


def _unpickled(pickled: bytes) -> tuple[Row, Workload, Path, Observer, Tracker | None]:
    """Restore the work, and the class of its method.

    Raises:
        TemperError: the method's source has changed since the row's key was made from it.
    """
    bare, work, root, observer, tracker = pickle.loads(pickled)  # noqa: S301 - from the process that started this one
    cls = method_class(bare.method.name)
    if source_fingerprint(cls) != bare.method.source:
        raise TemperError(f"The source of {bare.method.name} changed during the run. Run the same command again.")
    return replace(bare, method=replace(bare.method, plugin=cls)), work, root, observer, tracker
