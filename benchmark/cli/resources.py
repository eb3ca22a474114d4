"""`temper resources list|fetch|verify`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from benchmark.cli.display import examples, print_table, say, show
from benchmark.cli.options import complete_suites
from benchmark.cli.progress import ByteDisplay

app = typer.Typer(help="List, fetch or verify pinned models, texts and word lists.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Names of resources. [default: all]")]
SuiteOption = Annotated[
    str | None,
    typer.Option("--suite", help="The resources of this suite or group.", autocompletion=complete_suites),
]


@app.command(
    "list",
    epilog=examples(
        ("See what is on this machine", "temper resources list"),
        ("Keep only the names of what is missing", "temper resources list | grep absent"),
    ),
)
def show_resources() -> None:
    """List the pinned resources: size, licence, and whether they are on this machine."""
    from benchmark.resources import load_manifest, state

    rows = [
        (one.name, one.version, decimal(one.size), state(one), one.licence, one.description)
        for one in load_manifest().values()
    ]
    headings = ("Name", "Version", "Size", "State", "Licence", "Contents")
    print_table(headings, rows, right=("Size",), prose=("Licence", "Contents"))


@app.command(
    epilog=examples(
        ("Download what the demonstration needs", "temper resources fetch --suite demo"),
        ("Download one resource", "temper resources fetch minilm"),
        ("Use archives that you copied here", "temper resources fetch --suite demo --from FOLDER"),
    )
)
def fetch(
    names: Names = None,
    suite: SuiteOption = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of copied archives, tried before the network."),
    ] = None,
) -> None:
    """Download, verify and unpack the resources that are missing or damaged."""
    from benchmark.resources import fetch as fetch_resources

    folders = fetch_resources(_resource_names(names, suite), progress=ByteDisplay(), source_folder=source)
    say(f"{len(folders)} resources are here: {', '.join(folders) or 'none'}.")


@app.command(
    epilog=examples(
        ("Check every resource on this machine", "temper resources verify"),
        ("Check those of one suite", "temper resources verify --suite demo"),
    )
)
def verify(names: Names = None, suite: SuiteOption = None) -> None:
    """Verify the hash of every file, and quarantine files that fail. Exits with 1 if any does."""
    from benchmark.resources import verify as verify_resources

    results = verify_resources(_resource_names(names, suite), progress=ByteDisplay())
    for one in results:
        show(f"{one.name}: {one.outcome}")
        for problem in one.problems:
            show(f"  {problem}")
    if any(one.outcome == "refused" for one in results):
        raise typer.Exit(1)


def _resource_names(names: list[str] | None, suite: str | None) -> list[str] | None:
    if suite is None:
        return names or None
    from benchmark.execution.plan import suite_resources
    from benchmark.suites import load_suites

    needed = (suite_resources(loaded, loaded.backbone) for loaded in load_suites(suite))
    return sorted(set(names or []).union(*needed))
