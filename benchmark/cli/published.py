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
    from benchmark.reproduction.published_import import file_records, read_printed

    records = read_printed(file)
    filed = file_records(records, published)
    console.print(Text(f"{filed.added} numbers added, {filed.known} were there already."))
    for path in filed.files:
        console.print(Text(f"Written: {path}"))
    told = {(record["source"]["paper"], record["suite"]["name"]) for record in records}
    known = [load_reproduction(name) for name in available_reproductions()]
    tables = [one.name for one in known if any((one.paper, suite) in told for suite in one.suites)]
    for name in tables:
        console.print(Text(f"`temper reproduce {name}` shows those in its rows and columns."))
    if not tables:
        console.print("No table to reproduce has this paper and these suites; the board shows what its suites have.")
