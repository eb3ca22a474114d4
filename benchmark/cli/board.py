"""`temper board build|check`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.display import console, output

app = typer.Typer(
    help="The leaderboard: build it from records, or check that it agrees with them.", no_args_is_help=True
)

ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of records.")]
SiteOption = Annotated[Path, typer.Option("--site", help="Folder of the board.")]


@app.command()
def build(results: ResultsOption = Path("leaderboard/results"), site: SiteOption = Path("leaderboard/site")) -> None:
    """Build the board (HTML, Markdown, CSV, LaTeX, JSON) and print it."""
    import leaderboard

    report = leaderboard.build(results, site)
    output.print(str(report))


@app.command()
def check(results: ResultsOption = Path("leaderboard/results"), site: SiteOption = Path("leaderboard/site")) -> None:
    """Compare the board with what its records give; a difference is shown as a diff and exits with 1."""
    import leaderboard

    difference = leaderboard.check(results, site)
    if difference:
        output.print(difference, markup=False)
        raise typer.Exit(1)
    console.print(f"{site} is what {results} gives.")
