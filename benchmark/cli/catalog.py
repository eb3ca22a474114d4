"""`temper list`: methods, suites, attacks and backbones, without loading any of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.display import examples, print_table, show

if TYPE_CHECKING:
    from benchmark.execution.costs import Cost

EXAMPLES = examples(
    ("List everything", "temper list"),
    ("See what each method costs and which hooks it overrides", "temper list --methods"),
    ("See the hyper-parameters of all methods", "temper list --hyperparameters"),
)

_PROSE = ("What it does", "What it is", "Title", "Suites", "Hooks overridden", "Paper", "Legal values")
_COLUMNS = (
    "Floor: passes per step relative to vanilla, counted in a run; a forward is 1, a backward 2, a backward to the "
    "inputs 1.\nOnce: passes before the first step, in epochs of vanilla.\n"
    "Measured: time per step relative to vanilla."
)


def show_catalog(
    methods: Annotated[
        bool, typer.Option("--methods", help="Only the methods: cost, overridden hooks, paper.")
    ] = False,
    suites: Annotated[bool, typer.Option("--suites", help="Only the suites.")] = False,
    attacks: Annotated[bool, typer.Option("--attacks", help="Only the attacks: name, paper, description.")] = False,
    hyperparameters: Annotated[
        bool,
        typer.Option("--hyperparameters", help="Only the methods' hyper-parameters: defaults, legal values, search."),
    ] = False,
) -> None:
    """List methods, suites, attacks, papers' tables and backbones."""
    everything = not (methods or suites or attacks or hyperparameters)
    if methods:
        _show_costs()
    if everything:
        _print("Methods", ("Name", "What it does"), _methods())
        _print("Sanity checks (never ranked)", ("Name", "What it does"), _methods(sanity=True))
    if hyperparameters:
        _print("Hyper-parameters", ("Method", "Name", "Default", "Legal values", "Tuned over"), _hyperparameters())
    if suites or everything:
        _print("Suites", ("Name", "Title"), _suites())
        _print("Groups of suites", ("Name", "Title", "Suites"), _groups())
    if attacks or everything:
        _print("Attacks", ("Name", "Paper", "What it does"), _attacks())
    if everything:
        _print("Tables to reproduce", ("Name", "Title"), _tables())
        _print(
            "Backbones",
            ("Name", "What it is"),
            [
                ("minilm", "all-MiniLM-L6-v2, an encoder, packaged"),
                ("smollm2", "SmolLM2-135M-Instruct, a decoder, packaged"),
                ("OWNER/NAME", "an encoder or a decoder of the Hub in safetensors; @REVISION pins it"),
                ("FOLDER", "a local folder"),
            ],
        )


def _methods(*, sanity: bool = False) -> list[tuple[str, str]]:
    from benchmark.execution.method_registry import registered
    from benchmark.execution.method_source import summary

    return [(name, summary(point).text) for name, point in registered(sanity=sanity).items()]


def _hyperparameters() -> list[tuple[str, str, str, str, str]]:
    from benchmark.execution.method_registry import registered
    from benchmark.execution.method_source import summary

    return [(name, *row) for name, point in registered().items() for row in summary(point).hyperparameters]


def _show_costs() -> None:
    """Print the methods with the counted and timed cost of a training step."""
    from benchmark.execution.costs import Costs
    from benchmark.execution.method_registry import registered
    from benchmark.execution.method_source import summary

    known = {name: Costs.for_method(point).methods.get(name) for name, point in registered().items()}
    summaries = {name: summary(point) for name, point in registered().items()}
    rows = [(n, *_figures(known[n]), ", ".join(s.hooks) or "none", s.paper or s.text) for n, s in summaries.items()]
    _print("Methods", ("Name", "Floor", "Once", "Measured", "Hooks overridden", "Paper"), rows)
    settings = sorted({cost.setting for cost in known.values() if cost and cost.setting})
    notes = [_COLUMNS, *(f"Measured: {setting}." for setting in settings)]
    unmeasured = [name for name, cost in known.items() if cost is None and not summaries[name].averages_trials]
    if unmeasured:
        command = f"python -m benchmark.testing.pass_counts {' '.join(unmeasured)}"
        notes.append(f"Not measured: {', '.join(unmeasured)}. `{command}` counts their passes.")
    show("\n".join(notes))


def _figures(cost: "Cost | None") -> tuple[str, str, str]:
    """Format the counted cost per step, the cost before the first step, and the timed ratio to vanilla."""
    from benchmark.execution.costs import over_vanilla

    if cost is None:
        return "-", "-", "-"
    once = over_vanilla(cost.once)
    timed = "-" if cost.measured is None else f"{cost.measured:.2f}"
    return f"{over_vanilla(cost.step):.2f}", f"{once:.2f}" if once else "", timed


def _suites() -> list[tuple[str, str]]:
    from benchmark.suites import available_suites, load_suite

    loaded = [load_suite(name) for name in available_suites()]
    return [(suite.full_name, suite.title) for suite in loaded]


def _groups() -> list[tuple[str, str, str]]:
    from benchmark.suites import available_groups, find_group

    loaded = filter(None, map(find_group, available_groups()))
    return [(group.full_name, group.title, ", ".join(group.suites)) for group in loaded]


def _tables() -> list[tuple[str, str]]:
    from benchmark.reproduction import available_reproductions, load_reproduction

    loaded = [load_reproduction(name) for name in available_reproductions()]
    return [(table.name, f"{table.title} ({table.paper})") for table in loaded]


def _attacks() -> list[tuple[str, str, str]]:
    """Return name, paper and first sentence of each attack; the paper is cited in the sentence: "Jin et al., 2020"."""
    import re

    from benchmark.attacks.recipes import ATTACKS

    rows = []
    for name, recipe in ATTACKS.items():
        sentence = str(recipe.__doc__)
        paper = re.search(r"([A-Z]\w+ et al\.),? \(?(\d{4})", sentence)
        rows.append((name, ", ".join(paper.groups()) if paper else "-", sentence))
    return rows


def _print(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    show(title, "bold")
    print_table(headings, rows, right=("Floor", "Once", "Measured"), prose=_PROSE)
    show("")
