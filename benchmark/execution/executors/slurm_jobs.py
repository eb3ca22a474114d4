"""Compute rows in jobs of Slurm, which submitit submits; several rows per job.

The jobs and the command that submitted them share files in the store and nothing else:

<store>/slurm/outcomes/<row>.<job>.json   what a job says of a row, written when the row ends
<store>/slurm/outcomes/<row>.job          the job that was last submitted for a row
<store>/slurm/submitit/                   submitit's files: the jobs' arguments and logs

So the command can end and start again while its jobs run. Slurm is only asked which jobs exist.
A job that is preempted or reaches its time limit is queued again, and resumes from the store.
"""

import hashlib
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from benchmark.execution.cells import Row, train_spec
from benchmark.execution.packed_rows import PackedRows
from benchmark.execution.row_outcomes import POLL_SECONDS, Outcome, RowLostError, compute_alone
from benchmark.execution.runner import Runner
from benchmark.schema import fingerprint
from benchmark.schema.atomic_io import replace_file
from benchmark.schema.errors import TemperError, UsageError, counted, on_one_line

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from benchmark.execution.executors import Slurm

SUBMITIT = "submitit"
SQUEUE_SECONDS = 30.0
"""Shortest time between two calls of ``squeue``: every call costs the scheduler that all users share."""

GRACE_SECONDS = 60.0
"""Time for the files of a job that ended to become visible here; network disks lag."""

JOB_SECONDS = 600.0
"""Time that a job should last at least: shorter ones cost a scheduler more than they compute."""

UNKNOWN_ROWS_PER_JOB = 4
TIMEOUTS = 20
"""Times that a job is queued again after its time limit."""

SIGNAL_SECONDS = 120
"""Time before the limit at which a job is told."""


@dataclass
class _Awaited:
    """A row whose outcome is awaited.

    Attributes:
        row: The row's name in the folder of outcomes.
        job: The job, such as ``12`` or ``12_3``.
        missing_since: When `squeue` did not list the job for the first time, by the monotonic clock.
    """

    row: str
    job: str
    missing_since: float | None = None


