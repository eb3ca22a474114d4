"""`temper run`, `status` and `explain`."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.board import print_section
from benchmark.cli.completion import complete_methods
from benchmark.cli.display import CellDisplay, console, output
from benchmark.cli.groups import INTERRUPTED, SuiteArgument, each_suite
from benchmark.execution.plan import parse_methods, plan, require_writable
from benchmark.schema import TemperError, method_slug
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from benchmark.execution.cells import Row
    from benchmark.execution.method_registry import MethodRequest
    from benchmark.execution.plan import Plan
    from benchmark.execution.workload import Workload
    from benchmark.suites import Suite

MethodsOption = Annotated[
    str,
    typer.Option(
        "--methods",
        autocompletion=complete_methods,
        help="Names separated by commas, or all; roast:variant=released sets a hyper-parameter, a+b composes.",
    ),
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds: 3 stands for 0, 1 and 2.")]
BackboneOption = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="Packaged name, Hub id or folder; NAME=... calls it NAME in records. [default: the suite's]",
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="A method of your own, as file.py or file.py:Class; may be repeated."),
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol", help="Options of papers' code, separated by commas; `temper suite show` says what each does."
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for artifacts and records.")]


def run(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
) -> None:
    """Train, predict, attack and score; compute only what is missing. The same command resumes."""
    requests = parse_methods(methods, plugin or ())
    each_suite(suite, lambda one: _run(one, requests, seeds, backbone, out, protocol=protocol))


def _run(
    suite: "Suite", requests: "Sequence[MethodRequest]", seeds: int, backbone: str | None, out: Path, *, protocol: str
) -> None:
    """Run all rows of one suite and write their records."""
    planned = _plan(suite, requests, seeds, backbone, out, protocol=protocol)
    rows, work = planned.rows, planned.work
    require_writable(out)
    for subject, absence in work.missing.items():
        console.print(Text(f"note: {subject} is left out, with the reason in its records: {absence.here}"))
    for task, count in work.excluded().items():
        console.print(Text(f"note: {task}: {counted(count, 'example')} that training has seen dropped."))

    display = CellDisplay()
    try:
        report = planned.execute(display)
    except KeyboardInterrupt:
        display.close()
        console.print("Interrupted. Finished stages and checkpoints are kept; rerun the same command to resume.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        display.close()
    if report.computed or report.failures:
        console.print(f"Computed {counted(report.computed, 'stage')}; {report.reused} were there already.")
    else:
        console.print(f"Nothing to compute: all {counted(report.reused, 'stage')} are there already.")
    _print_results(rows, work, out / "results")
    if report.failures:
        console.print(f"{len(report.failures)} of {counted(len(rows), 'row')} failed; their records say why.")
        raise typer.Exit(1)


def _print_results(rows: "Sequence[Row]", work: "Workload", results: Path) -> None:
    """Print the leaderboard's tables of the rows that were run, the place of the records, and the next command."""
    import leaderboard

    suite = f"{work.suite.name}@{work.suite.version}"
    backbones = {row.backbone.name for row in rows}
    try:
        board = leaderboard.load_board(results)
    except TemperError as error:
        console.print(Text(f"note: no table, since {results} holds a file that is refused: {error}"))
    else:
        sections = tuple(s for s in board.sections if s.suite == suite and s.backbone in backbones)
        for table in leaderboard.text_tables(replace(board, sections=sections)):
            print_section(table)
    console.print(Text(f"Records: {results / suite}"))
    folder = shlex.quote(str(results))
    names = list(dict.fromkeys(method_slug(r.method.cls.name, r.method.configuration, r.protocol) for r in rows))
    if len(names) > 1:
        first, second = (shlex.quote(name) for name in sorted(names[:2], key=lambda name: name == "vanilla"))
        console.print(Text(f"Next: temper compare {first} {second} --results {folder}"))
    console.print(Text(f"Next: temper board build --results {folder}"))


def status(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
) -> None:
    """Show which cells of a run are done, begun, missing or waiting for another."""
    requests = parse_methods(methods, plugin or ())
    each_suite(suite, lambda one: _status(one, requests, seeds, backbone, out, protocol=protocol))


def _status(
    suite: "Suite", requests: "Sequence[MethodRequest]", seeds: int, backbone: str | None, out: Path, *, protocol: str
) -> None:
    from benchmark.execution.cells import MODEL, cells_of
    from benchmark.execution.explanation import state_of

    planned = _plan(suite, requests, seeds, backbone, out, protocol=protocol)
    rows, work, store = planned.rows, planned.work, planned.store
    table = Table(box=None, pad_edge=False)
    for heading in ("Row", "Cell", "State"):
        table.add_column(heading)
    models = []
    for row in rows:
        for cell in cells_of(row, work, store):
            name, state = f"{cell.kind} {cell.subject}".rstrip(), state_of(cell, store)
            table.add_row(Text(row.label), Text(name), Text(state))
            if cell.kind == "train" and cell.key is not None and state == "done":
                models.append(f"Model of {row.label}: {store.folder(cell.kind, cell.key) / MODEL}")
    for subject in work.missing:
        table.add_row(Text("all rows"), Text(subject), Text("unavailable"))
    output.print(table)
    for model in models:
        output.print(Text(model))


def explain(
    suite: SuiteArgument,
    methods: MethodsOption = "vanilla",
    seeds: SeedsOption = 1,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    *,
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
) -> None:
    """Say why cells are not there: which fields differ from the nearest finished cell."""
    requests = parse_methods(methods, plugin or ())
    each_suite(suite, lambda one: _explain(one, requests, seeds, backbone, out, protocol=protocol))


def _explain(
    suite: "Suite", requests: "Sequence[MethodRequest]", seeds: int, backbone: str | None, out: Path, *, protocol: str
) -> None:
    from benchmark.execution.explanation import explain as explanations

    planned = _plan(suite, requests, seeds, backbone, out, protocol=protocol)
    rows, work, store = planned.rows, planned.work, planned.store
    count = 0
    for found in explanations(rows, work, store):
        count += 1
        output.print(Text(f"{found.label}: not there."))
        if not found.nearest:
            output.print(Text("  No cell of this kind is finished yet."))
            continue
        output.print(Text(f"  The nearest finished cell, of {found.nearest_row or found.nearest[:19]}, differs in"))
        for difference in found.differences:
            wanted, there = difference.wanted or "nothing", difference.found or "nothing"
            output.print(Text(f"    {difference.pointer}: asked for {wanted}, there {there}"))
    for note in store.notes:
        console.print(Text(f"note: {note}"))
    if not count:
        output.print("Every cell whose inputs are known is there.")


def _plan(
    suite: "Suite", requests: "Sequence[MethodRequest]", seeds: int, backbone: str | None, out: Path, *, protocol: str
) -> "Plan":
    """Check the whole request before training starts."""
    with console.status("Reading the suite's data"):
        return plan(suite, requests, seeds, backbone, out, protocol=protocol)
