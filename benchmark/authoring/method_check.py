"""`temper check`: check a method before a long run, with one finding per check."""

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

from benchmark.authoring.scaffold import MARK
from benchmark.authoring.trial_run import Report, TrialResult, train_a_minute
from benchmark.execution.costs import Cost, Costs, over_vanilla
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure, registered
from benchmark.execution.tuned_row import averages_trials
from benchmark.resources.cache import cache_root
from benchmark.schema import SANITY_CHECKS, IntegrityError, TemperError, UnavailableError, UsageError
from benchmark.testing import ContractError, MethodContract
from benchmark.testing.pass_counts import count_passes
from benchmark.testing.tiny import write_tiny_masked_lm

State = Literal["passed", "failed", "not run"]

MAXIMUM_OVER_FLOOR = 1.5
"""Highest time over vanilla's, as a multiple of what the passes alone would take."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        about: Subject of the check.
        state: "not run" if something that the check needs is not on this machine; that counts as not passed.
        message: What was observed.
        advice: Next step; empty if the check passed.
    """

    about: str
    state: State
    message: str
    advice: str = ""


def check_method(text: str, report: Report = lambda *_: None) -> Iterator[CheckResult]:
    """Check a method: hyper-parameters, metadata, its own test, lint, contract, a minute of training, and cost.

    Args:
        text: As on the command line of `temper run`, with hyper-parameters and members.
        report: Progress.

    Raises:
        UsageError: there is no such method, its entry point is not installed yet, or it is a sanity check or averages
            trials.
    """
    request = MethodRequest.parse(text)
    for name in request.members:
        if name not in registered() and Path(f"methods/{name}.py").is_file():
            raise UsageError(
                f"methods/{name}.py is not registered yet. Run `pip install --no-deps -e .`, and check again."
            )
    request.require_known()
    if request.name in SANITY_CHECKS:
        raise UsageError(f"{request.name} is a sanity check of the benchmark, so the checks of methods do not apply.")
    try:
        method = configure(request)
    except TemperError as error:
        yield CheckResult("import and hyper-parameters", "failed", str(error), "fix it; nothing else can be checked")
        return
    if averages_trials(method):
        raise UsageError(f"{request.name} averages models that tuning trained, so the checks of methods do not apply.")
    values = ", ".join(f"{key}={value}" for key, value in method.hyperparameters.items())
    yield CheckResult("import and hyper-parameters", "passed", values or "no hyper-parameters")
    if len(request.members) == 1:
        files = _Files.of(method, registered()[request.name])
        yield from _metadata(method, files)
        yield from _step_test(files, report)
        yield from _lint(files, report)
    yield from _contract(text, report)
    yield from _cost_and_training(text, method, report)


@dataclass(frozen=True)
class _Files:
    """The files of a method.

    Attributes:
        source: The module of its class.
        root: The folder that commands run in: the checkout, the package's, or the file's.
        test: Path of its test, if it needs or has one.
        in_tree: Whether it is one of the checkout's methods.
    """

    source: Path
    root: Path
    test: Path | None
    in_tree: bool

    @classmethod
    def of(cls, method: ConfiguredMethod, point: EntryPoint) -> "_Files":
        source = Path(inspect.getfile(method.cls)).resolve()
        if point.value.startswith("methods."):
            root = source.parents[1]
            return cls(source, root, root / "tests" / "methods" / f"test_{source.stem}.py", in_tree=True)
        test = source.parents[1] / "tests" / f"test_{point.name}.py"
        if test.is_file():
            return cls(source, source.parents[1], test, in_tree=False)
        return cls(source, source.parent, None, in_tree=False)


