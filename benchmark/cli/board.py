"""`temper board build|check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import console, output, print_table
from benchmark.schema import UsageError

if TYPE_CHECKING:
    from leaderboard import TextTable

app = typer.Typer(help="The leaderboard: build it, or check that it agrees with its records.", no_args_is_help=True)

ResultsOption = Annotated[
    Path | None,
    typer.Option("--results", help="Folder of records. [default: leaderboard/results, else runs/results]"),
]
PublishedOption = Annotated[Path, typer.Option("--published", help="Folder of numbers printed in papers.")]
SiteOption = Annotated[
    Path | None, typer.Option("--site", help="Folder of the leaderboard. [default: site, next to the records]")
]

_BELOW = {"Notes", "Verification"}
"""Columns that are left out because a terminal is too narrow for them."""

PUBLISHED = Path("leaderboard/published")
_RESULTS = (Path("leaderboard/results"), Path("runs/results"))


def results_folders(given: Path | None) -> tuple[Path, ...]:
    """List folders of records: the given one, or those of the checkout and of `temper run` in this folder.

    Raises:
        UsageError: no folder was given and neither default exists.
    """
    folders = (given,) if given else tuple(folder for folder in _RESULTS if folder.is_dir())
    if not folders:
        names = " nor ".join(map(str, _RESULTS))
        raise UsageError(
            f"There is neither {names} in this folder. Run `temper run` first, or name one with --results."
        )
    return folders


@app.command()
def build(results: ResultsOption = None, published: PublishedOption = PUBLISHED, site: SiteOption = None) -> None:
    """Build the leaderboard as HTML, Markdown, CSV, LaTeX and JSON, and print it."""
    import leaderboard

    results, *others = results_folders(results)
    site = site or results.parent / "site"
    report = leaderboard.build(results, site, _existing(published))
    for table in leaderboard.text_tables(leaderboard.load_board(results, _existing(published))):
        print_section(table)
    for dropped in report.dropped:
        console.print(Text(f"left out: {dropped.where}: {dropped.reason}"))
    hint = f" (not {others[0]}; name it with --results)" if others else ""
    console.print(Text(f"Records: {results}{hint}"))
    console.print(Text(f"The page: {site / 'index.html'}"))


@app.command()
def check(results: ResultsOption = None, published: PublishedOption = PUBLISHED, site: SiteOption = None) -> None:
    """Compare the leaderboard with its records; a difference is shown as a diff and exits with 1."""
    import leaderboard

    results, *_ = results_folders(results)
    site = site or results.parent / "site"
    difference = leaderboard.check(results, site, _existing(published))
    if difference:
        output.print(Text(difference))
        console.print(Text(f"{site} is not what {results} gives; run `temper board build` and commit what it writes."))
        raise typer.Exit(1)
    console.print(Text(f"{site} is what {results} gives."))


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def print_section(table: "TextTable") -> None:
    """Draw a table with its ranking rule above it and the notes of its rows below it."""
    output.print(Text(table.title, style="bold"))
    if table.rule:
        output.print(Text(table.rule))
    shown = Table(box=None, pad_edge=False)
    kept = [number for number, heading in enumerate(table.columns) if heading not in _BELOW]
    for number in kept:
        side: Literal["left", "right"] = "left" if table.left[number] else "right"
        shown.add_column(Text(table.columns[number]), justify=side, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(row[number]) for number in kept))
    print_table(shown)
    for row in table.rows:
        for heading in set(table.columns) & {"Notes"}:
            if note := row[table.columns.index(heading)]:
                output.print(Text(f"{row[table.columns.index('Method')]}: {note}", style="dim"))
    for sentence in table.notes:
        output.print(Text(sentence, style="dim"))
