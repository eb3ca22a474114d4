"""The attack, the data source and the architecture of docs/extending.md are each added in one file."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.models.architectures import ARCHITECTURES
from tests.docs.test_examples import REPOSITORY, blocks
from tests.models.test_feedforward import test_blocks_pass_output_and_attention_to_the_edit as check_feedforward


def example(text: str) -> str:
    """Return the example of docs/extending.md that contains a text."""
    (code,) = (block for block in blocks("docs/extending.md") if text in block)
    return code


def run_with(folder: Path, added: str, code: str, script: str) -> str:
    """Add one file to a copy of the engine, run a script there in a new process, and return what it prints."""
    shutil.copytree(REPOSITORY / "benchmark", folder / "benchmark", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / added
    assert not path.exists()
    path.write_text(code)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


ATTACK = """
import sys
from pathlib import Path
from benchmark.cli.main import main
from benchmark.suites import parse_suite
from benchmark.suites.docs_reference import json_schemas, reference
from tests.support.tiny_suite import SUITE

TABLE = '''
[[attacks]]
id = "letters"
version = 1
title = "Letters"
description = "Swapped letters."
on = "home"
subset = 4
recipe = "letter_swap"
parameters = { min_length = 5, encoder = "vader" }
'''
suite = parse_suite(SUITE.format(backbone="minilm") + TABLE, path=Path("tiny.toml"))
assert 'recipe = "letter_swap"' in reference() and "attack_letter_swap.json" in json_schemas()
sys.argv = ["temper", "list"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
assert not {"numpy", "torch", "transformers"} & set(sys.modules)

from benchmark.attacks import attack_identity, parameters_of, run_attack
from tests.attacks.fakes import dataset, parts, victim

(attack,) = suite.attacks
assert attack_identity(attack)["parameters"]["min_length"] == parameters_of(attack).min_length == 5
rows = run_attack(attack, dataset("a charming film", "a good film"), victim, Path("journal"), parts=parts())
print([(row.outcome, row.perturbed) for row in rows])
"""


@pytest.mark.slow
@pytest.mark.resources
def test_an_attack_in_a_file_of_its_own_is_listed_and_runs(tmp_path: Path) -> None:
    file = "benchmark/attacks/recipes/letter_swap.py"
    output = run_with(tmp_path, file, example('@attack("letter_swap")'), ATTACK)
    assert "letter_swap" in output
    assert output.splitlines()[-1] == "[('flipped', 'a cahrming film'), ('survived', 'a good film')]"


SOURCE = """
from pathlib import Path
from benchmark.data import load
from benchmark.suites import SuiteError, parse_suite
from tests.support.tiny_suite import SUITE

text = SUITE.format(backbone="minilm").replace('source = "file", path = "away.jsonl", format = "jsonl"', "MARK")

def read(keys):
    return parse_suite(text.replace("MARK", keys), path=Path("tiny.toml"))

suite = read('source = "sqlite", database = "away.db"')
spec = next(task.data for task in suite.tasks if task.id == "away")
print(sorted((example.texts[0], example.label) for example in load(spec, classes=suite.training.classes).examples))
try:
    read('source = "sqlite", path = "a"')
except SuiteError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_source_in_a_file_of_its_own_is_read_and_its_keys_are_checked(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "away.db") as connection:
        connection.execute("CREATE TABLE texts (text TEXT, label INTEGER)")
        connection.executemany("INSERT INTO texts VALUES (?, ?)", [("good", 1), ("bad", 0)])
    output = run_with(tmp_path, "benchmark/data/sources/sqlite.py", example('@source("sqlite"'), SOURCE)
    assert output.splitlines()[0] == "[('bad', 0), ('good', 1)]"
    assert "tasks[away].data.database: missing; source = 'sqlite' needs it." in output
    assert "tasks[away].data.path: has no effect with source = 'sqlite'; remove it." in output


def test_an_architecture_in_one_entry_has_all_that_methods_need() -> None:
    before = dict(ARCHITECTURES)
    exec(compile(example('ARCHITECTURES["gpt_neo"]'), "docs/extending.md", "exec"), {})
    try:
        check_feedforward("gpt_neo")
    finally:
        ARCHITECTURES.clear()
        ARCHITECTURES.update(before)
