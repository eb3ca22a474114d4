"""The commands on the leaderboard and its records: `temper board`, `temper compare` and `temper published`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from benchmark.cli.display import examples, output, print_table, say, show
from benchmark.cli.options import PUBLISHED, PublishedOption, published_folder
from benchmark.schema import UsageError, visible

if TYPE_CHECKING:
    from leaderboard import RowComparison, ScoreComparison, TextTable

board_app = typer.Typer(help="Build the leaderboard, or check that it matches its records.", no_args_is_help=True)
published_app = typer.Typer(help="Numbers that papers print.", no_args_is_help=True)

ResultsOption = Annotated[
    Path | None,
    typer.Option("--results", help="Folder of records. [default: leaderboard/results, else runs/results]"),
]
SiteOption = Annotated[
    Path | None, typer.Option("--site", help="Folder of the leaderboard. [default: site, next to the records]")
]
RowArgument = Annotated[str, typer.Argument(help="Method, method:key=value, record file, or folder of a row.")]
SuiteOption = Annotated[str | None, typer.Option("--suite", help="Name or name@version, if there are several.")]
BackboneOption = Annotated[str | None, typer.Option("--backbone", help="Backbone, if there are several.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_RESULTS = (Path("leaderboard/results"), Path("runs/results"))

_HOW = (
    "Gain is of the first row over the second in points, + is better; overall is the mean. Brackets hold 95 % "
    "intervals of a bootstrap over seeds and examples, paired between the rows. Better in: share of draws in which "
    "the first row is better. Against vanilla, Overall is Holm-corrected for the number of ranked rows."
)
_WORDS = {"better": "is significantly better than", "worse": "is significantly worse than"}


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


@board_app.command(
    epilog=examples(
        ("Rebuild the committed leaderboard and print it", "temper board build"),
        ("Build one from your own runs", "temper board build --results runs/results --site runs/site"),
    )
)
def build(results: ResultsOption = None, published: PublishedOption = PUBLISHED, site: SiteOption = None) -> None:
    """Build the leaderboard as HTML, Markdown, CSV, LaTeX and JSON, and print it."""
    import leaderboard

    results, *others = results_folders(results)
    site = site or results.parent / "site"
    report = leaderboard.build(results, site, published_folder(published))
    for table in leaderboard.text_tables(report.board):
        print_section(table)
    # Numbers of papers about suites without results are the rule; the page lists them.
    for dropped in (one for one in report.dropped if not one.where.startswith("published/")):
        say(f"left out: {dropped.where}: {dropped.reason}")
    hint = f" (not {others[0]}; name it with --results)" if others else ""
    say(f"Records: {results}{hint}")
    say(f"Page, with definitions and notes: {site / 'index.html'}")


@board_app.command(
    epilog=examples(
        ("Check the committed leaderboard against its records", "temper board check"),
        ("Check one of your own", "temper board check --results runs/results --site runs/site"),
    )
)
def check(results: ResultsOption = None, published: PublishedOption = PUBLISHED, site: SiteOption = None) -> None:
    """Check that the leaderboard matches its records. Prints a diff and exits with 1 if it does not."""
    import leaderboard

    results, *_ = results_folders(results)
    site = site or results.parent / "site"
    difference = leaderboard.check(results, site, published_folder(published))
    if difference:
        output.print(Text(visible(difference)))
        say(f"{site} does not match {results}. Run `temper board build` with the same options and commit the changes.")
        raise typer.Exit(1)
    say(f"{site} matches {results}.")


def print_section(table: "TextTable") -> None:
    """Print a table with its ranking rule above it, and the notes of its rows and its picture below it."""
    show(table.title, "bold")
    if table.rule:
        show(table.rule)
    right = [heading for heading, left in zip(table.columns, table.left, strict=True) if not left]
    print_table(table.columns, table.rows, right=right, key=table.left.index(True))
    show("")
    for note in table.row_notes:
        show(note, "dim", indent="  ")
    for sentence in table.notes:
        show(sentence, "dim")
    show("")
    if table.picture:
        show("\n".join(table.picture))
        show("")


COMPARE_EXAMPLES = examples(
    ("Compare two rows of the leaderboard", "temper compare freelb vanilla --suite demo"),
    ("Compare rows of your own runs", "temper compare freelb vanilla --results runs/results"),
    ("Write the comparison as JSON", "temper compare smart freelb --suite offline --json"),
)


def compare(
    first: RowArgument,
    second: RowArgument,
    results: ResultsOption = None,
    suite: SuiteOption = None,
    backbone: BackboneOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare two rows of the leaderboard. Prints differences, intervals and significance."""
    import leaderboard

    comparison = leaderboard.compare(first, second, *results_folders(results), suite=suite, backbone=backbone)
    if as_json:
        print(json.dumps(_plain(comparison), indent=1))
        return
    _show_comparison(comparison)
    show(f"Records: {' and '.join(dict.fromkeys(comparison.folders))}", "dim")


