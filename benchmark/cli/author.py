"""`temper new` and `temper check`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.display import examples, say, show
from benchmark.cli.options import MethodArgument, PluginOption
from benchmark.cli.progress import CellDisplay

NEW_EXAMPLES = examples(
    ("Write a method and its test into this checkout", "temper new my_method"),
    ("Write a package of its own", "temper new my_method --package"),
)
CHECK_EXAMPLES = examples(
    ("Check a method of this checkout", "temper check roast"),
    ("Check it with other hyper-parameters", "temper check roast:variant=released"),
    ("Check a file of your own", "temper check my_method --plugin my_method.py"),
)

_STYLES = {"passed": "", "failed": "bold red", "not run": "yellow"}


def new(
    name: Annotated[str, typer.Argument(help="Name of the method, like my_method.")],
    *,
    package: Annotated[bool, typer.Option("--package", help="A package of its own instead of files here.")] = False,
) -> None:
    """Create a method from a template. Also writes its test, and lists the next steps."""
    from benchmark.authoring.scaffold import begin_in_tree, begin_package

    begun = (begin_package if package else begin_in_tree)(name, Path())
    for path in begun.written:
        show(f"Written: {path}")
    show("\nNext steps:")
    for number, step in enumerate(begun.steps, start=1):
        show(f"  {number}. {step}", indent="     ")


def check(
    method: MethodArgument,
    *,
    plugin: PluginOption = None,
) -> None:
    """Check a method before a long run. Exits with 1 if a check fails.

    Checks metadata, its own test, lint, the contract, a minute of training and the cost.
    """
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
            show(f"{finding.state:8}{finding.about}: {finding.message}", _STYLES[finding.state], indent=" " * 10)
            if finding.advice:
                show(f"{'':8}Next: {finding.advice}", indent=" " * 10)
    finally:
        progress.close()
    if wrong:
        say(f"{wrong} of {count} checks did not pass.")
        raise typer.Exit(1)
    say(f"All {count} checks passed.")


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
