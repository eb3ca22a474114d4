"""A method of the user's own, given as a file, through the commands; compositions of it, too."""

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import temper
from tests.support.tiny_suite import write_tiny_suite

PLUGIN = '''"""Mine."""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Mine(Method):
    """Scale every gradient."""

    name: ClassVar[str] = "mine"
    scale: float = 0.5

    def transform_gradients(self, parameters, ctx):
        for parameter in parameters:
            parameter.grad.mul_(self.scale)
'''


@pytest.mark.slow
def test_a_plugin_runs_as_an_in_tree_method_does(tmp_path: Path, tiny_backbone: Path) -> None:
    suite, out, file = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "out", tmp_path / "mine.py"
    file.write_text(PLUGIN)
    methods = "mine+r_drop:scale=0.25,mine"
    arguments = [suite, "--plugin", f"{file}:Mine", "--methods", methods, "--out", str(out)]
    done = temper("run", *arguments)
    assert done.returncode == 0, done.stderr
    assert "Computed 16 cells" in done.stderr
    records = (out / "results/tiny@1/mine+r_drop~mine.scale=0.25").rglob("seed-0.jsonl")
    method = json.loads(next(iter(records)).read_text().splitlines()[0])["method"]
    assert method["name"] == "mine+r_drop"
    assert method["configuration"] == "mine.scale=0.25"
    assert method["hyperparameters"] == {"mine.scale": 0.25, "r_drop.kl_weight": 1.0, "r_drop.variant": "paper"}
    assert temper("status", *arguments).stdout.count("done") == 16
    assert "Every cell whose inputs are known is there." in temper("explain", *arguments).stdout
    built = temper("board", "build", "--results", str(out / "results"), "--site", str(tmp_path / "site"))
    assert built.returncode == 0, built.stderr
    assert "mine+r_drop" in built.stdout


@pytest.mark.slow
def test_mistakes_with_plugins_and_compositions_are_one_sentence(tmp_path: Path, tiny_backbone: Path) -> None:
    suite, file = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "mine.py"
    file.write_text(PLUGIN.replace('"mine"', '"roast"'))
    for arguments, sentence in (
        (["--plugin", f"{file}:Mine"], "calls itself 'roast', and so does methods.roast:RoAST; give it another name."),
        (["--methods", "freelb+smart"], "freelb+smart cannot be composed: both freelb and smart own the loss"),
    ):
        done = temper("run", suite, "--out", str(tmp_path / "out"), *arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_list_of_methods_shows_papers_and_verbs() -> None:
    shown = {line.split()[0]: line for line in temper("list", "--methods").stdout.splitlines() if line}
    assert "Foret et al., ICLR 2021" in shown["sam"]
    assert shown["sam"].rstrip().endswith("backward")
    assert shown["vanilla"].rstrip().endswith("none")
    assert shown["recadam"].rstrip().endswith("build_optimizer, setup, transform_gradients, after_step")
