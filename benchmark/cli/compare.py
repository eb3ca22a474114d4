"""`temper compare`: compare two rows of the leaderboard."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.board import ResultsOption, results_folders
from benchmark.cli.display import output, print_table

if TYPE_CHECKING:
    from leaderboard import RowComparison, ScoreComparison

RowArgument = Annotated[str, typer.Argument(help="method, method:key=value, a record file or a row's folder.")]
SuiteOption = Annotated[str | None, typer.Option("--suite", help="name or name@version, if there are several.")]
BackboneOption = Annotated[str | None, typer.Option("--backbone", help="Backbone, if there are several.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_HOW = (
    "Change: of the first against the second, + is better; overall: their mean. Intervals are 95 % intervals of a "
    "bootstrap over seeds and examples that is paired between the rows; better in: the share of its draws in which the "
    "first is better. Against vanilla, Overall is Holm-corrected for the number of ranked rows, as on the page."
)
_WORDS = {"better": "is significantly better than", "worse": "is significantly worse than"}


def compare(
    first: RowArgument,
    second: RowArgument,
    results: ResultsOption = None,
    suite: SuiteOption = None,
    backbone: BackboneOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare two rows: which is better in each perspective, by how much, and whether the difference is significant."""
    import leaderboard

    found = leaderboard.compare(first, second, *results_folders(results), suite=suite, backbone=backbone)
    if as_json:
        print(json.dumps(_plain(found), indent=1))
        return
    _show(found)
    output.print(Text(f"Records: {' and '.join(dict.fromkeys(found.folders))}", style="dim"))


def _plain(found: "RowComparison") -> dict[str, object]:
    differences = [{**asdict(difference), "verdict": difference.verdict} for difference in found.differences]
    return {**asdict(found), "differences": differences}


def _show(found: "RowComparison") -> None:
    overall, *single = found.differences
    output.print(Text(_sentence(found, overall), style="bold"))
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in (found.first, found.second):
        table.add_column(Text(heading), justify="right", overflow="fold")
    for heading in ("change, %", "better in"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for difference in (*single, overall):
        table.add_row(*map(Text, _cells(difference)))
    print_table(table)
    seeds = f"{'seed' if len(found.seeds) == 1 else 'seeds'} {', '.join(map(str, found.seeds))}"
    output.print(Text(f"{found.suite} on {found.backbone}, {seeds}. {_HOW}", style="dim"))


def _sentence(found: "RowComparison", overall: "ScoreComparison") -> str:
    if overall.verdict in _WORDS:
        text = f"{found.first} {_WORDS[overall.verdict]} {found.second}"
    elif overall.verdict == "tied":
        text = f"No significant difference between {found.first} and {found.second}"
    else:
        text = f"No verdict on {found.first} and {found.second}"
    change = "" if overall.change is None else f"{_percent(overall.change)} overall"
    return f"{text}: {'; '.join(filter(None, (change, overall.reason)))}."


def _cells(difference: "ScoreComparison") -> list[str]:
    score = [_score(value, difference.unit) for value in (difference.first, difference.second)]
    change = "-" if difference.change is None else f"{100 * difference.change:+.1f}"
    if difference.low is None or difference.high is None or difference.wins is None:
        return [difference.key, *score, change, "-", difference.reason]
    interval = f"{change} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    return [difference.key, *score, interval, f"{100 * difference.wins:.1f} %", _verdict(difference)]


def _verdict(difference: "ScoreComparison") -> str:
    return {"tied": "no significant difference", "unknown": "no verdict"}.get(difference.verdict, difference.verdict)


def _score(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f} %" if unit == "%" else f"{value:.3f} {unit}".rstrip()


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"
