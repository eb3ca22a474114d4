"""Executors: where rows are computed. One file per place, imported when it is used.

The text of an executor is its name and its settings: ``local``, ``local:jobs=2``, ``ray:address=10.0.0.1:6379,gpus=1``
or ``slurm:partition=gpu,time=120``.
"""

import importlib.util
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from pydantic import AllowInfNan

from benchmark.schema.base import Schema
from benchmark.schema.errors import UsageError, nearest

if TYPE_CHECKING:
    from benchmark.execution.row_outcomes import Executor
    from benchmark.execution.runner import Runner

AtLeastOne = Annotated[int, Ge(1)]
AtLeastZero = Annotated[float, Ge(0), AllowInfNan(False)]


@dataclass(frozen=True, kw_only=True)
class Place(ABC):
    """The settings of an executor."""

    @abstractmethod
    def executor(self, runner: "Runner", rows: int) -> "Executor":
        """Start the executor.

        Args:
            runner: Holds the suite's data, the store and the observer.
            rows: Number of rows that there are to compute.

        Raises:
            UsageError: a library is not installed, or the place cannot be reached.
        """

    @property
    def alone(self) -> bool:
        """Return whether one row is computed at a time and in this process, so that its progress can be shown live."""
        return False


@dataclass(frozen=True, kw_only=True)
class Local(Place):
    """Processes of this machine, with one GPU each where there are several.

    Attributes:
        jobs: Rows at a time. With one, no process is started.
    """

    jobs: AtLeastOne = 1

    def executor(self, runner: "Runner", rows: int) -> "Executor":
        """Start no more processes than there are rows."""
        from benchmark.execution.executors.processes import Processes
        from benchmark.execution.row_outcomes import InProcess

        jobs = min(self.jobs, rows)
        return Processes(runner, jobs) if jobs > 1 else InProcess(runner)

    @property
    def alone(self) -> bool:
        """Return whether there is one job."""
        return self.jobs == 1


@dataclass(frozen=True, kw_only=True)
class Ray(Place):
    """A Ray cluster.

    Attributes:
        address: Address of the cluster, such as ``10.0.0.1:6379`` or ``auto``. If it is empty, the variable
            ``RAY_ADDRESS`` holds it; if that is empty, too, a cluster of this machine is started.
        cpus: Processors per row, and threads of torch.
        gpus: GPUs per row; 0.5 lets two rows share one.
    """

    address: str = ""
    cpus: AtLeastOne = 1
    gpus: AtLeastZero = 0.0

    def executor(self, runner: "Runner", rows: int) -> "Executor":
        """Connect to the cluster when the first row is submitted."""
        _require("ray", "Ray", "ray")
        from benchmark.execution.executors.ray_tasks import RayTasks

        return RayTasks(runner, rows, self)


@dataclass(frozen=True, kw_only=True)
class Slurm(Place):
    """Jobs of Slurm, several rows in each.

    Attributes:
        partition: As in `sbatch`; Slurm's default if it is empty. So are `account`, `qos` and `constraint`.
        time: Minutes after which a job is ended and queued again.
        cpus: Processors per job, and threads of torch.
        gpus: GPUs per job.
        memory: GiB per job; 0 for Slurm's default.
        rows_per_job: Rows that a job computes one after the other; 0 for so many that it lasts ten minutes, as far as
            the store knows how long rows take, and else 4.
        jobs: Jobs that run at a time.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    time: AtLeastOne = 60
    cpus: AtLeastOne = 1
    gpus: Annotated[int, Ge(0)] = 0
    memory: AtLeastZero = 0.0
    rows_per_job: Annotated[int, Ge(0)] = 0
    jobs: AtLeastOne = 256

    def executor(self, runner: "Runner", rows: int) -> "Executor":
        """Check that jobs can be submitted from this machine."""
        _require("submitit", "submitit", "slurm")
        if shutil.which("sbatch") is None:
            raise UsageError(
                "There is no sbatch on the PATH. Run the command on a machine from which jobs are submitted."
            )
        from benchmark.execution.executors.slurm_jobs import SlurmJobs

        return SlurmJobs(runner, rows, self)


def _require(module: str, name: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{name} is not installed. Run: pip install -c constraints.txt -e '.[{extra}]'")


LOCAL = Local()
PLACES: dict[str, type[Place]] = {"local": Local, "ray": Ray, "slurm": Slurm}


def place_of_rows(executor: str, jobs: int) -> Place:
    """Return where to compute rows, from an executor's text and the number of jobs on this machine.

    Raises:
        UsageError: the text is invalid, or both are given.
    """
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; it must be at least 1.")
    if executor != "local" and jobs > 1:
        raise UsageError(f"--jobs is for this machine; leave it out with --executor {executor}.")
    return Local(jobs=jobs) if executor == "local" else parse_place(executor)


def parse_place(text: str) -> Place:
    """Read the text of an executor.

    Raises:
        UsageError: no such executor or setting, with the nearest one, or an invalid value.
    """
    name, _, rest = text.strip().partition(":")
    if name not in PLACES:
        raise UsageError(f"There is no executor {name!r}. {nearest(name, PLACES)}")
    kind, values = PLACES[name], dict[str, str]()
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not equals or key in values:
            raise UsageError(f"{text!r} is not an executor; write {name}:key=value,key=value, each key once.")
        values[key] = value
    known = [field.name for field in fields(kind)]
    if unknown := next((key for key in values if key not in known), None):
        raise UsageError(f"The executor {name} has no setting {unknown!r}. {nearest(unknown, known)}")
    place: Place
    place, problems = Schema(kind).read(values)
    if problems:
        raise UsageError(f"--executor {text}: {' '.join(map(str, problems))}")
    return place
