"""`temper suite show` and `temper suite check`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from benchmark.cli.display import console, examples, print_table, show
from benchmark.cli.options import SuiteArgument, each_suite

if TYPE_CHECKING:
    from benchmark.suites import Attack, Group, Suite
    from benchmark.suites.check import SuitePart

app = typer.Typer(help="Show a suite, or check its file and data.", no_args_is_help=True)


@app.command(
    "show",
    epilog=examples(
        ("See the tasks, metrics and attacks of the demonstration", "temper suite show demo"),
        ("See the suites of a group", "temper suite show mvp"),
        ("See a suite of your own", "temper suite show path/to/my-suite.toml"),
    ),
)
def show_suite(suite: SuiteArgument) -> None:
    """Show a suite: its note, training task, recipe, evaluation tasks and attacks; or what a group lists."""
    from benchmark.suites import find_group, load_suite

    group = find_group(suite)
    if group is None:
        _show_suite(load_suite(suite))
    else:
        _show_group(group)


def _show_group(group: "Group") -> None:
    from benchmark.suites import members

    show(f"{group.full_name}: {group.title}", "bold")
    show(f"{group.note}\n")
    rows = [
        (one.full_name, str(len(one.tasks)), str(len(one.attacks)), one.backbone, one.title) for one in members(group)
    ]
    headings = ("Suite", "Tasks", "Attacks", "Backbone", "Title")
    print_table(headings, rows, right=("Tasks", "Attacks"), prose=("Title",))


def _show_suite(loaded: "Suite") -> None:
    from dataclasses import asdict

    from benchmark.schema.errors import counted

    show(f"{loaded.full_name}: {loaded.title}", "bold")
    show(loaded.note)
    show(f"\nTraining: {loaded.training.title}. {loaded.training.description}")
    recipe = ", ".join(f"{key}={value}" for key, value in asdict(loaded.recipe).items())
    rule = loaded.tuning_rule
    low, high = rule.learning_rate_factor
    tuning = f"{counted(rule.trials, 'trial')} per method, learning rate times {low:g} to {high:g}"
    show(f"Recipe: {recipe}\nTuning: {tuning}\nBackbone: {loaded.backbone}\n")
    rows = [(task.id, task.perspective, str(task.rows), f"{task.weight:g}", task.title) for task in loaded.tasks]
    rows += [
        (attack.id, "adversarial", str(attack.subset), f"{attack.weight:g}", f"{attack.title} on {attack.on}")
        for attack in loaded.attacks
    ]
    headings = ("Task", "Perspective", "Examples", "Weight", "Title")
    print_table(headings, rows, right=("Examples", "Weight"), prose=("Title",))
    show("\nMetrics")
    metrics: dict[str, list[str]] = {}
    for task in loaded.tasks:
        metrics.setdefault(" ".join(task.metrics), []).append(task.id)
    for names, tasks in metrics.items():
        show(f"  {', '.join(tasks)}: {names}", indent="    ")
    _show_parameters(loaded)
    _show_options()


def _show_parameters(loaded: "Suite") -> None:
    """Print all parameters in force: those that the file gives and the recipe's defaults."""
    from dataclasses import asdict

    from benchmark.attacks import parameters_of

    for attack in loaded.attacks:
        inside = {key: "none" if value is None else value for key, value in asdict(parameters_of(attack)).items()}
        show(f"\n{attack.id}: {attack.recipe}, backend {attack.backend}")
        for title, listed in (
            ("given", {key: value for key, value in inside.items() if key in attack.parameters}),
            ("default", {key: value for key, value in inside.items() if key not in attack.parameters}),
        ):
            if listed:
                show(f"  {title}: " + ", ".join(f"{key}={value}" for key, value in listed.items()))


def _show_options() -> None:
    from benchmark.schema.protocol import OPTIONS

    show("\nProtocol options of papers' code, off unless `temper run --protocol` names them:")
    for name, option in OPTIONS.items():
        show(f"  {name}: {option.text}")


