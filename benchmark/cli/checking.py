"""`temper suite check`: report every problem of a suite file and its data."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.display import console, output
from benchmark.cli.groups import SuiteArgument, each_suite

if TYPE_CHECKING:
    from benchmark.suites import Attack, Suite
    from benchmark.suites.check import Part


def check(suite: SuiteArgument) -> None:
    """Hold a suite file and its data against each other; exits with 1 where anything is wrong."""
    from benchmark.schema.errors import counted
    from benchmark.suites import SuiteError

    try:
        each_suite(suite, _check)
    except SuiteError as error:
        mistakes = counted(len(error.problems), "mistake")
        output.print(Text(f"{error}\n{mistakes}. The data is read once the file has none."))
        raise typer.Exit(1) from None


def _check(loaded: "Suite") -> None:
    from benchmark.suites.check import inspect

    parts: list[Part] = []
    with console.status("Reading the suite's data") as status:
        for part in inspect(loaded):
            parts.append(part)
            status.update(f"Read {part.name}")
    parts += [_attack_part(attack, parts) for attack in loaded.attacks]
    _print(parts)
    _conclude(loaded, parts)


def _attack_part(attack: "Attack", parts: Iterable["Part"]) -> "Part":
    """Check that an attack's evaluation task and the attack's own lexicon, encoder and other parts are here."""
    from benchmark.attacks import require_parts
    from benchmark.schema import TemperError, UnavailableError
    from benchmark.suites.check import Part

    part = Part(attack.id, rows=attack.subset)
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


def _print(parts: Iterable["Part"]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("Part", "Rows", "Classes", "Also in training", "State"):
        table.add_column(heading, justify="right" if heading == "Rows" else "left")
    for part in parts:
        classes = ", ".join(f"{name} {count}" for name, count in part.classes.items()) or "-"
        leak = "-" if part.leak is None else f"{part.leak.exact} exact, {part.leak.near} near"
        rows = "-" if part.rows is None else str(part.rows)
        table.add_row(*map(Text, (part.name, rows, classes, leak, part.state)))
    output.print(table)


def _ways(absent: Iterable["Part"]) -> list[str]:
    """Say how to get the missing parts, with one sentence per way."""
    ways: dict[str, list[str]] = {}
    for part in absent:
        ways.setdefault(part.get, []).append(part.name)
    return [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} unavailable here: {way}."
        for way, names in ways.items()
    ]


def _conclude(suite: "Suite", parts: Iterable["Part"]) -> None:
    """Print notes, how to get missing parts, and, last so that they stay visible, mistakes with file and key."""
    from benchmark.data.sources.mirror import MIRROR_VARIABLE, mirror_problem
    from benchmark.schema.errors import counted

    place = suite.path.name
    wrong = [f"{place}: {key}: {sentence}" for part in parts for key, sentence in part.problems]
    absent = [part for part in parts if part.state == "unavailable"]
    notes = [f"note: {place}: {note}" for part in parts for note in part.notes]
    output.print()
    for line in notes:
        output.print(Text(line, style="dim"))
    mirror = mirror_problem() if any(MIRROR_VARIABLE in part.get for part in absent) else ""
    for line in filter(None, (*_ways(absent), mirror, *wrong)):
        output.print(Text(line))
    if wrong:
        output.print(Text(f"{suite.name}@{suite.version}: {counted(len(wrong), 'mistake')}."))
        raise typer.Exit(1)
    rest = f", but for {counted(len(absent), 'part')} unavailable here" if absent else ""
    output.print(Text(f"{suite.name}@{suite.version}: every part is as the suite declares it{rest}."))
