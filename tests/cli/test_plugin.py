"""A method of the user's own, given as a file, through the commands; compositions of it, too."""

import json
from pathlib import Path

import pytest

from tests.support.command import temper, temper_process
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
    assert "Computed 16 stages" in done.stderr
    records = (out / "results/tiny@1/mine+r_drop~mine.scale=0.25").rglob("seed-0.jsonl")
    method = json.loads(next(iter(records)).read_text().splitlines()[0])["method"]
    assert method["name"] == "mine+r_drop"
    assert method["configuration"] == "mine.scale=0.25"
    assert method["hyperparameters"] == {"mine.scale": 0.25, "r_drop.kl_weight": 1.0, "r_drop.variant": "paper"}
    assert temper("status", *arguments).stdout.count("done") == 16
    assert "Every stage whose inputs are known is done." in temper("explain", *arguments).stdout
    built = temper("board", "build", "--results", str(out / "results"), "--site", str(tmp_path / "site"))
    assert built.returncode == 0, built.stderr
    assert "mine+r_drop" in built.stdout


def write_package(folder: Path) -> Path:
    """Write what an installer writes: modules, and metadata with the entry points."""
    package, metadata = folder / "elsewhere", folder / "elsewhere-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text("")
    (package / "scaling.py").write_text("SCALE = 0.25\n")
    text = PLUGIN.replace('"mine"', '"elsewhere"').replace("= 0.5", "= SCALE")
    (package / "method.py").write_text(text.replace("from typing", "from elsewhere.scaling import SCALE\nfrom typing"))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[temper.methods]\nelsewhere = elsewhere.method:Mine\n")
    return folder


def tables_of(out: Path, method: str) -> set[str]:
    """Hashes of the tables that a method's records were computed from."""
    paths = (out / f"results/tiny@1/{method}").rglob("seed-0.jsonl")
    return {json.loads(line)["table"] for path in paths for line in path.read_text().splitlines()}


@pytest.mark.slow
def test_a_separate_package_and_a_file_with_a_helper_run_as_an_in_tree_method_does(
    tmp_path: Path, tiny_backbone: Path
) -> None:
    suite, out, file = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "out", tmp_path / "mine.py"
    installed = str(write_package(tmp_path / "site"))
    file.write_text(PLUGIN.replace("= 0.5", "= SCALE").replace("from typing", "from helper import SCALE\nfrom typing"))
    (tmp_path / "helper.py").write_text("SCALE = 0.25\n")
    arguments = ["run", suite, "--plugin", f"{file}:Mine", "--methods", "elsewhere,mine", "--out", str(out)]
    done = temper_process(*arguments, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert all(f"{method}, seed 0: train" in done.stderr for method in ("elsewhere", "mine"))
    # The same weights give the same tables, which are not computed twice.
    assert tables_of(out, "elsewhere") == tables_of(out, "mine")
    assert "7 reused" in done.stderr
    assert "Scale every gradient" in temper_process("list", "--methods", PYTHONPATH=installed).stdout
    (tmp_path / "helper.py").write_text("SCALE = 0.125\n")
    again = temper_process(*arguments, PYTHONPATH=installed)
    assert "mine, seed 0: train" in again.stderr
    assert "elsewhere, seed 0: train" not in again.stderr


def test_the_list_of_methods_shows_papers_and_hooks() -> None:
    shown = {line.split()[0]: line for line in temper("list", "--methods").stdout.splitlines() if line}
    assert "Foret et al., ICLR 2021" in shown["sam"]
    assert " backward " in shown["sam"]
    assert " none " in shown["vanilla"]
    assert " build_optimizer, setup, transform_gradients, after_step " in shown["recadam"]
