"""`temper resources list|fetch|verify`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from benchmark.cli.completion import complete_suites
from benchmark.cli.display import ByteDisplay, console, output

app = typer.Typer(help="Pinned models, texts and word lists: list, fetch, verify.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Resources; all when none is named.")]
SuiteOption = Annotated[
    str | None,
    typer.Option("--suite", help="What this suite or group needs.", autocompletion=complete_suites),
]


@app.command("list")
def show() -> None:
    """List the pinned resources: size, licence, and whether they are on this machine."""
    from benchmark.resources import load_manifest, state

    table = Table(box=None, pad_edge=False)
    for heading in ("Name", "Version", "Size", "State", "Licence", "What"):
        table.add_column(heading)
    for resource in load_manifest().values():
        row = (resource.name, resource.version, decimal(resource.size), state(resource), resource.licence)
        table.add_row(*map(Text, (*row, resource.description)))
    output.print(table)


@app.command()
def fetch(
    names: Names = None,
    suite: SuiteOption = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder of carried archives, looked at before the network.")
    ] = None,
) -> None:
    """Download, verify and unpack resources; what is there and intact is left alone."""
    from benchmark.resources import fetch as fetch_resources

    wanted = _wanted(names, suite)
    folders = fetch_resources(wanted, progress=ByteDisplay(), source_folder=source)
    console.print(Text(f"{len(folders)} resources are here: {', '.join(folders) or 'none'}."))


@app.command()
def verify(names: Names = None, suite: SuiteOption = None) -> None:
    """Hash every file of the resources again; quarantine those that fail; the exit code is then 1."""
    from benchmark.resources import verify as verify_resources

    found = verify_resources(_wanted(names, suite), progress=ByteDisplay())
    for one in found:
        output.print(Text(f"{one.name}: {one.outcome}"))
        for problem in one.problems:
            output.print(Text(f"  {problem}"))
    if any(one.outcome == "refused" for one in found):
        raise typer.Exit(1)


def _wanted(names: list[str] | None, suite: str | None) -> list[str] | None:
    if suite is None:
        return names or None
    from benchmark.execution.plan import suite_resources
    from benchmark.suites import load_suites

    needed = (suite_resources(loaded, loaded.backbone) for loaded in load_suites(suite))
    return sorted(set(names or []).union(*needed))
