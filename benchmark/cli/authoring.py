"""`temper new` and `temper check`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from benchmark.cli.completion import complete_methods
from benchmark.cli.display import CellDisplay, console, output
from benchmark.cli.running import PluginOption

_COLOURS = {"passed": "green", "failed": "bold red", "not run": "yellow"}


def new(
    name: Annotated[str, typer.Argument(help="Name of the method, like my_method.")],
    *,
    package: Annotated[bool, typer.Option("--package", help="A package of its own instead of files here.")] = False,
) -> None:
    """Create a method: a commented plugin, its test with the contract, and a list of what to fill in."""
    from benchmark.authoring.scaffold import begin_in_tree, begin_package

    begun = (begin_package if package else begin_in_tree)(name, Path())
    for path in begun.written:
        output.print(Text(f"wrote  {path}"))
    output.print(Text("\nWhat to do next:"))
    for number, step in enumerate(begun.steps, start=1):
        output.print(Text(f"  {number}. {step}"))


def check(
    method: Annotated[
        str,
        typer.Argument(
            help="The method, with its hyper-parameters as in `temper run`.", autocompletion=complete_methods
        ),
    ],
    *,
    plugin: PluginOption = None,
) -> None:
    """Check a method: metadata, its test, lint, contract, a minute of training, cost; exit with 1 if a check fails."""
    from benchmark.authoring.method_check import check_method
    from benchmark.execution.method_registry import load_plugin

    for text in plugin or ():
        load_plugin(text)
    count = wrong = 0
    progress = _Progress()
    try:
        for finding in check_method(method, progress):
            progress.close()
            count += 1
            wrong += finding.state != "passed"
            output.print(
                Text.assemble((f"{finding.state:8}", _COLOURS[finding.state]), f"{finding.about:56}  {finding.found}")
            )
            if finding.advice:
                output.print(Text(f"{'':8}to do: {finding.advice}"))
    finally:
        progress.close()
    if wrong:
        console.print(f"{wrong} of {count} checks did not pass.")
        raise typer.Exit(1)
    console.print(f"All {count} checks passed.")


class _Progress:
    """A progress bar for the check in progress."""

    def __init__(self) -> None:
        self._display, self._label = CellDisplay(), ""

    def __call__(self, label: str, done: int, total: int) -> None:
        if label != self._label:
            self.close()
            self._display.begin(label)
            self._label = label
        if total:
            self._display.advance(done, total)

    def close(self) -> None:
        """Remove the bar."""
        self._display.close()
        self._label = ""