@app.command(
    epilog=examples(
        ("Check the data of a packaged suite", "temper suite check demo"),
        ("Check a suite of your own", "temper suite check path/to/my-suite.toml"),
    )
)
def check(suite: SuiteArgument) -> None:
    """Check a suite file and its data; exit with 1 if anything is wrong."""
    from benchmark.schema.errors import counted
    from benchmark.suites import SuiteError

    try:
        for one, attempt in each_suite(suite):
            with attempt:
                _check(one)
    except SuiteError as error:
        mistakes = counted(len(error.problems), "mistake")
        show(f"{error}\n{mistakes}. Fix the file first; its data was not checked.")
        raise typer.Exit(1) from None


def _check(loaded: "Suite") -> None:
    from benchmark.suites.check import inspect

    parts: list[SuitePart] = []
    with console.status("Reading the suite's data") as status:
        for part in inspect(loaded):
            parts.append(part)
            status.update(f"Read {part.name}")
    parts += [_attack_part(attack, parts) for attack in loaded.attacks]
    _print(parts)
    _conclude(loaded, parts)


def _attack_part(attack: "Attack", parts: Iterable["SuitePart"]) -> "SuitePart":
    """Check that an attack's evaluation task and the attack's own lexicon, encoder and other parts are here."""
    from benchmark.attacks import require_parts
    from benchmark.schema import TemperError, UnavailableError
    from benchmark.suites.check import SuitePart

    part = SuitePart(attack.id, rows=attack.subset)
    task = next(one for one in parts if one.name == attack.on)
    if task.state != "ok":
        part.get = f"waiting for {attack.on}"
    try:
        require_parts(attack)
    except UnavailableError as error:
        part.get = str(error)
    except TemperError as error:
        part.problems.append((f"attacks[{attack.id}].parameters", str(error)))
    return part


def _print(parts: Iterable["SuitePart"]) -> None:
    rows = []
    for part in parts:
        classes = ", ".join(f"{name} {count}" for name, count in part.classes.items()) or "-"
        leak = "-" if part.leak is None else f"{part.leak.exact} exact, {part.leak.near} near"
        rows.append((part.name, "-" if part.rows is None else str(part.rows), classes, leak, part.state))
    headings = ("Part", "Rows", "Classes", "Also in training", "State")
    print_table(headings, rows, right=("Rows",), prose=("Classes",))


def _ways(absent: Iterable["SuitePart"]) -> list[str]:
    """Say how to get the missing parts, with one sentence per way."""
    ways: dict[str, list[str]] = {}
    for part in absent:
        ways.setdefault(part.get, []).append(part.name)
    return [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} unavailable here: {way}."
        for way, names in ways.items()
    ]


def _conclude(suite: "Suite", parts: Iterable["SuitePart"]) -> None:
    """Print notes, how to get missing parts, and, last so that they stay visible, mistakes with file and key."""
    from benchmark.data.sources.mirror import MIRROR_VARIABLE, mirror_problem
    from benchmark.schema.errors import counted

    place = suite.path.name
    wrong = [f"{place}: {key}: {sentence}" for part in parts for key, sentence in part.problems]
    absent = [part for part in parts if part.state == "unavailable"]
    notes = [f"note: {place}: {note}" for part in parts for note in part.notes]
    show("")
    for line in notes:
        show(line, "dim")
    mirror = mirror_problem() if any(MIRROR_VARIABLE in part.get for part in absent) else ""
    for line in filter(None, (*_ways(absent), mirror, *wrong)):
        show(line)
    if wrong:
        show(f"{suite.full_name}: {counted(len(wrong), 'mistake')}.")
        raise typer.Exit(1)
    rest = f", but for {counted(len(absent), 'part')} unavailable here" if absent else ""
    show(f"{suite.full_name}: every part is as the suite declares it{rest}.")