class SlurmJobs:
    """Jobs of Slurm.

    Attributes:
        slots: Number of rows; the scheduler queues the jobs.
    """

    helps = False

    def __init__(self, runner: Runner, rows: int, settings: "Slurm") -> None:
        self.slots = max(rows, 1)
        self._runner, self._settings = runner, settings
        self._suite = runner.work.suite.full_name
        self._folder = runner.store.root.absolute() / "slurm"
        self._outcomes = self._folder / "outcomes"
        self._running: dict[int, _Awaited] = {}
        self._submitted: list[str] = []
        self._left = False
        self._asked = float("-inf")
        self._shared: Path | None = None

    def submit(self, rows: Mapping[int, Row]) -> None:
        """Submit jobs for the rows that no earlier job is going to compute.

        Raises:
            UsageError: Slurm refuses the jobs.
            TemperError: the disk is full.
        """
        with self._runner.store.guarded():
            self._outcomes.mkdir(parents=True, exist_ok=True)
            names = {number: self._name(row) for number, row in rows.items()}
            fresh = self._without_earlier(names)
            size = self._rows_per_job()
            chunks = [fresh[start : start + size] for start in range(0, len(fresh), size)]
            if not chunks:
                return
            jobs = self._start([([rows[n] for n in chunk], [names[n] for n in chunk]) for chunk in chunks])
            for job, chunk in zip(jobs, chunks, strict=True):
                for number in chunk:
                    replace_file(self._outcomes / f"{names[number]}.job", job.encode())
                    self._running[number] = _Awaited(names[number], job)
        self._submitted += jobs
        self._note(f"{counted(len(fresh), 'row')} in {counted(len(jobs), 'Slurm job')} ({_ids(jobs)}).")
        self._note(f"The jobs' logs are in {self._folder / SUBMITIT}.")

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        """Wait for the outcome of a row, and return those that are there."""
        end = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            # Listing the folder makes a network disk look again.
            files = {path.name: path for path in self._outcomes.iterdir()}
            results: list[tuple[int, Outcome | Exception]] = []
            for number, awaited in list(self._running.items()):
                file = files.get(_file(awaited.row, awaited.job))
                result: Outcome | Exception | None = None if file is None else _read_result(file)
                if result is None and self._is_lost(awaited):
                    self._require_room()
                    log = self._folder / SUBMITIT / f"{awaited.job}_0_log.err"
                    result = RowLostError(f"Slurm job {awaited.job} ended without a result; see {log}")
                if result is not None:
                    del self._running[number]
                    results.append((number, result))
            left = end - time.monotonic()
            if results or left <= 0:
                return results
            self._look_for_missing()
            time.sleep(min(POLL_SECONDS / 4, left))

    def leave(self) -> str:
        """Let the jobs continue, and say how to cancel them."""
        self._left = True
        jobs = _ids(awaited.job for awaited in self._running.values())
        return f"The Slurm jobs continue. Rerun this command to wait; `scancel {jobs}` cancels them." if jobs else ""

    def close(self) -> None:
        """Cancel the jobs that were submitted here, unless the command leaves them."""
        running = {awaited.job for awaited in self._running.values()}
        own = [job for job in self._submitted if job in running]
        if own and not self._left:
            subprocess.run(["scancel", *_ids(own).split()], check=False, capture_output=True)

    def _note(self, sentence: str) -> None:
        self._runner.observer.note(sentence)

    def _name(self, row: Row) -> str:
        """Name a row in the folder of outcomes by what decides its cells."""
        suite = self._runner.work.suite
        return fingerprint([suite.name, suite.version, row.label, train_spec(row, self._runner.work)])[7:39]

    def _without_earlier(self, names: Mapping[int, str]) -> list[int]:
        """Await the rows that a job of another command still computes, and return the others."""
        earlier = {number: _read(self._outcomes / f"{name}.job") for number, name in names.items()}
        unfinished = {n: j for n, j in earlier.items() if j and not (self._outcomes / _file(names[n], j)).is_file()}
        alive = (_listed_jobs() or set()) if unfinished else set()
        known = {number: job for number, job in unfinished.items() if job in alive}
        self._running |= {number: _Awaited(names[number], job) for number, job in known.items()}
        if known:
            self._note(f"{counted(len(known), 'row')} in Slurm jobs of an earlier command ({_ids(known.values())}).")
        return [number for number in names if number not in known]

    def _rows_per_job(self) -> int:
        """Return the setting, or the number of rows that take ten minutes by what earlier rows of the suite took."""
        if self._settings.rows_per_job:
            return self._settings.rows_per_job
        outcomes = [_read_json(path) for path in self._outcomes.glob("*.json")]
        seconds: list[float] = [
            one["seconds"] for one in outcomes if one.get("suite") == self._suite and one.get("computed")
        ]
        if not seconds:
            return UNKNOWN_ROWS_PER_JOB
        typical = max(statistics.median(seconds), 1.0)
        longest = max(1, int(0.8 * self._settings.time * 60 / typical))
        return min(math.ceil(JOB_SECONDS / typical), longest)

    def _start(self, chunks: Sequence[tuple[list[Row], list[str]]]) -> list[str]:
        """Submit a job array, and return the jobs' ids."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        settings = self._settings
        executor = SlurmExecutor(self._folder / SUBMITIT, max_num_timeout=TIMEOUTS)
        memory = f"{settings.memory * 1024:.0f}MB" if settings.memory else ""
        named = {"partition": settings.partition, "account": settings.account, "qos": settings.qos}
        named |= {"constraint": settings.constraint, "mem": memory}
        executor.update_parameters(
            job_name="temper",
            time=settings.time,
            cpus_per_task=settings.cpus,
            # Since Slurm 22.05, a step does not inherit this from its job.
            srun_args=[f"--cpus-per-task={settings.cpus}"],
            array_parallelism=settings.jobs,
            signal_delay_s=min(SIGNAL_SECONDS, settings.time * 15),
            additional_parameters={"requeue": True},
            **({"gpus_per_node": settings.gpus} if settings.gpus else {}),
            **{name: value for name, value in named.items() if value},
        )
        jobs = [self._job(rows, names) for rows, names in chunks]
        try:
            return [job.job_id for job in executor.submit_array(jobs)]
        except (FailedJobError, FailedSubmissionError, subprocess.SubprocessError, RuntimeError) as error:
            raise UsageError(f"Slurm refused the jobs: {on_one_line(error)}") from error

    def _job(self, rows: list[Row], names: list[str]) -> "JobRows":
        if self._shared is None:
            shared = PackedRows.of([], self._runner).shared
            self._shared = self._folder / f"{hashlib.sha256(shared).hexdigest()[:32]}.shared"
            if not self._shared.is_file():
                replace_file(self._shared, shared)
        packed = PackedRows.of(rows, self._runner, shared=b"")
        return JobRows(packed, self._shared, self._outcomes, names, self._suite, self._settings.cpus)

    def _look_for_missing(self) -> None:
        """Ask Slurm, at most every `SQUEUE_SECONDS`, which jobs exist."""
        now = time.monotonic()
        if now - self._asked < SQUEUE_SECONDS:
            return
        self._asked = now
        listed = _listed_jobs()
        if listed is None:
            return
        for awaited in self._running.values():
            if awaited.job in listed:
                awaited.missing_since = None
            elif awaited.missing_since is None:
                awaited.missing_since = now

    def _require_room(self) -> None:
        """Raise the error of a full disk: a job that meets one can write down neither its result nor its log."""
        probe = self._outcomes / f".{os.getpid()}.probe"
        with self._runner.store.guarded():
            probe.unlink(missing_ok=True)
            try:
                replace_file(probe, b"probe")
            finally:
                probe.unlink(missing_ok=True)

    def _is_lost(self, awaited: _Awaited) -> bool:
        return awaited.missing_since is not None and time.monotonic() - awaited.missing_since >= GRACE_SECONDS


@dataclass(frozen=True)
class JobRows:
    """The rows that a job computes; submitit calls it there.

    Attributes:
        packed: The rows, without the shared part.
        shared: File of the shared part.
        outcomes: Folder of the outcomes.
        names: The rows' names in it.
        suite: Name and version of the suite.
        threads: Threads of torch.
    """

    packed: PackedRows
    shared: Path
    outcomes: Path
    names: Sequence[str]
    suite: str
    threads: int

    def __call__(self) -> None:
        """Compute the rows one after the other, and write down the outcome of each."""
        import torch
        from submitit import JobEnvironment

        _end_at_requeue()
        torch.set_num_threads(self.threads)
        job = JobEnvironment().job_id
        packed = replace(self.packed, shared=self.shared.read_bytes())
        try:
            rows, runner = packed.unpack()
        except TemperError as error:
            for name in self.names:
                self._write(name, job, error, 0.0)
            return
        for name, row in zip(self.names, rows, strict=True):
            # A job that was queued again may have finished some rows before.
            if not (self.outcomes / _file(name, job)).is_file():
                started = time.monotonic()
                self._write(name, job, compute_alone(row, runner), time.monotonic() - started)

    def checkpoint(self) -> "DelayedSubmission":
        """Return what the job does when it runs again: the same, as the store holds what is done."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _write(self, name: str, job: str, result: Outcome | TemperError, seconds: float) -> None:
        plain: dict[str, Any] = {"suite": self.suite, "host": platform.node(), "seconds": round(seconds, 1)}
        plain |= asdict(result) if isinstance(result, Outcome) else {"error": str(result)}
        replace_file(self.outcomes / _file(name, job), (json.dumps(plain, sort_keys=True) + "\n").encode())


