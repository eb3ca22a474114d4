"""Execute the ten steps of CONTRIBUTING.md as written, in a clone whose suite `offline` is a tiny one."""

import json
import os
import re
import shutil
import site
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.suites import load_suite
from scripts.ci_checks import misplaced
from tests.support.needs import ATTACK, missing
from tests.support.processes import python
from tests.support.tiny import write_tiny_bert
from tests.support.tiny_suite import write_tiny_suite

REPOSITORY = Path(__file__).resolve().parents[1]

TRIAL = "MOST, LEAST, VALIDATION, EPOCHS = 160, 48, 60, 4"
TYPED = 'packages = ["benchmark", "methods", "leaderboard", "scripts"]'
COMMAND = """#!{python} -ES
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
    code, out, err = json.load(server.makefile())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
EDITOR = """import re, sys
from pathlib import Path
words = {
    "the method's full name, with authors, venue and year.": "noisy embeddings, by nobody, nowhere, 2026.",
    "one sentence that ends here; `temper list` shows it.": "Train on embeddings with noise; `temper list` shows it.",
    "Authors, Venue Year": "A. Newcomer, Nowhere 2026",
}
for file in sys.argv[1:]:
    text = Path(file).read_text()
    for before, after in words.items():
        text = text.replace(before, after)
    if "FILL IN: " not in text:  # the second time: another default, and what follows from it
        text = text.replace("Ge(0)] = 0.1", "Ge(0)] = 0.2").replace("e + 0.1 * u", "e + 0.2 * u")
    Path(file).write_text(text.replace("FILL IN: ", ""))
"""


def steps() -> list[str]:
    """The commands of each step, as a shell takes them."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    text = text[: text.index("## Work on Temper itself")]
    parts = re.split(r"^\d+\. ", text, flags=re.MULTILINE)[1:]
    return ["\n".join(line.strip() for line in part.split("\n") if re.match(r" {7,}\S", line)) for part in parts]


def fork_of(folder: Path) -> Path:
    """A bare repository with what is in this working tree now."""
    work, bare = folder / "work", folder / "fork.git"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, check=True,
    ).stdout.split(b"\0")  # fmt: skip
    for name in filter(None, map(os.fsdecode, listed)):
        if (REPOSITORY / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, work / name)
    backbone = folder / "minilm"
    backbone.mkdir()
    tiny = write_tiny_suite(work / "benchmark/suites", write_tiny_bert(backbone), attack=not missing(*ATTACK))
    text = tiny.read_text().replace('name = "tiny"', 'name = "offline"').replace("ranked = false", "ranked = true")
    # What a ranked suite declares.
    counts = "train_rows = 60, validation_limit = 16, validation_rows = 16, test_limit = 16, test_rows = 16"
    text = text.replace("validation_limit = 16, test_limit = 16", counts)
    (work / "benchmark/suites/offline.toml").write_text(
        text.replace("[[tasks]]", "[tuning]\ntrials = 2\n\n[[tasks]]", 1)
    )
    tiny.unlink()
    # A minute of training is for methods; the command needs a few steps.
    replace_in(work / "benchmark/authoring/trial_run.py", TRIAL, "MOST, LEAST, VALIDATION, EPOCHS = 32, 32, 8, 2")
    # The methods and all that they import; `make lint` checks the rest of the checkout elsewhere.
    replace_in(work / "pyproject.toml", TYPED, 'packages = ["methods"]')
    shutil.rmtree(work / "leaderboard/results", ignore_errors=True)
    (work / "leaderboard/results").mkdir()
    (work / "leaderboard/results/README").write_text("Empty.\n")
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "add", "-A", "-f"],
        ["git", "commit", "-q", "-m", "x"],
        ["git", "clone", "-q", "--bare", ".", str(bare)],
    ):
        subprocess.run(command, cwd=work, env=environment(folder), check=True, capture_output=True)
    return bare


