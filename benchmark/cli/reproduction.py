"""`temper reproduce`: measure the rows of a paper's table."""

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmark.cli.display import console, examples, output, say
from benchmark.cli.options import (
    PUBLISHED,
    ExecutorOption,
    JobsOption,
    PublishedOption,
    complete_tables,
    published_folder,
)
from benchmark.cli.progress import CellDisplay, resumable
from benchmark.execution.executors import Place, place_of_rows
from benchmark.execution.plan import require_resources, require_writable
from benchmark.schema import UnavailableError, read_published

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.execution.store import Store
    from benchmark.models.backbones import Backbone
    from benchmark.reproduction import Reproduction
    from benchmark.reproduction.jobs import Job
    from leaderboard.paper_table import PaperTable

Format = Literal["text", "md", "csv", "tex", "json"]
EXAMPLES = examples(
    ("See what a table needs and what it costs", "temper reproduce roast-sst2 --plan"),
    (
        "Try it with a packaged model and little data",
        "temper reproduce roast-sst2 --backbone minilm --methods Vanilla,RoAST --seeds 1 --limit 200",
    ),
    ("Run all of it, without asking", "temper reproduce roast-sst2 --backbone roberta-large --yes"),
)


def reproduce(
    table: Annotated[
        str, typer.Argument(help="Name of a table; `temper list` shows them.", autocompletion=complete_tables)
    ],
    *,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Packaged name, Hub id or folder. [default: the paper's]")
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", help="Only these rows of the table, by label or method.")
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Number of seeds. [default: the table's]")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=16, help="At most this many examples in training and in each set.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for artifacts and records.")] = Path("runs"),
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
    published: PublishedOption = PUBLISHED,
    form: Annotated[Format, typer.Option("--format", help="Format of the table.")] = "text",
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would run and what it costs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
) -> None:
    """Run a paper's table; print measured next to published numbers. The same command resumes."""
    from benchmark.cli.reproduction_tables import Cut, paper_table
    from benchmark.execution.store import Store
    from benchmark.reproduction import choose_rows, load_reproduction

    place = place_of_rows(executor, jobs)
    whole = load_reproduction(table)
    read = choose_rows(whole, methods)
    count = seeds or read.seeds
    # Read the published records now: an invalid file must stop the command before hours of training.
    numbers = published_folder(published)
    read_published(numbers)
    with resumable():
        planned, name = _planned(read, backbone or read.backbone, count, limit)
        store = Store(out / "store")
        failed = _run(planned, out, store, place, only_plan=plan, yes=yes)
        if not plan:
            measured = paper_table(read, planned, Cut(whole, name, count, limit))
            _print(measured, _results(out), numbers, form, _fold_remarks(read, planned, store))
    if failed or all(job.work is None for job in planned):
        raise typer.Exit(1)


def _results(out: Path) -> Path:
    """Return the results folder, separate from that of `temper run`: a shortened run must not enter a leaderboard."""
    return out / "reproductions"


def _planned(read: "Reproduction", reference: str, seeds: int, limit: int | None) -> "tuple[list[Job], str]":
    """Plan the jobs, and return them with the name of the backbone."""
    from benchmark.reproduction.jobs import plan
    from benchmark.suites import load_suite

    with console.status("Reading the suites' data"):
        backbone = _backbone(reference)
        if not isinstance(backbone, str):
            for suite in read.suites:
                require_resources(load_suite(suite), reference)
        short = reference.partition("@")[0].rstrip("/").rsplit("/", 1)[-1]
        name = short if isinstance(backbone, str) else backbone.name
        return plan(read, backbone, name, seeds, limit), name


def _backbone(reference: str) -> "Backbone | str":
    """Return the backbone, or a sentence that says why it is unavailable."""
    from benchmark.models.backbones import resolve_backbone

    try:
        return resolve_backbone(reference)
    except UnavailableError as error:
        return str(error)


def _run(jobs: "Sequence[Job]", out: Path, store: "Store", place: Place, *, only_plan: bool, yes: bool) -> int:
    """Show the plan, ask for confirmation, run every row, and return the number of rows that failed."""
    from benchmark.cli.reproduction_tables import show_plan

    todo = show_plan(jobs, store, output if only_plan else console, gaps=only_plan)
    if only_plan:
        return 0
    if todo and not yes and _on_terminal() and not typer.confirm("Start?", default=True, err=True):
        say("Nothing was started.")
        raise typer.Exit(0)
    require_writable(out)
    return sum(_run_job(job, store, _results(out), place) for job in jobs)


def _on_terminal() -> bool:
    """Return whether the command runs in a terminal, so that a user can answer."""
    return console.is_terminal and sys.stdin.isatty()


def _run_job(job: "Job", store: "Store", results: Path, place: Place) -> int:
    from benchmark.attacks import require_parts
    from benchmark.execution.local import run_rows
    from benchmark.reproduction.jobs import forget_other_state

    if job.work is None:
        return 0
    for attack in job.suite.attacks:
        if attack.id not in job.work.missing:
            require_parts(attack)
    if forget_other_state(results, job.work):
        say(f"note: the data of {job.suite.name} has changed; its records here are rewritten.")
    with closing(CellDisplay(live=place.alone)) as display:
        report = run_rows(job.all_rows(), job.work, store, results, display, place=place)
    return len(report.failures)


def _fold_remarks(read: "Reproduction", jobs: "Sequence[Job]", store: "Store") -> "Mapping[tuple[str, str], str]":
    from benchmark.reproduction.folds import fold_remarks

    with console.status("Repeating RoAST's ECE with other folds"):
        return fold_remarks(read, jobs, store)


def _print(
    table: "PaperTable", results: Path, published: Path | None, form: Format, remarks: "Mapping[tuple[str, str], str]"
) -> None:
    """Print the table; `remarks` are notes of measured cells by the labels of their row and column."""
    from benchmark.cli.reproduction_tables import print_grid
    from leaderboard.paper_table import GRID_FORMATS, as_json, fill, grid

    cells = fill(table, results, published)
    for row, row_cells in zip(table.rows, cells, strict=True):
        for place, (column, cell) in enumerate(zip(table.columns, tuple(row_cells), strict=True)):
            remark = remarks.get((row.label, column.label))
            if remark and cell.measured.value is not None:
                row_cells[place] = replace(cell, notes=(*cell.notes, remark))
    if form == "text":
        print_grid(grid(table, cells))
    else:
        typer.echo(as_json(table, cells) if form == "json" else GRID_FORMATS[form](grid(table, cells)), nl=False)