def _metadata(method: ConfiguredMethod, files: _Files) -> Iterator[CheckResult]:
    """Check the texts shown to users, and the template's marks."""
    cls = method.cls
    sentence = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    own = "__doc__" in vars(cls) and bool(sentence)
    good = own and sentence.endswith(".") and len(sentence) <= 160 and MARK not in sentence
    advice = "begin the class's docstring with one sentence of at most 160 characters that ends in a full stop"
    yield _finding("docstring", good, sentence[:80] if own else "none of its own", advice)
    paper = cls.paper.strip()
    good = bool(re.search(r"\d{4}|in press|unpublished", paper)) and MARK not in paper
    yield _finding("paper", good, paper or "none", 'set `paper` to "Authors, Venue Year", or to "unpublished"')
    left = [_left(path) for path in (files.source, files.test) if path is not None and path.is_file()]
    marks = ", ".join(place for place in left if place)
    yield _finding("nothing left to fill in", not marks, marks or "no marks", f"write what each {MARK} asks for")


def _left(path: Path) -> str:
    """Return the lines of a file that the author still has to write; empty if there are none."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    marked = [str(number) for number, line in enumerate(lines, start=1) if MARK in line]
    return f"{path.name}:{','.join(marked)}" if marked else ""


def _step_test(files: _Files, report: Report) -> Iterator[CheckResult]:
    """Run the method's own test; the contract in it is left out, since it is checked anyway."""
    if files.test is None:
        return
    about, name = "test of the step", str(files.test.relative_to(files.root))
    if not files.test.is_file():
        advice = "`temper new` writes one for a new method; tests/methods/test_sam.py is a pattern"
        yield CheckResult(about, "failed", f"{name} is missing", advice)
        return
    if importlib.util.find_spec("pytest") is None:
        yield CheckResult(about, "not run", "pytest is not installed", "run `pip install pytest`, and check again")
        return
    report(about, 0, 0)
    code, lines = _run(["pytest", "-q", "-p", "no:cacheprovider", "-k", "not TestContract", name], files.root)
    if code < 0:
        yield _killed(about, code)
        return
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    summary = "; ".join(failures[:3]) or (lines[-1] if lines else f"pytest ended with {code}")
    if code == 5:  # pytest's code for no tests collected
        summary = f"{name} has no test other than the contract"
    yield _finding(about, code == 0, summary, f"run `pytest {shlex.quote(name)}` in {files.root}, and fix it")


def _lint(files: _Files, report: Report) -> Iterator[CheckResult]:
    """Run ruff and mypy if they are installed: in the checkout with its own rules, elsewhere for mistakes only."""
    source = str(files.source.relative_to(files.root))
    names = [source, str(files.test.relative_to(files.root))] if files.test and files.test.is_file() else [source]
    if files.in_tree:
        commands = [
            ["ruff", "check", "--output-format=concise", *names],
            ["ruff", "format", "--check", *names],
            ["mypy", source],
        ]
    else:
        cache = str(cache_root() / "mypy")
        commands = [
            ["ruff", "check", "--select=E9,F", "--output-format=concise", *names],
            ["mypy", "--follow-imports=silent", "--ignore-missing-imports", f"--cache-dir={cache}", source],
        ]
    for command in commands:
        if importlib.util.find_spec(command[0]) is None:
            continue
        about = "ruff format" if command[1] == "format" else command[0]
        report(about, 0, 0)
        code, lines = _run(command, files.root)
        if code < 0:
            yield _killed(about, code)
            continue
        shown = [word for word in command if not word.startswith(("--output-format", "--cache-dir"))]
        # The tool prints the problems first and their number last.
        message = lines[-1] if code == 0 or len(lines) < 2 else f"{lines[0]} ({lines[-1]})"
        yield _finding(about, code == 0, message, f"run `{shlex.join(shown)}` in {files.root}, and fix it")


def _killed(about: str, code: int) -> CheckResult:
    """Report a tool that the system killed, for example for lack of memory, so that it has no result."""
    return CheckResult(about, "not run", f"ended by signal {-code}", "free some memory, and check again")


