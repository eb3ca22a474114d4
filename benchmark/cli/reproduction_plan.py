"""The plan of a reproduction as text: finished rows, remaining rows, and their cost on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import console as progress
from benchmark.execution.store import Store
from benchmark.reproduction.cost_estimate import Effort, effort, relative_cost
from benchmark.reproduction.jobs import Job

_HEADINGS = ("Row", "Seeds", "Cells done", "To do", "Step over vanilla's", "Time")


@dataclass(frozen=True)
class _Line:
    """One row of the paper's table on one suite."""

    job: Job
    label: str
    effort: Effort | None

    @property
    def passes(self) -> float:
        """Return the number of remaining passes."""
        return 0.0 if self.effort is None else self.effort.passes


def show_plan(jobs: Sequence[Job], store: Store, console: Console, *, gaps: bool) -> int:
    """Print finished and remaining rows with their cost; time a few steps if there is training left.

    Args:
        jobs: The jobs to run.
        store: The store that may hold finished cells.
        console: The console to print to.
        gaps: Whether to say how to get each data set that is missing.

    Returns:
        The number of remaining cells.
    """
    lines = [[_line(job, label, store) for label in job.methods] for job in jobs]
    seconds = [
        _timed(job) if any(line.passes for line in of_job) else 0.0 for job, of_job in zip(jobs, lines, strict=True)
    ]
    for job, of_job, second in zip(jobs, lines, seconds, strict=True):
        table = Table(
            title=Text(f"{job.suite.name}@{job.suite.version}"), title_justify="left", box=None, pad_edge=False
        )
        for heading in _HEADINGS:
            table.add_column(heading, justify="left" if heading == "Row" else "right")
        for line in of_job:
            table.add_row(*map(Text, _cells(line, second)))
        console.print(table)
        for sentence in _left_out(job, whole=gaps):
            console.print(Text(sentence))
    taken = sum(line.passes * second for of_job, second in zip(lines, seconds, strict=True) for line in of_job)
    counted = [line.effort for of_job in lines for line in of_job if line.effort is not None]
    for sentence in _sum(counted, taken):
        console.print(Text(sentence))
    return sum(one.todo for one in counted)


def _line(job: Job, label: str, store: Store) -> _Line:
    return _Line(job, label, None if job.work is None else effort(job.rows(label), job.work, store))


def _timed(job: Job) -> float:
    """Measure the seconds of a pass."""
    from benchmark.reproduction.cost_estimate import seconds_a_pass

    if job.work is None or job.backbone is None:
        return 0.0
    with progress.status(f"Timing a few steps on {job.suite.name}"):
        return seconds_a_pass(job.work, job.backbone)


def _cells(line: _Line, second: float) -> tuple[str, ...]:
    cost = relative_cost(line.job.methods[line.label].cls.name)
    step = "-" if cost is None else f"{cost[0]:.2f}"
    if line.effort is None:
        return line.label, str(line.job.seeds), "-", "-", step, "-"
    taken = timedelta(seconds=round(line.passes * second))
    return line.label, str(line.job.seeds), str(line.effort.done), str(line.effort.todo), step, str(taken)


def _left_out(job: Job, *, whole: bool) -> Iterator[str]:
    if job.reason:
        yield f"Nothing can be run: {job.reason}"
    missing = {} if job.work is None else job.work.missing
    if missing and not whole:
        yield f"Left out, with the reason in the table: {', '.join(missing)}."
    for subject, absence in missing.items() if whole else ():
        yield f"{subject} is left out: {absence.reason}"


def _sum(counted: Sequence[Effort], seconds: float) -> Iterator[str]:
    todo, attacked = sum(one.todo for one in counted), sum(one.attacked for one in counted)
    if todo:
        taken = timedelta(seconds=round(seconds))
        basis = "from a few vanilla steps timed here and the counted passes of each method"
        yield f"{todo} cells to do, about {taken} for training and predictions, {basis}."
    elif counted:
        yield "Nothing to compute: every cell is there."
    if attacked:
        yield f"Not in it: {attacked} examples to attack, whose queries are known only afterwards."
