"""The plan of a reproduction as text: what is done, what is left, and what that costs on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import console as progress
from benchmark.execution.store import Store
from benchmark.reproduction.effort import Effort, effort, relative_cost
from benchmark.reproduction.planning import Job

_LEFT = ("Row", "Suite")
_RIGHT = ("Seeds", "Cells done", "To do", "Step over vanilla's", "Time")


@dataclass(frozen=True)
class _Line:
    """One row of the paper's table on one suite."""

    job: Job
    label: str
    effort: Effort | None


def show_plan(jobs: Sequence[Job], store: Store, console: Console) -> int:
    """Print what is done, what is left and what it costs; a few steps are timed where training is left.

    Returns:
        The number of cells that are left.
    """
    lines = [_line(job, label, store) for job in jobs for label in job.methods]
    seconds = {id(line.job): 0.0 for line in lines}
    for line in lines:
        if line.effort is not None and line.effort.passes and not seconds[id(line.job)]:
            seconds[id(line.job)] = _timed(line.job)
    table = Table(box=None, pad_edge=False)
    for heading in (*_LEFT, *_RIGHT):
        table.add_column(heading, justify="left" if heading in _LEFT else "right", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, _cells(line, seconds[id(line.job)])))
    console.print(table)
    for sentence in _sentences(jobs, lines, seconds):
        console.print(Text(sentence))
    return sum(line.effort.todo for line in lines if line.effort is not None)


def _line(job: Job, label: str, store: Store) -> _Line:
    return _Line(job, label, None if job.work is None else effort(job.rows(label), job.work, store))


def _timed(job: Job) -> float:
    """Seconds of a pass."""
    from benchmark.reproduction.timing import seconds_a_pass

    if job.work is None or job.backbone is None:
        return 0.0
    with progress.status(f"Timing a few steps on {job.suite.name}"):
        return seconds_a_pass(job.work, job.backbone)


def _cells(line: _Line, second: float) -> tuple[str, ...]:
    cost = relative_cost(line.job.methods[line.label].cls.name)
    step = "-" if cost is None else f"{cost[0]:.2f}"
    if line.effort is None:
        return line.label, line.job.suite.name, str(line.job.seeds), "-", "-", step, "-"
    taken = timedelta(seconds=round(line.effort.passes * second))
    done, todo = str(line.effort.done), str(line.effort.todo)
    return line.label, line.job.suite.name, str(line.job.seeds), done, todo, step, str(taken)


def _sentences(jobs: Sequence[Job], lines: Sequence[_Line], seconds: dict[int, float]) -> Iterator[str]:
    """The sum, what is not in it, and what is left out."""
    counted = [(line, line.effort) for line in lines if line.effort is not None]
    if counted:
        total = timedelta(seconds=round(sum(one.passes * seconds[id(line.job)] for line, one in counted)))
        todo = sum(one.todo for _, one in counted)
        basis = "from a few vanilla steps timed here and each method's counted passes"
        yield f"{todo} cells to do, about {total} for training and predictions, {basis}." if todo else "All is there."
    if attacked := sum(one.attacked for _, one in counted):
        yield f"Not in it: {attacked} examples to attack, whose queries are known only afterwards."
    for job in jobs:
        if job.reason:
            yield f"{job.suite.name} cannot be run: {job.reason}"
        for subject, absence in ({} if job.work is None else job.work.missing).items():
            yield f"{job.suite.name}: {subject} is left out: {absence.here}"
