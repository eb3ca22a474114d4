"""Compute the missing cells of rows, one row after the other or several in processes that share the store.

Other commands, also on other machines, may work on the same store. A row whose next cell another process is computing
is left for later, so two commands for the same rows share the work.
"""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from benchmark.execution.attack_parts import owners
from benchmark.execution.cells import Cell, Row, cells_of, find_cell
from benchmark.execution.claims import ClaimedError, claimed_error
from benchmark.execution.runner import Observer, Runner
from benchmark.execution.store import Store
from benchmark.schema.errors import TemperError
from benchmark.training.context import MethodError

POLL_SECONDS = 4.0
"""Time after which a row that waits for another process is looked at again."""

UNSEEN = 5
"""Times that a row is started again whose cells cannot be found where the command runs."""


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
        helps: Whether it may be given a row once more, to share its attacks.
    """

    slots: int
    helps: bool

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Start rows, each with a number that stands for it."""

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Return the numbers of rows that ended since the last call, with their outcome or what stopped them.

        Args:
            seconds: Time to wait for the first one; None to wait as long as it takes.
        """

    def leave(self) -> str:
        """Prepare `close` for the end of a command that was interrupted.

        Returns:
            A sentence on what becomes of the running rows, where they need not end with the command; else empty.
        """

    def close(self) -> None:
        """Stop what is running."""


class InProcess:
    """Compute one row at a time in this process."""

    slots = 1
    helps = False

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

    def leave(self) -> str:
        """Return nothing to say."""
        return ""

    def close(self) -> None:
        """Do nothing."""


def compute_rows(rows: Sequence[Row], runner: Runner, executor: Executor) -> Generator[tuple[Row, Outcome], None, None]:
    """Compute the missing cells of every row; yield each row when it is done.

    Args:
        rows: The rows, in the order in which they are started.
        runner: Holds the suite's data, the store and the observer.
        executor: Computes the rows. It is closed at the end.

    Raises:
        TemperError: an error that stops all rows, or, after the other rows, the death of a row's process.
    """
    is_here = isinstance(executor, InProcess)
    waiting, noted, lost = deque(_Pending(row) for row in rows), set[str](), list[str]()
    running, helped = dict[int, _Pending](), Counter[int]()

    def ended(pending: _Pending, result: Outcome | Exception) -> Iterator[tuple[Row, Outcome]]:
        earlier = pending.computed + helped.pop(id(pending.row), 0)
        if pending.helps and isinstance(result, Outcome | RowLostError):
            # Whatever became of the helper, the row's own process continues or reports why not.
            helped[id(pending.row)] = earlier + (result.computed if isinstance(result, Outcome) else 0)
        elif isinstance(result, RowLostError):
            lost.append(f"{pending.row.label} ({result})")
            runner.observer.note(f"{pending.row.label}: its process died ({result}).")
        elif not isinstance(result, Outcome):
            raise result
        elif not (result.claimed or result.failure or is_here or _is_done(pending.row, runner)):
            # A network disk may show what another machine has written some seconds later.
            if pending.unseen == UNSEEN:
                raise TemperError(
                    f"{pending.row.label} was computed elsewhere, but {runner.store.root} does not hold it. "
                    "The folder of --out must be on a disk that all machines share."
                )
            waiting.append(pending.again(earlier + result.computed, unseen=pending.unseen + 1))
        elif not result.claimed:
            yield (
                pending.row,
                replace(result, computed=result.computed + earlier, reused=max(result.reused - earlier, 0)),
            )
        else:
            waiting.append(pending.again(earlier + result.computed))
            if result.claimed not in noted:
                noted.add(result.claimed)
                runner.observer.note(result.claimed)

    try:
        while waiting or any(not pending.helps for pending in running.values()):
            due = [pending for pending in waiting if pending.due <= time.monotonic()]
            taken, started = due[: executor.slots - len(running)], dict[int, _Pending]()
            for pending in taken:
                waiting.remove(pending)
                outcome = None if is_here else _settled(pending.row, runner)
                if outcome is None:
                    started[id(pending)] = pending
                else:
                    yield from ended(pending, outcome)
            if executor.helps and not due and len(running) + len(started) < executor.slots:
                started |= {id(helper): helper for helper in _helpers(list(running.values()), runner)}
            if started:
                running |= started
                executor.submit({number: pending.row for number, pending in started.items()})
            # A row that is settled leaves its place to another at once.
            for number, result in _results(executor, running, waits=bool(waiting), at_once=len(started) < len(taken)):
                yield from ended(running.pop(number), result)
    except (KeyboardInterrupt, GeneratorExit):
        if running and (sentence := executor.leave()):
            runner.observer.note(sentence)
        raise
    finally:
        executor.close()
    if lost:
        raise TemperError(
            f"The process of {', '.join(lost)} died; the other rows are done. Run the same command again to resume, "
            "with fewer rows at a time if memory was short."
        )


def _results(
    executor: Executor, running: Mapping[int, object], *, waits: bool, at_once: bool
) -> Sequence[tuple[int, Outcome | Exception]]:
    """Wait for a running row, but no longer than until another may start, which is now if `at_once`."""
    seconds = POLL_SECONDS / 4 if waits else POLL_SECONDS if executor.helps and len(running) < executor.slots else None
    if running:
        return executor.finished(0.0 if at_once else seconds)
    if waits and not at_once:
        time.sleep(POLL_SECONDS / 4)
    return ()


def forget_failures(rows: Sequence[Row], runner: Runner) -> None:
    """Let a command try again what failed in an earlier one; call it once, before `compute_rows`."""
    for row in (row for row in rows if not row.failure):
        with contextlib.suppress(MethodError):  # the row fails later with its reason
            for cell in cells_of(row, runner.work, runner.store):
                if cell.key is not None:
                    runner.store.forget_failure(cell.kind, cell.key)


@dataclass(eq=False)
class _Pending:
    """A row that is to be started.

    Attributes:
        row: The row.
        computed: Number of its cells that were computed before it had to wait for another process.
        due: When to start it, by the monotonic clock.
        unseen: How often another machine has said that it is done while this one did not find its cells.
        helps: Whether it is started next to the row's own process, to share its attacks.
    """

    row: Row
    computed: int = 0
    due: float = 0.0
    unseen: int = 0
    helps: bool = False

    def again(self, computed: int, *, unseen: int = 0) -> "_Pending":
        """Return the row to be started again after a while."""
        return _Pending(self.row, computed, time.monotonic() + POLL_SECONDS, unseen)


def _helpers(running: Sequence[_Pending], runner: Runner) -> Iterator[_Pending]:
    """Yield a helper for the first row that has none, and an attack or a part of one that no process has."""
    helped = {id(pending.row) for pending in running if pending.helps}
    for pending in running:
        if id(pending.row) not in helped and not pending.row.failure and _has_free_attack(pending.row, runner):
            yield _Pending(pending.row, helps=True)
            return


def _has_free_attack(row: Row, runner: Runner) -> bool:
    store = runner.store
    store.refresh()
    try:
        attacks = [cell for cell in cells_of(row, runner.work, store) if cell.kind == "attack" and cell.key is not None]
    except MethodError:  # its own process reports it
        return False
    owned = [o for cell in attacks if find_cell(store, cell) is None for o in owners(cell, store)]
    return any(owned) and None in owned


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
            cells, missing = _listed(row, runner)
        except MethodError as error:
            return Outcome(done, failure=f"{row.label}: {error}")
        if not missing:
            if done and runner.tracker is not None:
                runner.track_scores(cells)
            return Outcome(done, len(cells) - done)
        claimed = ""
        for cell in (cell for cell in missing if cell.key is not None):
            # Rows may share a cell, such as a training that two soups average.
            if reason := runner.store.failure(cell.kind, cell.key or ""):
                return Outcome(done, failure=f"{cell.label}: {reason}")
            try:
                done += runner.run(cell)
            except ClaimedError as error:
                claimed = claimed or str(error)
                continue
            except MethodError as error:
                runner.store.note_failure(cell.kind, cell.key or "", str(error))
                return Outcome(done, failure=f"{cell.label}: {error}")
            break
        else:
            if claimed:
                return Outcome(done, claimed=claimed)


def _listed(row: Row, runner: Runner) -> tuple[list[Cell], list[Cell]]:
    """List a row's cells, and those that are missing.

    A missing cell has no key if one that it reads was missing when it was listed; another process may have added it.

    Raises:
        MethodError: the method fails where its cells are listed.
    """
    cells = list(cells_of(row, runner.work, runner.store))
    missing = [cell for cell in cells if find_cell(runner.store, cell) is None]
    report_notes(runner.store, runner.observer)
    return cells, missing


def report_notes(store: Store, observer: Observer) -> None:
    """Report the store's notes and forget them."""
    while store.notes:
        observer.note(store.notes.pop(0))


