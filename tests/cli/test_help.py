"""`--help` of every command fits 80 columns and ends with examples that the parser accepts."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchmark.cli.app import app

ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


def help_of(*path: str) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


def examples_of(text: str) -> list[list[str]]:
    """The command lines of the examples, as a shell splits them."""
    body = text.partition("Examples:\n")[2].replace("\\\n", " ")
    return [shlex.split(line.split(" | ")[0]) for line in body.splitlines() if line.strip().startswith("temper ")]


def parse(arguments: list[str]) -> tuple[str, ...]:
    """Parse a command line without running it, and return the path of its command."""
    context, command, path = None, ROOT, ()
    while True:
        context = command.make_context(path[-1] if path else "temper", list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return path
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        path = (*path, name)


def test_help_names_every_command_with_a_whole_sentence() -> None:
    text = help_of()
    assert "..." not in text.partition("Commands:")[2]
    assert len(examples_of(text)) == 3


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_examples_fit_eighty_columns_and_are_accepted_by_the_parser(path: tuple[str, ...]) -> None:
    text = help_of(*path)
    assert max(map(len, text.splitlines())) <= 80
    examples = examples_of(text)
    assert 2 <= len(examples) <= 3
    for words in examples:
        assert words[0] == "temper"
        assert path in ((), parse(words[1:]))


def test_an_option_that_does_not_exist_is_noticed() -> None:
    assert parse(["run", "demo", "--seeds", "3"]) == ("run",)
    with pytest.raises(Exception, match="No such option: --seedz"):
        parse(["run", "demo", "--seedz", "3"])
