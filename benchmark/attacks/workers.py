"""Share the examples of an attack between processes; each sends its rows to this one, which writes the journal."""

import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, TypeAlias

from benchmark.attacks.job import Job
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError, UsageError

_Task: TypeAlias = tuple[bytes, list[Example], str]

_DONE = "done"


@dataclass(frozen=True)
class SavedVictim:
    """A `ModelVictim` saved for another process.

    Attributes:
        folder: Folder of the saved model.
        device: Device of the model.
        tokens_per_batch: Padded tokens in a batch.
    """

    folder: Path
    device: str
    tokens_per_batch: int


@dataclass(frozen=True)
class Workers:
    """A job run by several processes; its rows are those of one process.

    Attributes:
        job: The attack with its inputs.
        count: Number of processes, at least 1.
    """

    job: Job
    count: int

    def __call__(self, examples: Sequence[Example], identity: str) -> Generator[AttackRow, None, None]:
        """Yield the examples' rows, in the order in which the searches end.

        Raises:
            UsageError: the job cannot be sent to another process.
            TemperError: a process failed or died; the rows so far are complete.
        """
        shares = [list(examples[number :: self.count]) for number in range(self.count)]
        with tempfile.TemporaryDirectory(prefix="temper-victim-") as folder:
            job = _portable(self.job, Path(folder))
            with _started([(job, share, identity) for share in shares if share], _threads(self.count)) as running:
                yield from _received_rows(running)


def _portable(job: Job, folder: Path) -> bytes:
    """Pickle the job; a model is saved to a folder, because pickling would need another copy of it in memory."""
    victim: Any = job.victim
    if isinstance(victim, ModelVictim):
        victim.model.save(folder)
        victim = SavedVictim(folder, str(victim.model.device), victim.tokens_per_batch)
    try:
        return pickle.dumps(replace(job, victim=victim))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The attack cannot be sent to several workers ({error}). Use a ModelVictim or a module-level function as "
            "the victim and leave `parts` to the workers, or use one worker."
        ) from error


def _threads(count: int) -> int:
    import torch

    return max(1, torch.get_num_threads() // count)


@contextmanager
def _started(tasks: Sequence[_Task], threads: int) -> Iterator[dict[Connection, SpawnProcess]]:
    """Start a process per task; yield the processes by their pipes, and end all of them with the block."""
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, SpawnProcess] = {}
    try:
        for task in tasks:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(sender, threads, *task), daemon=True)
            with _interrupts_held():
                process.start()
            sender.close()
            running[receiver] = process
        yield running
    finally:
        with _interrupts_held():
            for receiver, process in running.items():
                process.terminate()
                process.join()
                receiver.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Block Ctrl-C until the end of the block.

    A process that is started in the block keeps it blocked. A terminal sends Ctrl-C to all processes, but only this
    one must handle it and end the others.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The tracker unblocks SIGINT when it starts, so start it before the block.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received_rows(running: dict[Connection, SpawnProcess]) -> Generator[AttackRow, None, None]:
    """Yield rows as they arrive until all processes are done or one fails; then yield the rows already sent."""
    active, failure = dict(running), None
    while active and failure is None:
        ready = wait(list(active))
        for receiver in [connection for connection in active if connection in ready]:
            message = _received(receiver)
            if isinstance(message, AttackRow):
                yield message
                continue
            process = active.pop(receiver)
            if isinstance(message, TemperError):
                failure = message
            elif message != _DONE:
                failure = _death(process)
    for receiver in active:
        while receiver.poll() and isinstance(row := _received(receiver), AttackRow):
            yield row
    if failure is not None:
        raise failure


def _received(receiver: Connection) -> object:
    """Return a process's next message; None if there will be no more."""
    try:
        return receiver.recv()
    except (EOFError, OSError, pickle.UnpicklingError):
        return None


def _death(process: SpawnProcess) -> TemperError:
    process.join()
    return TemperError(
        f"A worker of the attack died (exit code {process.exitcode}). Finished examples are kept. Run again, with "
        "fewer workers if memory was short."
    )


def _work(sender: Connection, threads: int, pickled: bytes, examples: list[Example], identity: str) -> None:
    """Attack a share of the examples and send the rows; the main function of a worker process."""
    import torch

    # Needed on systems where a process does not inherit the block of `_interrupts_held`.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        job = _loaded(pickle.loads(pickled))  # noqa: S301 - from the process that started this one
        for row in job(examples, identity):
            sender.send(row)
        sender.send(_DONE)
    except TemperError as error:
        sender.send(error)


def _loaded(job: Job) -> Job:
    from benchmark.models.prompt_classifier import load_classifier

    victim: Any = job.victim
    if isinstance(victim, SavedVictim):
        model = load_classifier(victim.folder).to(victim.device).eval()
        return replace(job, victim=ModelVictim(model, tokens_per_batch=victim.tokens_per_batch))
    return job


def _end_with_parent() -> None:
    """Exit when the parent process is gone; without it nobody would read the rows."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
