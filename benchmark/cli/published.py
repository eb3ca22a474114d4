"""`temper published import`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from benchmark.cli.display import console

app = typer.Typer(help="Numbers that papers print.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `import` a sub-command while it is the only one."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV; docs/reproduction.md says which columns it has.")],
    published: Annotated[Path, typer.Option("--published", help="Folder of numbers printed in papers.")] = Path(
        "leaderboard/published"
    ),
) -> None:
    """Add the numbers of a CSV to those that the board and `temper reproduce` show beside measured ones."""
    from benchmark.reproduction import available_reproductions, load_reproduction
    from benchmark.reproduction.filing import file_records
    from benchmark.reproduction.printed import read_printed

    records = read_printed(file)
    filed = file_records(records, published)
    console.print(Text(f"{filed.added} numbers added, {filed.known} were there already."))
    for path in filed.files:
        console.print(Text(f"Written: {path}"))
    papers = {record["source"]["paper"] for record in records}
    tables = [name for name in available_reproductions() if load_reproduction(name).paper in papers]
    for name in tables:
        console.print(Text(f"`temper reproduce {name}` shows those whose row and backbone it has."))
    if not tables:
        console.print("No table to reproduce names this paper; the board shows what its suites have.")
