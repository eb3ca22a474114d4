"""The checks for a machine with a GPU, tried on the CPU."""

import sys
from pathlib import Path

import pytest
import torch

from benchmark.testing.tiny import write_tiny_bert
from benchmark.training import Method
from scripts import gpu_check


class Forgetful(Method):
    """Draws from a generator of its own, which no checkpoint keeps."""

    name = "forgetful"
    _draws = torch.Generator().manual_seed(0)

    def transform_gradients(self, parameters, ctx):
        for parameter in parameters:
            parameter.grad += torch.randn(parameter.shape, generator=self._draws, device="cpu")


@pytest.fixture(name="backbone")
def _backbone(tmp_path: Path) -> Path:
    (tmp_path / "bert").mkdir()
    return write_tiny_bert(tmp_path / "bert")


def test_vanilla_passes(backbone: Path, tmp_path: Path) -> None:
    assert gpu_check.checked("vanilla", "fp32", backbone, tmp_path / "out").problems == ()


def test_a_method_that_resumes_to_other_bits_is_named(backbone: Path, tmp_path: Path) -> None:
    (problem,) = gpu_check._problems(Forgetful, "fp32", backbone, tmp_path / "out")
    assert problem.startswith("killed and resumed, it ends with another ")


def test_an_unknown_method_is_a_problem_in_the_table(backbone: Path, tmp_path: Path) -> None:
    (problem,) = gpu_check.checked("vanila", "fp32", backbone, tmp_path / "out").problems
    assert problem.startswith("UsageError: ")


def test_a_failed_check_fails_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "checked", lambda name, *_: gpu_check.Checked(("a | b",) * (name == "bad"), 3.4))
    shown: list[str] = []
    lines, passed = gpu_check.table(["good", "bad"], ["fp32", "bf16"], shown.append)
    assert not passed
    assert lines[2:] == shown == ["| `good` | ok | ok | 3 |", "| `bad` | a / b | a / b | 3 |"]
    assert gpu_check.table(["good"], ["fp32"], shown.append)[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--out", str(tmp_path / "gpu.md")])
    with pytest.raises(SystemExit, match="torch sees no GPU"):
        gpu_check.main()
    assert not (tmp_path / "gpu.md").exists()
