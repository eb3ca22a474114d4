"""One command for all suites of a group."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from benchmark.cli.completion import complete_suites
from benchmark.cli.display import console, output
from benchmark.schema import TemperError

if TYPE_CHECKING:
    from benchmark.suites import Suite

SuiteArgument = Annotated[
    str,
    typer.Argument(
        help="Name of a packaged suite or group, or path of a file of either.", autocompletion=complete_suites
    ),
]

INTERRUPTED = 130
"""Exit code of a run that was stopped from the keyboard."""


def each_suite(name: str, work: "Callable[[Suite], None]") -> None:
    """Call `work` for the named suite, or for each suite of a group. A suite that fails does not stop the others.

    Raises:
        TemperError: `work` failed on a single suite.
        Exit: a suite of a group failed; the code is the highest of all exit codes.
    """
    from benchmark.suites import load_suites

    suites = load_suites(name)
    if len(suites) == 1:
        work(suites[0])
        return
    codes = [_code_of(suite, work) for suite in suites]
    if any(codes):
        raise typer.Exit(max(codes))


def _code_of(suite: "Suite", work: "Callable[[Suite], None]") -> int:
    output.print(Text(f"{suite.name}@{suite.version}: {suite.title}", style="bold"))
    try:
        work(suite)
    except TemperError as error:
        console.print(Text(f"temper: {error}"))
        return error.exit_code
    except typer.Exit as stop:
        if stop.exit_code == INTERRUPTED:
            raise
        return stop.exit_code
    return 0
