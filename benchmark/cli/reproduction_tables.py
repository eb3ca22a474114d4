"""The tables of `temper reproduce`: the plan with its cost on this machine, and the paper's table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console

from benchmark.cli.display import console, output, print_table, say, show
from benchmark.execution.store import Store
from benchmark.reproduction import ColumnSpec, Reproduction
from benchmark.reproduction.cost_estimate import Effort, effort, relative_cost
from benchmark.reproduction.jobs import Job
from leaderboard.paper_table import Grid, PaperColumn, PaperRow, PaperTable, Place


@dataclass(frozen=True)
class Cut:
    """The requested part of a reproduction."""

    whole: Reproduction
    backbone: str
    seeds: int
    limit: int | None

    def sentences(self, rows: int) -> Iterator[str]:
        """Yield each difference from the paper's table in a few words."""
        if self.limit is not None:
            yield f"at most {self.limit:,} examples in training and in each set"
        if rows < len(self.whole.rows):
            yield f"{rows} of {len(self.whole.rows)} rows"
        if self.seeds < self.whole.seeds:
            yield f"{self.seeds} of {self.whole.seeds} seeds"
        if self.backbone != self.whole.backbone:
            yield f"{self.backbone} in place of {self.whole.backbone}"


def paper_table(read: Reproduction, jobs: Sequence[Job], cut: Cut) -> PaperTable:
    """Build the table that `leaderboard.paper_table.fill` fills in."""
    differs = "; ".join(cut.sentences(len(read.rows)))
    suites = {job.base.name: job.base.full_name for job in jobs}
    return PaperTable(
        title=f"{read.title}, {cut.backbone}" + (f" (cut down: {differs})" if differs else ""),
        paper=read.paper,
        backbone=cut.backbone,
        seeds=tuple(range(cut.seeds)),
        columns=tuple(_column(column, suites[column.suite]) for column in read.columns),
        rows=tuple(PaperRow(row.label, _places(row.label, jobs)) for row in read.rows),
        notes=(*read.notes, *dict.fromkeys(note for job in jobs for note in _notes(job))),
    )


def print_grid(shown: Grid) -> None:
    """Draw a table on the terminal with its notes below."""
    show(shown.title, "bold")
    print_table(shown.headings, shown.lines, right=shown.headings[2:])
    for note in shown.notes:
        show(note)


def _column(column: ColumnSpec, suite: str) -> PaperColumn:
    from benchmark.evaluation.metrics import METRICS

    metric = METRICS[column.metric]
    single = len(column.tasks) == 1 and not column.absent
    task = column.tasks[0] if single else column.perspective
    return PaperColumn(
        label=column.label,
        suite=suite,
        item=(task, column.perspective, column.metric),
        tasks=column.tasks,
        absent=column.absent,
        departs=column.departs,
        unit=metric.unit,
        better=metric.direction,
    )


def _places(label: str, jobs: Sequence[Job]) -> dict[str, Place]:
    places = {}
    for job in (job for job in jobs if label in job.methods):
        method, folder = job.methods[label], job.suite.full_name
        base = job.base.full_name
        places[base] = Place(folder, method.cls.name, method.configuration, job.reason)
    return places


def _notes(job: Job) -> Iterator[str]:
    """Yield the notes that a reader needs to interpret a job's values."""
    yield from job.notes
    rate = job.suite.recipe.learning_rate
    if rate != job.base.recipe.learning_rate:
        own = f"{job.base.recipe.learning_rate:g}"
        yield f"{', '.join(job.methods)} on {job.base.name}: learning rate {rate:g}, the suite's is {own}."


_HEADINGS = ("Row", "Seeds", "Stages done", "To do", "Step over vanilla's", "Time")


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


def show_plan(jobs: Sequence[Job], store: Store, screen: Console, *, gaps: bool) -> int:
    """Print finished and remaining rows with their cost; time a few steps if there is training left.

    Args:
        jobs: The jobs to run.
        store: The store that may hold finished cells.
        screen: Standard output or standard error.
        gaps: Whether to say how to get each data set that is missing.

    Returns:
        The number of remaining cells.
    """
    write = show if screen is output else say
    lines = [[_line(job, label, store) for label in job.methods] for job in jobs]
    seconds = [
        _timed(job) if any(line.passes for line in of_job) else 0.0 for job, of_job in zip(jobs, lines, strict=True)
    ]
    for job, of_job, second in zip(jobs, lines, seconds, strict=True):
        write(job.suite.full_name)
        print_table(_HEADINGS, [_cells(line, second) for line in of_job], right=_HEADINGS[1:], screen=screen)
        for sentence in _left_out(job, whole=gaps):
            write(sentence)
    taken = sum(line.passes * second for of_job, second in zip(lines, seconds, strict=True) for line in of_job)
    counted = [line.effort for of_job in lines for line in of_job if line.effort is not None]
    for sentence in _sum(counted, taken):
        write(sentence)
    return sum(one.todo for one in counted)


def _line(job: Job, label: str, store: Store) -> _Line:
    return _Line(job, label, None if job.work is None else effort(job.rows(label), job.work, store))


def _timed(job: Job) -> float:
    """Measure the seconds of a pass."""
    from benchmark.reproduction.cost_estimate import seconds_a_pass

    if job.work is None or job.backbone is None:
        return 0.0
    with console.status(f"Timing a few steps on {job.suite.name}"):
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
        yield f"{todo} stages to do, about {taken} for training and predictions, {basis}."
    elif counted:
        yield "Nothing to compute: every stage is done."
    if attacked:
        yield f"Not in it: {attacked} examples to attack, whose queries are known only afterwards."
