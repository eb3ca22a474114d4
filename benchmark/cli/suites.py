"""`temper suite show` and `temper suite check`."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli import checking
from benchmark.cli.display import output
from benchmark.cli.groups import SuiteArgument

if TYPE_CHECKING:
    from benchmark.suites import Group, Suite

app = typer.Typer(help="What a suite holds, and whether its data is as it says.", no_args_is_help=True)
app.command("check")(checking.check)


@app.command()
def show(suite: SuiteArgument) -> None:
    """Show a suite: its note, training task, recipe, evaluation tasks and attacks; or what a group lists."""
    from benchmark.suites import find_group, load_suite

    group = find_group(suite)
    if group is None:
        _show_suite(load_suite(suite))
    else:
        _show_group(group)


def _show_group(group: "Group") -> None:
    from benchmark.suites import members

    output.print(Text(f"{group.name}@{group.version}: {group.title}", style="bold"))
    output.print(Text(f"{group.note}\n"))
    table = Table(box=None, pad_edge=False)
    for heading in ("Suite", "Tasks", "Attacks", "Backbone", "What"):
        table.add_column(heading)
    for loaded in members(group):
        counts = str(len(loaded.tasks)), str(len(loaded.attacks))
        table.add_row(*map(Text, (f"{loaded.name}@{loaded.version}", *counts, loaded.backbone, loaded.title)))
    output.print(table)


def _show_suite(loaded: "Suite") -> None:
    from dataclasses import asdict

    output.print(Text(f"{loaded.name}@{loaded.version}: {loaded.title}", style="bold"))
    output.print(Text(loaded.note))
    output.print(Text(f"\nTraining: {loaded.training.title}. {loaded.training.description}"))
    recipe = ", ".join(f"{key}={value}" for key, value in asdict(loaded.recipe).items())
    output.print(Text(f"Recipe: {recipe}\nBackbone: {loaded.backbone}\n"))
    table = Table(box=None, pad_edge=False)
    for heading in ("Task", "Perspective", "Examples", "Metrics", "What"):
        table.add_column(heading)
    for task in loaded.tasks:
        cells = (task.id, task.perspective, str(task.rows), " ".join(task.metrics), task.title)
        table.add_row(*map(Text, cells))
    for attack in loaded.attacks:
        row = (attack.id, "adversarial", str(attack.subset), f"on {attack.on}", attack.title)
        table.add_row(*map(Text, row))
    output.print(table)
    _show_parameters(loaded)
    _show_options()


def _show_parameters(loaded: "Suite") -> None:
    """Print all parameters in force: those that the file gives and the recipe's defaults."""
    from dataclasses import asdict

    from benchmark.attacks import parameters_of

    for attack in loaded.attacks:
        inside = {key: "none" if value is None else value for key, value in asdict(parameters_of(attack)).items()}
        output.print(Text(f"\n{attack.id}: {attack.recipe}, backend {attack.backend}"))
        for title, listed in (
            ("given", {key: value for key, value in inside.items() if key in attack.parameters}),
            ("default", {key: value for key, value in inside.items() if key not in attack.parameters}),
        ):
            if listed:
                output.print(Text(f"  {title}: " + ", ".join(f"{key}={value}" for key, value in listed.items())))


def _show_options() -> None:
    from benchmark.schema.protocol import OPTIONS

    output.print(Text("\nProtocol options of papers' code, off unless `temper run --protocol` names them:"))
    for name, option in OPTIONS.items():
        output.print(Text(f"  {name}: {option.text}"))
