"""Compute several rows at a time in processes of this machine, each with a GPU of its own where there are several."""

import os
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from benchmark.execution.cells import Row
from benchmark.execution.packed_rows import PackedRows
from benchmark.execution.row_outcomes import Outcome, RowLostError, compute_row
from benchmark.execution.runner import Runner
from benchmark.schema.errors import TemperError
from benchmark.worker_processes import end_workers, received, set_up_worker, start_worker, threads_per_worker


class Processes:
    """One process per row. The processes share torch's threads equally, and the GPUs in turn.

    Attributes:
        slots: Number of processes.
    """

    helps = True

    def __init__(self, runner: Runner, jobs: int) -> None:
        self.slots = jobs
        self._runner = runner
        self._threads = threads_per_worker(jobs)
        self._devices = visible_devices()
        self._running: dict[Connection, tuple[SpawnProcess, int, str | None]] = {}

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Start a process per row."""
        for number, row in rows.items():
            used = [device for _, _, device in self._running.values()]
            device = min(self._devices, key=used.count, default=None)
            receiver, process = start_worker(_work, self._threads, device, PackedRows.of([row], self._runner))
            self._running[receiver] = process, number, device

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Wait for a process, and return what the ended ones sent."""
        outcomes: list[tuple[int, Outcome | Exception]] = []
        ready = wait(list(self._running), seconds)
        for receiver in [connection for connection in self._running if connection in ready]:
            message = received(receiver)
            process, number, _ = self._running.pop(receiver)
            process.join()
            if not isinstance(message, Outcome | TemperError):
                message = RowLostError(f"exit code {process.exitcode}")
            outcomes.append((number, message))
        return outcomes

    def leave(self) -> str:
        """Return nothing to say: the processes end with the command."""
        return ""

    def close(self) -> None:
        """End the processes."""
        end_workers((receiver, process) for receiver, (process, _, _) in self._running.items())


def visible_devices() -> list[str]:
    """Return the names of this process's GPUs in ``CUDA_VISIBLE_DEVICES``; empty if there are fewer than two."""
    import torch

    count = torch.cuda.device_count()
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (stated.split(",") if stated else [str(number) for number in range(count)])[:count] if count > 1 else []


def _work(sender: Connection, threads: int, device: str | None, packed: PackedRows) -> None:
    """Compute a row and send its outcome; the main function of a worker process."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    set_up_worker(threads)
    try:
        (row,), runner = packed.unpack()
        sender.send(compute_row(row, runner))
    except TemperError as error:
        sender.send(error)