def _plain(comparison: "RowComparison") -> dict[str, object]:
    differences = [{**asdict(difference), "verdict": difference.verdict} for difference in comparison.differences]
    return {**asdict(comparison), "differences": differences}


def _show_comparison(comparison: "RowComparison") -> None:
    overall, *single = comparison.differences
    show(_sentence(comparison, overall), "bold")
    headings = ("", comparison.first, comparison.second, "gain, points", "better in", "verdict")
    rows = [_cells(difference) for difference in (*single, overall)]
    print_table(headings, rows, right=headings[1:5], prose=("verdict",))
    seeds = f"{'seed' if len(comparison.seeds) == 1 else 'seeds'} {', '.join(map(str, comparison.seeds))}"
    show(f"{comparison.suite} on {comparison.backbone}, {seeds}. {_HOW}", "dim")


def _sentence(comparison: "RowComparison", overall: "ScoreComparison") -> str:
    if overall.verdict in _WORDS:
        text = f"{comparison.first} {_WORDS[overall.verdict]} {comparison.second}"
    elif overall.verdict == "tied":
        text = f"No significant difference between {comparison.first} and {comparison.second}"
    else:
        text = f"No verdict on {comparison.first} and {comparison.second}"
    gain = f"{100 * overall.change:+.1f} points overall"
    return f"{text}: {'; '.join(filter(None, (gain, overall.reason)))}."


def _cells(difference: "ScoreComparison") -> list[str]:
    score = [_score(value, difference.unit) for value in (difference.first, difference.second)]
    gain = f"{100 * difference.change:+.1f}"
    if difference.low is None or difference.high is None or difference.wins is None:
        return [difference.key, *score, gain, "-", difference.reason]
    interval = f"{gain} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    return [difference.key, *score, interval, f"{100 * difference.wins:.1f} %", _verdict(difference)]


def _verdict(difference: "ScoreComparison") -> str:
    return "no verdict" if difference.verdict == "unknown" else difference.verdict


def _score(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f} %" if unit == "%" else f"{value:.3f} {unit}".rstrip()


@published_app.callback()
def _group() -> None:
    """Keep `import` a sub-command while it is the only one."""


@published_app.command(
    "import",
    epilog=examples(
        ("Add the numbers of a paper", "temper published import paper.csv"),
        ("Add them to another folder", "temper published import paper.csv --published numbers"),
    ),
)
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file; docs/reproduction.md lists its columns.")],
    folder: PublishedOption = PUBLISHED,
) -> None:
    """Add the numbers of a CSV file; they are shown next to measured ones."""
    from benchmark.reproduction import available_reproductions, load_reproduction
    from benchmark.reproduction.published_import import file_records, read_printed

    records = read_printed(file)
    filed = file_records(records, folder)
    say(f"{filed.added} numbers added, {filed.known} were there already.")
    for path in filed.files:
        say(f"Written: {path}")
    subjects = {(record["source"]["paper"], record["suite"]["name"]) for record in records}
    known = [load_reproduction(name) for name in available_reproductions()]
    tables = [one.name for one in known if any((one.paper, suite) in subjects for suite in one.suites)]
    for name in tables:
        say(f"`temper reproduce {name}` shows those of its rows and columns.")
    if not tables:
        say("No table to reproduce has this paper and these suites; the leaderboard shows the numbers of its suites.")
