"""Several processes that share the examples of an attack. Each sends its rows to this one, which keeps the journal."""

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
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmark.data import Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError, UsageError

if TYPE_CHECKING:
    from benchmark.attacks.run import Job

_Task: TypeAlias = tuple[bytes, list[Example], str]

_DONE = "done"


@dataclass(frozen=True)
class SavedVictim:
    """A `ModelVictim` on its way to another process.

    Attributes:
        folder: Holds its model.
        device: Where the model was.
        tokens_per_batch: Padded tokens in a batch.
    """

    folder: Path
    device: str
    tokens_per_batch: int


@dataclass(frozen=True)
class Workers:
    """A job done by several processes; the rows are those of one.

    Attributes:
        job: What is done.
        count: Number of processes, at least 1.
    """

    job: "Job"
    count: int

    def __call__(self, examples: Sequence[Example], identity: str) -> Generator[AttackRow, None, None]:
        """Rows of the examples, in the order in which the searches end.

        Raises:
            UsageError: the job cannot be given to another process.
            TemperError: a process failed or died; the rows given so far are complete.
        """
        shares = [list(examples[number :: self.count]) for number in range(self.count)]
        with tempfile.TemporaryDirectory(prefix="temper-victim-") as folder:
            job = _portable(self.job, Path(folder))
            with _started([(job, share, identity) for share in shares if share], _threads(self.count)) as running:
                yield from _gathered(running)


def _portable(job: "Job", folder: Path) -> bytes:
    """The job in bytes; a model goes through a folder, since a copy of it in memory would be one too many."""
    from benchmark.attacks.victim import ModelVictim

    victim: Any = job.victim
    if isinstance(victim, ModelVictim):
        victim.model.save(folder)
        victim = SavedVictim(folder, str(victim.model.device), victim.tokens_per_batch)
    try:
        return pickle.dumps(replace(job, victim=victim))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The attack cannot be given to several workers ({error}): its victim must be a ModelVictim or a function "
            "of a module, and its parts are best left to the workers to load; correct that, or use one worker."
        ) from error


def _threads(count: int) -> int:
    import torch

    return max(1, torch.get_num_threads() // count)


@contextmanager
def _started(tasks: Sequence[_Task], threads: int) -> Iterator[dict[Connection, SpawnProcess]]:
    """Processes by the pipes that their rows come through; none of them outlives the block."""
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
    """Hold a Ctrl-C back until the end of the block.

    A process that is started in the block never notices one, although a terminal sends it to all; this process ends
    the others.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It lifts the block when it starts, so it starts before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _gathered(running: dict[Connection, SpawnProcess]) -> Generator[AttackRow, None, None]:
    """Rows as they come, until every process is done or one fails; then what the others have sent is still taken."""
    active, failure = dict(running), None
    while active and failure is None:
        ready = wait(list(active))
        for receiver in [one for one in active if one in ready]:
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
    """What a process says next; None when it will say nothing more."""
    try:
        return receiver.recv()
    except (EOFError, OSError, pickle.UnpicklingError):
        return None


def _death(process: SpawnProcess) -> TemperError:
    process.join()
    return TemperError(
        f"A worker of the attack died (exit code {process.exitcode}); all examples that were finished are kept, so run "
        "again, with fewer workers if memory was short."
    )


def _work(sender: Connection, threads: int, pickled: bytes, examples: list[Example], identity: str) -> None:
    """What a process does: attack its share and send the rows."""
    import torch

    # Where a process does not inherit the block of `_interrupts_held`.
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


def _loaded(job: "Job") -> "Job":
    from benchmark.attacks.victim import ModelVictim
    from benchmark.models.classifier import Classifier

    victim: Any = job.victim
    if isinstance(victim, SavedVictim):
        model = Classifier.load(victim.folder).to(victim.device).eval()
        return replace(job, victim=ModelVictim(model, tokens_per_batch=victim.tokens_per_batch))
    return job


def _end_with_parent() -> None:
    """A process whose parent was killed would search on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