def replace_in(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def environment(folder: Path) -> dict[str, str]:
    identity = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "GIT_"))}
    editor = f"{sys.executable} {folder / 'editor.py'}"
    return kept | identity | {
        "FORK": str(folder / "fork.git"),
        "SUITE": "offline@1",
        "SEEDS": "3",
        "EDITOR": editor,
        "PYTHON": sys.executable,
        "TEMPER_OFFLINE": "1",
        # What is installed is enough, and building the package needs no more than that either.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }  # fmt: skip


def borrow_environment(clone: Path) -> None:
    """A fresh .venv that sees what is installed here, in place of an hour of downloads."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clone / ".venv")], check=True)
    if (REPOSITORY / ".mypy_cache").is_dir():
        # mypy compares hashes of the sources; it then checks the new files and no library again.
        shutil.copytree(REPOSITORY / ".mypy_cache", clone / ".mypy_cache")
    (packages,) = (clone / ".venv").glob("lib/python*/site-packages")
    installed = dict.fromkeys([*site.getsitepackages(), *(path for path in sys.path if path.endswith("site-packages"))])
    (packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in installed))
    tools = {tool: f"-m {tool}" for tool in ("pytest", "pip", "mypy")}
    # `python -m ruff` runs the program of that name in the environment, so that one has to be the real one.
    (clone / ".venv/bin/ruff").symlink_to(Path(sys.executable).parent / "ruff")
    tools["lint-imports"] = "-c 'from importlinter.cli import lint_imports_command as run; run()'"
    for tool, options in tools.items():
        script = clone / ".venv/bin" / tool
        script.write_text(f'#!/bin/sh\nexec "{clone}/.venv/bin/python" {options} "$@"\n')
        script.chmod(0o755)


class Commands(socketserver.StreamRequestHandler):
    """Runs `temper` commands in the clone, each in a new process that finds torch and transformers imported."""

    def handle(self) -> None:
        words, folder, environment = json.loads(self.rfile.readline())
        # What is installed in the clone's environment comes first.
        environment["PYTHONPATH"] = str(next(Path(folder).glob(".venv/lib/python*/site-packages")))
        done = python("-m", "benchmark.cli.main", *words, folder=Path(folder), **environment)
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


@pytest.fixture()
def command(tmp_path: Path) -> Iterator[Path]:
    """A script that runs `temper` commands, which saves the import of torch for each."""
    path, address = tmp_path / "temper-command", str(tmp_path / "commands")
    path.write_text(COMMAND.format(python=sys.executable, address=address))
    path.chmod(0o755)
    with socketserver.UnixStreamServer(address, Commands) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path
        server.shutdown()


def test_there_are_ten_steps_and_each_is_a_command() -> None:
    found = steps()
    assert len(found) == 10
    assert all(found)
    for command in (
        "temper new",
        "temper check",
        "temper tune",
        "temper run",
        "temper submit",
        "temper verify",
        "temper board build",
    ):
        assert any(command in step for step in found), command


def test_the_suites_that_it_names_are_packaged_in_that_version() -> None:
    named = re.findall(r"SUITE=(\S+?@[0-9]+)", (REPOSITORY / "CONTRIBUTING.md").read_text())
    assert len(named) == 2
    for name in named:
        assert f"{load_suite(name).name}@{load_suite(name).version}" == name


def test_every_module_of_the_toolbox_is_named() -> None:
    modules = {path.stem for path in (REPOSITORY / "benchmark/training/toolbox").glob("*.py")} - {"__init__"}
    rows = re.findall(r"^\| (`.*?`) \|", (REPOSITORY / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(rows))) == modules


@pytest.mark.slow()
@pytest.mark.resources()
@pytest.mark.needs("textattack")  # `make` installs the extra [dev], which has it
def test_the_ten_steps_lead_from_a_clone_to_a_sound_branch(tmp_path: Path, command: Path) -> None:
    fork_of(tmp_path)
    (tmp_path / "editor.py").write_text(EDITOR)
    first, *rest = steps()
    run(first, tmp_path)
    clone = tmp_path / "temper"
    borrow_environment(clone)
    # `make` of step 2 calls the command that is installed.
    begin = f'. .venv/bin/activate\ntemper() {{ "{command}" "$@"; }}\n'
    ran = [run(begin + step, clone) for step in rest]
    assert any("checks passed." in output for output in ran)
    # As an author who changes a default: edit, run, submit, verify and push again.
    again = [run(begin + step, clone) for step in (steps()[3], *steps()[6:])]
    for outputs in (ran, again):
        assert any("(rescored)" in output for output in outputs)
    assert any("my_method [tuned], seed 2: train" in output for output in again)
    assert not (clone / "preview/results").exists()
    assert "my\\_method" in (clone / "preview-site/board.md").read_text()
    pushed = subprocess.run(
        ["git", "diff", "--name-only", "main", "my_method"],
        cwd=tmp_path / "fork.git", capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {"methods/my_method.py", "methods/temper_costs.json", "pyproject.toml"} <= set(pushed)
    assert "submissions/offline@1/my_method@tuned/minilm/tables/seed-2/home.parquet" in pushed
    assert "docs/methods.md" in pushed
    assert misplaced(pushed) == []


def run(step: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-e", "-c", step],
        cwd=folder, env=environment(folder if folder.name != "temper" else folder.parent),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{step}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr
