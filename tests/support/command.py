"""Run `temper` commands: in this process, or in a new one where the process itself is tested."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from benchmark.cli.main import main
from tests.support.folders import tree
from tests.support.plugins import forget_plugins
from tests.support.processes import REPOSITORY, Done, python


def temper(*arguments: object, folder: Path = REPOSITORY, **environment: str) -> Done:
    """Run a command in this process, which saves the import of torch and transformers: 10 seconds per command.

    Any exception other than Temper's own is raised here, so a test fails where a user would see a traceback.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with _as_command(list(map(str, arguments)), folder, environment), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Done(["temper", *map(str, arguments)], code, out.getvalue(), err.getvalue())


def temper_process(*arguments: object, **environment: str) -> Done:
    """Run a command in a new process, which sees another PYTHONPATH and imports Temper itself."""
    return python("-m", "benchmark.cli.main", *arguments, **environment)


def tune_here_and_there(suite: Path, here: Path, there: Path, executor: str) -> None:
    """Tune in this process and elsewhere, and compare the trials byte for byte."""
    for out, place in ((here, "local"), (there, executor)):
        done = temper("tune", suite, "--methods", "vanilla", "--trials", 2, "--out", out, "--executor", place)
        assert done.returncode == 0, done.stderr
        assert "Ran 2 trials." in done.stderr + done.stdout
    trials = tree(there / "results")
    assert [Path(name).name for name in trials if "trials" in name] == ["trials.jsonl"]
    assert trials == tree(here / "results")


@contextmanager
def _as_command(arguments: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Set what a new process would have, and restore what was there."""
    variables, argv, cwd = dict(os.environ), sys.argv, Path.cwd()
    handler = signal.getsignal(signal.SIGINT)
    os.environ.update(environment)
    sys.argv = ["temper", *arguments]
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(cwd)
        sys.argv = argv
        os.environ.clear()
        os.environ.update(variables)
        signal.signal(signal.SIGINT, handler)
        forget_plugins()
