"""Build a paper's table from a reproduction and its jobs; the title lists what was left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from benchmark.cli.display import output
from benchmark.reproduction import ColumnSpec, Reproduction
from leaderboard.paper_table import PaperColumn, PaperRow, PaperTable, Place

if TYPE_CHECKING:
    from benchmark.reproduction.jobs import Job
    from leaderboard.paper_table import Grid


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


def paper_table(read: Reproduction, jobs: "Sequence[Job]", cut: Cut) -> PaperTable:
    """Build the table that `leaderboard.paper_table.fill` fills in."""
    differs = "; ".join(cut.sentences(len(read.rows)))
    suites = {job.base.name: f"{job.base.name}@{job.base.version}" for job in jobs}
    return PaperTable(
        title=f"{read.title}, {cut.backbone}" + (f" (cut down: {differs})" if differs else ""),
        paper=read.paper,
        backbone=cut.backbone,
        seeds=tuple(range(cut.seeds)),
        columns=tuple(_column(column, suites[column.suite]) for column in read.columns),
        rows=tuple(PaperRow(row.label, _places(row.label, jobs)) for row in read.rows),
        notes=(*read.notes, *dict.fromkeys(note for job in jobs for note in _notes(job))),
    )


def print_grid(shown: "Grid") -> None:
    """Draw a table on the terminal with its notes below."""
    table = Table(title=Text(shown.title, style="bold"), title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(shown.headings):
        table.add_column(Text(heading), justify="left" if number < 2 else "right", overflow="fold")
    for line in shown.lines:
        table.add_row(*map(Text, line))
    output.print(table)
    for note in shown.notes:
        output.print(Text(note))


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


def _places(label: str, jobs: "Sequence[Job]") -> dict[str, Place]:
    found = {}
    for job in (job for job in jobs if label in job.methods):
        method, folder = job.methods[label], f"{job.suite.name}@{job.suite.version}"
        base = f"{job.base.name}@{job.base.version}"
        found[base] = Place(folder, method.cls.name, method.configuration, job.reason)
    return found


def _notes(job: "Job") -> Iterator[str]:
    """Yield the notes that a reader needs to interpret a job's values."""
    yield from job.notes
    rate = job.suite.recipe.learning_rate
    if rate != job.base.recipe.learning_rate:
        own = f"{job.base.recipe.learning_rate:g}"
        yield f"{', '.join(job.methods)} on {job.base.name}: learning rate {rate:g}, the suite's is {own}."