def _run(command: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """Run a Python tool in a folder; return its exit code and the lines that it printed."""
    whole = [sys.executable, "-m", *command]
    done = subprocess.run(whole, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return done.returncode, lines or ["no output"]


def _contract(text: str, report: Report) -> Iterator[CheckResult]:
    """Check every rule of the contract, as `MethodContract` tests it."""
    contract: type[MethodContract] = type("Contract", (MethodContract,), {"method": text})
    report("contract", 0, 0)
    contract.setup_class()
    try:
        names = [name for name in dir(contract) if name.startswith("test_")]
        for number, name in enumerate(names):
            report("contract", number, len(names))
            rule = name.removeprefix("test_").replace("_", " ")
            sentence = _broken(getattr(contract(), name))
            advice = "fix it; CONTRIBUTING.md says what the loop promises and what it requires"
            yield _finding(f"contract: {rule}", not sentence, sentence or "holds", advice)
    finally:
        contract.teardown_class()


def _broken(test: Callable[[], None]) -> str:
    try:
        test()
    except ContractError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and that is the finding
        return f"raised {type(error).__name__}: {error}"
    return ""


def _cost_and_training(text: str, method: ConfiguredMethod, report: Report) -> Iterator[CheckResult]:
    """Count the passes of a tiny run, and train for a minute on real data, next to vanilla."""
    with tempfile.TemporaryDirectory(prefix="temper-check-") as scratch:
        folder = Path(scratch)
        (folder / "backbone").mkdir()
        report("cost in passes", 0, 0)
        try:
            cost = count_passes(text, write_tiny_masked_lm(folder / "backbone"), folder / "passes")
        except TemperError as error:
            yield CheckResult("cost in passes", "failed", str(error), "fix what the contract's first failure names")
            return
        yield _passes(method, cost)
        floor = over_vanilla(cost.step) + over_vanilla(cost.once)
        try:
            yield from _minute(train_a_minute(method, floor, folder, report), floor)
        except UnavailableError as error:
            advice = "run `temper resources fetch --suite demo`, and check again"
            yield CheckResult("a minute of training", "not run", str(error), advice)
        except TemperError as error:
            yield CheckResult("a minute of training", "failed", str(error), "fix it; the demo's data is real text")


def _passes(method: ConfiguredMethod, cost: Cost) -> CheckResult:
    """Report the count; keep that of an in-tree method with its defaults, which the list of methods shows."""
    about, name = "cost in passes", method.cls.name
    counted = f"{over_vanilla(cost.step):.2f} of vanilla's per step, {over_vanilla(cost.once):.2f} once"
    point = registered().get(name)
    if point is None or not point.value.startswith("methods.") or method.configuration:
        return CheckResult(about, "passed", counted)
    try:
        costs = Costs.for_method(point)
        kept = costs.methods.get(name)
        if kept is not None and (kept.step, kept.once) == (cost.step, cost.once):
            return CheckResult(about, "passed", counted)
        costs.methods[name] = cost
        return CheckResult(about, "passed", f"{counted}; written to {costs.write().name}")
    except IntegrityError as error:
        return CheckResult(about, "failed", str(error), "remove the file and check again")
    except OSError as error:
        return CheckResult(
            about, "failed", f"{counted}; not written: {error}", "make the file writable and check again"
        )


def _minute(trial: TrialResult, floor: float) -> Iterator[CheckResult]:
    """Check that the method learns, and that it takes no more time than its passes account for."""
    first, last = trial.losses[0], trial.losses[-1]
    result = (
        f"{trial.examples} examples, {len(trial.losses)} epochs, {trial.seconds:.0f} s: loss from {first:.3f} to "
        f"{last:.3f}; validation accuracy {trial.accuracy:.2f}, vanilla's {trial.vanilla_accuracy:.2f}"
    )
    advice = "the loss does not fall on the training examples: check the loss, its sign and its strength"
    yield _finding("a minute of training", last < first, result, advice)
    result = f"{trial.time_ratio:.2f} of vanilla's processor time; the passes alone are {floor:.2f}"
    advice = "profile it: time is spent outside its passes, for instance in loops over parameters"
    yield _finding("time against the floor", trial.time_ratio <= MAXIMUM_OVER_FLOOR * max(floor, 1.0), result, advice)


def _finding(about: str, good: bool, result: str, advice: str) -> CheckResult:
    return CheckResult(about, "passed" if good else "failed", result, "" if good else advice)