def _settled(row: Row, runner: Runner) -> Outcome | None:
    """Return the outcome of a row that needs no process now, without computing anything; None if one has to start.

    A row is settled if it has failed, if it is done, or if other processes are computing all that is left.
    """
    if row.failure:
        return Outcome(failure=row.failure)
    runner.store.refresh()
    try:
        cells, missing = _listed(row, runner)
    except MethodError as error:
        return Outcome(failure=f"{row.label}: {error}")
    if not missing:
        return Outcome(reused=len(cells))
    owned = [(cell, owner) for cell in missing if cell.key is not None for owner in owners(cell, runner.store)]
    if not owned or any(owner is None for _, owner in owned):
        return None
    cell, owner = owned[0]
    return Outcome(claimed=str(claimed_error(cell.label, owner)))


def _is_done(row: Row, runner: Runner) -> bool:
    outcome = _settled(row, runner)
    return outcome is not None and not outcome.claimed


def compute_alone(row: Row, runner: Runner) -> Outcome | TemperError:
    """Compute a row in this process, and wait for the cells of it that others are computing.

    Returns:
        The outcome, or the error that stops all rows.
    """
    try:
        ((_, outcome),) = compute_rows([row], runner, InProcess(runner))
    except TemperError as error:
        return error
    return outcome
