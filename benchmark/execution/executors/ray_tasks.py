"""Compute rows on a Ray cluster, one task per row.

A task gets keys and arguments, never weights: artifacts travel through the store on a disk that all nodes share. If a
worker or a node dies, Ray starts its task again elsewhere, and that resumes from the store.
"""

import os
import socket
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.execution.cells import Row
from benchmark.execution.packed_rows import PackedRows
from benchmark.execution.row_outcomes import Outcome, RowLostError, compute_alone
from benchmark.execution.runner import Runner
from benchmark.schema.errors import TemperError, UsageError, on_one_line

if TYPE_CHECKING:
    from benchmark.execution.executors import Ray

RETRIES = 3
"""Times that Ray starts a task again whose worker or node died. An error of a row is never tried again."""

CANCEL_SECONDS = 10.0
CONNECT_SECONDS = 5.0
INHERITED = (
    "HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY",
    "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "TRANSFORMERS_VERBOSITY",
)  # fmt: skip
"""Environment variables that workers get from this process, next to those that begin with ``TEMPER_``."""


class RayTasks:
    """Tasks of Ray. The cluster queues those for which it has no room.

    Attributes:
        slots: Number of rows.
    """

    helps = True

    def __init__(self, runner: Runner, rows: int, settings: "Ray") -> None:
        self.slots = max(rows, 1)
        self._runner, self._settings = runner, settings
        self._running: dict[Any, int] = {}
        self._shared: Any = None
        self._connected_here = False

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Start a task per row.

        Raises:
            UsageError: the cluster cannot be reached, or none of this machine can be started.
        """
        import ray

        if self._shared is None:
            self._connect()
            self._shared = ray.put(PackedRows.of([], self._runner).shared)
        cpus, gpus = self._settings.cpus, self._settings.gpus
        compute = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=False)(_compute)
        for number, row in rows.items():
            packed = PackedRows.of([row], self._runner, shared=b"")
            self._running[compute.options(name=row.label).remote(packed, self._shared, cpus, gpus > 0)] = number

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Wait for a task, and return what the ended ones returned."""
        import ray

        ready, waiting = ray.wait(list(self._running), timeout=seconds)
        if ready and waiting:
            ready += ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        return [(self._running.pop(reference), _result(reference)) for reference in ready]

    def leave(self) -> str:
        """Say that the tasks end with the command."""
        return "The tasks of Ray are cancelled."

    def close(self) -> None:
        """Cancel the tasks, and leave the cluster; end it if it was started here."""
        if self._shared is None:
            return
        import ray

        for reference in self._running:
            ray.cancel(reference, force=True)
        if self._running:
            ray.wait(list(self._running), num_returns=len(self._running), timeout=CANCEL_SECONDS)
        if self._connected_here:
            ray.shutdown()

    def _connect(self) -> None:
        import ray

        if not ray.is_initialized():
            # Without "local", Ray would join any cluster that it finds on this machine, also another user's.
            address = self._settings.address or os.environ.get("RAY_ADDRESS") or "local"
            _require_reachable(address)
            variables = {n: v for n, v in os.environ.items() if n.startswith("TEMPER_") or n in INHERITED}
            options: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "logging_level": "WARNING"}
            if address == "local":
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                options["include_dashboard"] = False
            try:
                ray.init(address=address, **options)
            except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
                raise UsageError(f"The Ray cluster {address} cannot be used: {on_one_line(error)}") from error
            except Exception as error:
                # Ray has no class of its own for a node that does not start in time, as on a busy machine.
                raise TemperError(
                    f"Ray did not start ({on_one_line(error)}). Run the same command again, or leave --executor out."
                ) from error
            self._connected_here = True
        self._check_resources(local=address == "local" if self._connected_here else False)

    def _check_resources(self, *, local: bool) -> None:
        """Check that a node has room for a row; a cluster elsewhere may still get one."""
        import ray

        cpus, gpus = self._settings.cpus, self._settings.gpus
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            return
        sentence = f"No node of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs for a row"
        if local:
            ray.shutdown()
            raise UsageError(f"{sentence}; lower cpus or gpus.")
        self._runner.observer.note(f"{sentence}. Rows wait until one joins.")


def _require_reachable(address: str) -> None:
    """Refuse an address at which nobody listens; Ray itself would wait for a minute and print a traceback."""
    if "://" in address:
        raise UsageError(
            f"The Ray address {address} is one of Ray Client. Run the command on a node of the cluster, with the "
            "address of its head, such as 10.0.0.1:6379."
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        if address not in ("auto", "local"):
            raise UsageError(
                f"The Ray address {address} has no port. Write HOST:PORT, such as {address}:6379, or auto."
            )
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            f"The Ray cluster {address} cannot be reached ({error}). Check the address, or leave it out to use this "
            "machine."
        ) from error


def _result(reference: Any) -> Outcome | Exception:
    import ray

    try:
        result: Outcome | TemperError = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return RowLostError(on_one_line(error.cause if isinstance(error.cause, Exception) else error))
    except ray.exceptions.RayError as error:
        return RowLostError(on_one_line(error))
    return result


def _compute(packed: PackedRows, shared: bytes, threads: int, on_gpu: bool) -> Outcome | TemperError:
    """Compute a row in a worker of Ray."""
    import torch

    if not on_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(threads)
    try:
        (row,), runner = replace(packed, shared=shared).unpack()
    except TemperError as error:
        return error
    try:
        return compute_alone(row, runner)
    except Exception:
        # Ray shows what workers print, but not where an error of theirs comes from.
        traceback.print_exc()
        raise
