"""Options and arguments that several commands share, completion of their names, and one command for a whole group."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.display import say, show
from benchmark.execution.plan import Settings
from benchmark.execution.trackers import TrackerName
from benchmark.schema import TemperError

if TYPE_CHECKING:
    from benchmark.suites import Suite

INTERRUPTED = 130
"""Exit code of a run that was stopped from the keyboard."""


def complete_suites(incomplete: str) -> list[str]:
    """Complete the name of a packaged suite or group."""
    from benchmark.suites import available_groups, available_suites

    return _starting({**available_suites(), **available_groups()}, incomplete)


def complete_methods(incomplete: str) -> list[str]:
    """Complete the last name of a list such as ``vanilla,roast`` or of a composition such as ``mvp+roast``."""
    from benchmark.execution.method_registry import registered

    start = max(incomplete.rfind(","), incomplete.rfind("+")) + 1
    composing = incomplete[:start].endswith("+")
    known = registered() if composing else ("all", "sanity", *registered(), *registered(sanity=True))
    names = _starting(known, incomplete[start:])
    return [incomplete[:start] + name for name in names]


def complete_attacks(incomplete: str) -> list[str]:
    """Complete the name of an attack."""
    from benchmark.attacks.recipes import ATTACKS

    return _starting(ATTACKS, incomplete)


def complete_tables(incomplete: str) -> list[str]:
    """Complete the name of a paper's table."""
    from benchmark.reproduction import available_reproductions

    return _starting(available_reproductions(), incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


SuiteArgument = Annotated[
    str,
    typer.Argument(
        help="Name of a packaged suite or group, or path of a file of either.", autocompletion=complete_suites
    ),
]
OneSuiteOption = Annotated[
    str,
    typer.Option("--suite", help="Name of a packaged suite, or path of a suite file.", autocompletion=complete_suites),
]
MethodArgument = Annotated[
    str,
    typer.Argument(help="The method, with its hyper-parameters as in `temper run`.", autocompletion=complete_methods),
]
MethodsOption = Annotated[
    str,
    typer.Option(
        "--methods",
        autocompletion=complete_methods,
        help="Names separated by commas, all, or sanity; roast:variant=released sets a hyper-parameter, a+b composes.",
    ),
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds: 3 means seeds 0, 1 and 2.")]
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol", help="Options of papers' code, separated by commas; `temper suite show` says what each does."
    ),
]
SettingsOption = Annotated[
    Settings,
    typer.Option("--settings", help="The methods' defaults, or those that `temper tune` selected."),
]
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
OutOption = Annotated[Path, typer.Option("--out", help="Folder for artifacts and records.")]
TrackOption = Annotated[
    TrackerName | None,
    typer.Option("--track", help="Send curves and scores to a tracker. It changes no result."),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        help="Rows (method and seed) at a time, in processes that share torch's threads. Each holds its own model and "
        "optimizer: about 1 GiB for MiniLM.",
    ),
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Where rows are computed: local, ray or slurm, with settings as in ray:address=auto,gpus=1.",
    ),
]
PublishedOption = Annotated[Path, typer.Option("--published", help="Folder of numbers printed in papers.")]
PUBLISHED = Path("leaderboard/published")


def published_folder(folder: Path) -> Path | None:
    """Return the folder that was named; None for the default one outside of a checkout."""
    return None if folder == PUBLISHED and not folder.is_dir() else folder


def each_suite(name: str) -> "Iterator[tuple[Suite, AbstractContextManager[None]]]":
    """Yield the named suite, or each suite of a group, with a context to work on it in.

    In a group, the context ends the work on a suite that fails, and the next suite is yielded.

    Raises:
        Exit: a suite of a group failed; the code is the highest of all exit codes.
    """
    from benchmark.suites import load_suites

    suites, codes = load_suites(name), list[int]()
    for suite in suites:
        yield suite, nullcontext() if len(suites) == 1 else _one_of_group(suite, codes)
    if any(codes):
        raise typer.Exit(max(codes))


@contextmanager
def _one_of_group(suite: "Suite", codes: list[int]) -> Iterator[None]:
    """Print the suite's title, and turn an error into a message and an exit code."""
    show(f"{suite.full_name}: {suite.title}", "bold")
    try:
        yield
    except TemperError as error:
        say(f"temper: {error}")
        codes.append(error.exit_code)
    except typer.Exit as stop:
        if stop.exit_code == INTERRUPTED:
            raise
        codes.append(stop.exit_code)
