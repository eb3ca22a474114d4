"""`temper list`: methods, suites and backbones, without loading any of them."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import output


def show(
    methods: Annotated[bool, typer.Option("--methods", help="Only the methods.")] = False,
    suites: Annotated[bool, typer.Option("--suites", help="Only the suites.")] = False,
) -> None:
    """List what can be run: methods, suites and packaged backbones."""
    everything = not (methods or suites)
    if methods or everything:
        _print("Methods", [(name, point_summary) for name, point_summary in _methods()])
    if suites or everything:
        _print("Suites", _suites())
    if everything:
        _print(
            "Backbones",
            [
                ("minilm", "all-MiniLM-L6-v2, packaged"),
                ("OWNER/NAME", "any encoder of the Hub in safetensors"),
                ("FOLDER", "a local folder"),
            ],
        )


def _methods() -> list[tuple[str, str]]:
    from benchmark.execution.registry import registered, summary

    return [(name, summary(point)) for name, point in registered().items()]


def _suites() -> list[tuple[str, str]]:
    from benchmark.suites import available_suites, load_suite

    loaded = [load_suite(name) for name in available_suites()]
    return [(f"{suite.name}@{suite.version}", suite.title) for suite in loaded]


def _print(title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text))
    output.print(table)
