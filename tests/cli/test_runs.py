"""Final output of `temper run`: its rows, what it left out, and the next command."""

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.execution.plan import require_writable
from benchmark.suites import load_suite, training_splits
from tests.support.processes import python
from tests.support.tiny_suite import write_tiny_suite


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["run", *arguments], env={"COLUMNS": "1000"})
    assert done.exit_code == 0, done.output
    return done.output


def test_run_ends_with_its_rows_and_commands_that_work(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = str(write_tiny_suite(tmp_path, tiny_backbone))
    shown = run(suite, "--methods", "vanilla,mixout", "--out", str(tmp_path / "runs"))
    table = shown[shown.index("Tiny (tiny@1") : shown.index("Records: ")]
    assert {"Method", "vanilla", "mixout"} <= set(table.split())
    commands = [line.removeprefix("Next: temper ") for line in shown.splitlines() if line.startswith("Next: ")]
    assert [command.split()[0] for command in commands] == ["compare", "board"]
    for command in commands:
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, done.output


def test_examples_that_training_has_seen_are_counted(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = write_tiny_suite(tmp_path, tiny_backbone)
    seen = [example.texts[0] for example in training_splits(load_suite(str(suite))).train.examples[:5]]
    with (tmp_path / "away.jsonl").open("a") as data:
        data.writelines(json.dumps({"text": text, "label": 1}) + "\n" for text in seen)
    suite.write_text(suite.read_text().replace('id = "away"\n', 'id = "away"\nexclude_training = true\n'))
    shown = run(str(suite), "--out", str(tmp_path / "runs"))
    assert "note: away: 5 examples that training has seen dropped." in shown


def test_a_method_of_the_project_that_is_not_installed_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project.entry-points."temper.methods"]\nmine = "methods.mine:Mine"\n')
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "demo", "--methods", "mine"])
    assert "pip install -e ." in str(done.exception)
    other = CliRunner().invoke(app, ["run", "demo", "--methods", "mnie"])
    assert "There is no method 'mnie'" in str(other.exception)


def test_commands_that_start_at_once_do_not_refuse_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: require_writable(tmp_path / "out"), range(2000)))
    assert list((tmp_path / "out").iterdir()) == []


def test_modules_that_only_unix_has_are_not_needed_to_import_temper() -> None:
    script = """
import builtins, importlib, pkgutil, signal
known = builtins.__import__
def portable(name, globals=None, *rest):
    importer = str((globals or {}).get("__name__"))
    if name in {"fcntl", "resource", "pwd", "grp", "termios"} and importer.startswith("benchmark"):
        raise ModuleNotFoundError(name)
    return known(name, globals, *rest)
builtins.__import__ = portable
del signal.pthread_sigmask, signal.setitimer
import benchmark
for module in pkgutil.walk_packages(benchmark.__path__, "benchmark."):
    if ".textattack" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
