"""`temper list`: methods, suites and backbones, without loading any of them."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import output


def show(
    methods: Annotated[
        bool, typer.Option("--methods", help="Only the methods: name, paper, verbs overridden.")
    ] = False,
    suites: Annotated[bool, typer.Option("--suites", help="Only the suites.")] = False,
) -> None:
    """List what can be run: methods, suites and packaged backbones."""
    everything = not (methods or suites)
    if methods:
        _print("Methods", [("Name", "Paper", "Verbs overridden"), *_verbs()])
    if everything:
        _print("Methods", _methods())
    if suites or everything:
        _print("Suites", _suites())
    if everything:
        _print(
            "Backbones",
            [
                ("minilm", "all-MiniLM-L6-v2, packaged"),
                ("OWNER/NAME", "an encoder of the Hub in safetensors; @REVISION pins it"),
                ("FOLDER", "a local folder"),
            ],
        )


def _methods() -> list[tuple[str, str]]:
    from benchmark.execution.registry import registered
    from benchmark.execution.sources import summary

    return [(name, summary(point).text) for name, point in registered().items()]


def _verbs() -> list[tuple[str, str, str]]:
    from benchmark.execution.registry import registered
    from benchmark.execution.sources import summary

    found = [(name, summary(point)) for name, point in registered().items()]
    return [(name, s.paper or s.text, ", ".join(s.verbs) or "none") for name, s in found]


def _suites() -> list[tuple[str, str]]:
    from benchmark.suites import available_suites, load_suite

    loaded = [load_suite(name) for name in available_suites()]
    return [(f"{suite.name}@{suite.version}", suite.title) for suite in loaded]


def _print(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, *texts in rows:
        table.add_row(Text(name, style="bold"), *map(Text, texts))
    output.print(table)
