"""`temper board build|check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import console, output

if TYPE_CHECKING:
    from leaderboard import TextTable

app = typer.Typer(help="The leaderboard: build it, or check that it agrees with its records.", no_args_is_help=True)

ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of records.")]
PublishedOption = Annotated[Path, typer.Option("--published", help="Folder of numbers printed in papers.")]
SiteOption = Annotated[Path, typer.Option("--site", help="Folder of the board.")]

_BELOW = {"Notes", "Verification"}
"""Columns that a terminal has no room for."""

RESULTS, PUBLISHED, SITE = Path("leaderboard/results"), Path("leaderboard/published"), Path("leaderboard/site")


@app.command()
def build(results: ResultsOption = RESULTS, published: PublishedOption = PUBLISHED, site: SiteOption = SITE) -> None:
    """Build the board as HTML, Markdown, CSV, LaTeX and JSON, and print it."""
    import leaderboard

    report = leaderboard.build(results, site, _existing(published))
    for table in leaderboard.text_tables(leaderboard.load_board(results, _existing(published))):
        _print(table)
    for dropped in report.dropped:
        console.print(Text(f"left out: {dropped.where}: {dropped.reason}"))
    console.print(Text(f"The page: {site / 'index.html'}"))


@app.command()
def check(results: ResultsOption = RESULTS, published: PublishedOption = PUBLISHED, site: SiteOption = SITE) -> None:
    """Compare the board with what its records give; a difference is shown as a diff and exits with 1."""
    import leaderboard

    difference = leaderboard.check(results, site, _existing(published))
    if difference:
        output.print(Text(difference))
        console.print(Text(f"{site} is not what {results} gives; run `temper board build` and commit what it writes."))
        raise typer.Exit(1)
    console.print(Text(f"{site} is what {results} gives."))


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _print(table: "TextTable") -> None:
    """Draw a table; what a row's note says stands below, where there is room for a sentence."""
    shown = Table(title=Text(table.title, style="bold"), title_justify="left", box=None, pad_edge=False)
    kept = [number for number, heading in enumerate(table.columns) if heading not in _BELOW]
    for number in kept:
        side: Literal["left", "right"] = "left" if table.left[number] else "right"
        shown.add_column(Text(table.columns[number]), justify=side, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(row[number]) for number in kept))
    output.print(shown)
    for row in table.rows:
        for heading in set(table.columns) & {"Notes"}:
            if note := row[table.columns.index(heading)]:
                output.print(Text(f"{row[table.columns.index('Method')]}: {note}", style="dim"))
    for sentence in table.notes:
        output.print(Text(sentence, style="dim"))