def _end_at_requeue() -> None:
    """End the process at once where submitit, after it has queued the job again, raises an exception.

    The signal comes in the middle of a method's code, whose exceptions are errors of the method.
    """
    number = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
    handler = signal.getsignal(number)

    def handle(signum: int, frame: FrameType | None) -> None:
        try:
            if callable(handler):
                handler(signum, frame)
        finally:
            os._exit(1)

    signal.signal(number, handle)


def _listed_jobs() -> set[str] | None:
    """Return the ids of this user's jobs that wait or run; None if Slurm does not answer."""
    command = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SQUEUE_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(answer.stdout.split())


def _ids(jobs: Iterable[str]) -> str:
    """Return the arguments of `scancel` for some jobs; the jobs of an array have one."""
    return " ".join(dict.fromkeys(job.partition("_")[0] for job in jobs))


def _file(name: str, job: str) -> str:
    return f"{name}.{job}.json"


def _read_result(path: Path) -> Outcome | TemperError | None:
    plain = _read_json(path)
    if "error" in plain:
        return TemperError(plain["error"])
    known = [field.name for field in fields(Outcome)]
    return Outcome(**{name: plain[name] for name in known}) if plain else None


def _read_json(path: Path) -> dict[str, Any]:
    """Read an object; empty if the file cannot be read yet."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
