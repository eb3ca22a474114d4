"""Share the examples of an attack between processes; each sends its rows to this one, which writes the journal."""

import pickle
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, TypeAlias

from benchmark.attacks.job import Job
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError, UsageError
from benchmark.worker_processes import end_workers, received, set_up_worker, start_worker, threads_per_worker

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
            with _started(
                [(job, share, identity) for share in shares if share], threads_per_worker(self.count)
            ) as running:
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


@contextmanager
def _started(tasks: Sequence[_Task], threads: int) -> Iterator[dict[Connection, SpawnProcess]]:
    """Start a process per task; yield the processes by their pipes, and end all of them with the block."""
    running: dict[Connection, SpawnProcess] = {}
    try:
        for task in tasks:
            receiver, process = start_worker(_work, threads, *task)
            running[receiver] = process
        yield running
    finally:
        end_workers(running.items())


def _received_rows(running: dict[Connection, SpawnProcess]) -> Generator[AttackRow, None, None]:
    """Yield rows as they arrive until all processes are done or one fails; then yield the rows already sent."""
    active, failure = dict(running), None
    while active and failure is None:
        ready = wait(list(active))
        for receiver in [connection for connection in active if connection in ready]:
            message = received(receiver)
            if isinstance(message, AttackRow):
                yield message
                continue
            process = active.pop(receiver)
            if isinstance(message, TemperError):
                failure = message
            elif message != _DONE:
                failure = _death(process)
    for receiver in active:
        while receiver.poll() and isinstance(row := received(receiver), AttackRow):
            yield row
    if failure is not None:
        raise failure


def _death(process: SpawnProcess) -> TemperError:
    process.join()
    return TemperError(
        f"A worker of the attack died (exit code {process.exitcode}). Finished examples are kept. Run again, with "
        "fewer workers if memory was short."
    )


def _work(sender: Connection, threads: int, pickled: bytes, examples: list[Example], identity: str) -> None:
    """Attack a share of the examples and send the rows; the main function of a worker process."""
    set_up_worker(threads)
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
