"""Start worker processes, receive their messages, and end them; Ctrl-C reaches only the process that started them."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

CONTEXT = multiprocessing.get_context("spawn")


def start_worker(target: Callable[..., None], *arguments: object) -> tuple[Connection, SpawnProcess]:
    """Start a process whose function gets the sending end of a pipe and then the arguments; return the other end."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(sender, *arguments), daemon=True)
    with _interrupts_held():
        process.start()
    sender.close()
    return receiver, process


def set_up_worker(threads: int) -> None:
    """Set the threads of torch, ignore Ctrl-C, and exit with the parent process. Call it first in a worker."""
    import torch

    # Needed on systems where a process does not inherit the block of `_interrupts_held`.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def threads_per_worker(workers: int) -> int:
    """Return each worker's share of torch's threads, at least 1."""
    import torch

    return max(1, torch.get_num_threads() // workers)


def received(receiver: Connection) -> object:
    """Return a process's next message; None if there will be no more."""
    try:
        return receiver.recv()
    except (EOFError, OSError, pickle.UnpicklingError):
        return None


def end_workers(running: Iterable[tuple[Connection, SpawnProcess]]) -> None:
    """End the processes and wait until they are gone."""
    with _interrupts_held():
        for receiver, process in running:
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


def _end_with_parent() -> None:
    """Exit when the parent process is gone; without it nobody would read the messages."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
