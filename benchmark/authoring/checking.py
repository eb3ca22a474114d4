"""`temper check`: what is known of a method before anyone runs it for hours, one finding after another."""

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

from benchmark.authoring.beginning import MARK
from benchmark.authoring.minute import Trained, train_a_minute
from benchmark.execution.costs import Cost, Costs, over_vanilla
from benchmark.execution.registry import ConfiguredMethod, MethodRequest, configure, registered
from benchmark.schema import IntegrityError, TemperError, UnavailableError
from benchmark.testing import ContractError, MethodContract
from benchmark.testing.costs import count_passes
from benchmark.testing.tiny import write_tiny_masked_lm

State = Literal["passed", "failed", "not run"]

MOST_OVER_FLOOR = 1.5
"""Most time over vanilla's, as a multiple of what the passes alone would take."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        about: What was looked at.
        state: "not run" where something it needs is not on this machine; that counts as not passed.
        found: What was seen.
        advice: What to do about it; empty where it passed.
    """

    about: str
    state: State
    found: str
    advice: str = ""


def check_method(text: str) -> Iterator[Finding]:
    """Look at a method: source, metadata, contract, a minute of training, cost.

    Args:
        text: As on the command line of `temper run`, with hyper-parameters and members.

    Raises:
        UsageError: there is no such method.
    """
    request = MethodRequest.parse(text)
    request.require_known()
    try:
        method = configure(request, {})
    except TemperError as error:
        yield Finding("import and hyper-parameters", "failed", str(error), "mend it; nothing else can be looked at")
        return
    values = ", ".join(f"{key}={value}" for key, value in method.hyperparameters.items())
    yield Finding("import and hyper-parameters", "passed", values or "no hyper-parameters")
    if len(request.members) == 1:
        yield from _metadata(method, registered()[request.name])
    yield from _contract(text)
    yield from _cost_and_training(text, method)


def _metadata(method: ConfiguredMethod, point: EntryPoint) -> Iterator[Finding]:
    """The words that readers see, and the files that belong to a method of the checkout."""
    cls = method.cls
    sentence = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
    own = "__doc__" in vars(cls) and bool(sentence)
    good = own and sentence.endswith(".") and len(sentence) <= 160 and MARK not in sentence
    advice = "begin the class's docstring with one sentence of at most 160 characters that ends in a full stop"
    yield _finding("docstring", good, sentence[:80] if own else "none of its own", advice)
    paper = cls.paper.strip()
    good = bool(re.search(r"\d{4}|in press|unpublished", paper)) and MARK not in paper
    yield _finding("paper", good, paper or "none", 'set `paper` to "Authors, Venue Year", or to "unpublished"')
    file = Path(inspect.getfile(cls))
    tests = _test_file(file, point)
    left = [_left(path) for path in (file, tests) if path is not None and path.is_file()]
    marks = ", ".join(place for place in left if place)
    yield _finding("nothing left to fill in", not marks, marks or "no marks", f"write what each {MARK} asks for")
    if tests is not None:
        advice = "`temper new` writes one for a new method; tests/methods/test_sam.py is a pattern"
        yield _finding("test of the step", tests.is_file(), f"{tests.parent.name}/{tests.name}", advice)


def _test_file(file: Path, point: EntryPoint) -> Path | None:
    """Where the test of an in-tree method lies; None for a plugin or a package, whose tests are its own affair."""
    if not point.value.startswith("methods."):
        return None
    return file.parents[1] / "tests" / "methods" / f"test_{file.stem}.py"


def _left(path: Path) -> str:
    """Lines of a file that the author still has to write; empty if there are none."""
    lines = path.read_text(encoding="utf-8").split("\n")
    marked = [str(number) for number, line in enumerate(lines, start=1) if MARK in line]
    return f"{path.name}:{','.join(marked)}" if marked else ""


def _contract(text: str) -> Iterator[Finding]:
    """Every rule of the contract, as `MethodContract` tests it."""
    contract: type[MethodContract] = type("Contract", (MethodContract,), {"method": text})
    contract.setup_class()
    try:
        for name in dir(contract):
            if name.startswith("test_"):
                rule = name.removeprefix("test_").replace("_", " ")
                sentence = _broken(getattr(contract(), name))
                advice = "mend it; CONTRIBUTING.md says what the loop promises and asks for"
                yield _finding(f"contract: {rule}", not sentence, sentence or "holds", advice)
    finally:
        contract.teardown_class()


def _broken(test: Callable[[], None]) -> str:
    try:
        test()
    except ContractError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and that is what was found
        return f"raised {type(error).__name__}: {error}"
    return ""


def _cost_and_training(text: str, method: ConfiguredMethod) -> Iterator[Finding]:
    """Passes counted in a tiny run, and a minute of real training beside vanilla's."""
    with tempfile.TemporaryDirectory(prefix="temper-check-") as scratch:
        folder = Path(scratch)
        (folder / "backbone").mkdir()
        try:
            cost = count_passes(text, write_tiny_masked_lm(folder / "backbone"), folder / "passes")
        except TemperError as error:
            yield Finding("cost in passes", "failed", str(error), "mend what the contract's first failure names")
            return
        yield _passes(method.cls.name, cost)
        floor = over_vanilla(cost.step) + over_vanilla(cost.once)
        try:
            yield from _minute(train_a_minute(method, floor, folder), floor)
        except UnavailableError as error:
            advice = "run `temper resources fetch --suite demo`, and check again"
            yield Finding("a minute of training", "not run", str(error), advice)
        except TemperError as error:
            yield Finding("a minute of training", "failed", str(error), "mend it; the demo's data is real text")


def _passes(name: str, cost: Cost) -> Finding:
    """The count, and whether the one that the list of methods shows says the same."""
    found = f"{over_vanilla(cost.step):.2f} of vanilla's a step, {over_vanilla(cost.once):.2f} once"
    point = registered().get(name)
    if point is None or not point.value.startswith("methods."):
        return Finding("cost in passes", "passed", found)
    try:
        kept = Costs.beside(point).methods.get(name)
    except IntegrityError as error:
        return Finding("cost in passes", "failed", str(error), "remove the file and count again")
    same = kept is not None and (kept.step, kept.once) == (cost.step, cost.once)
    state = found if same else f"{found}; temper_costs.json {'says otherwise' if kept else 'does not have it'}"
    return _finding("cost in passes", same, state, f"run `python -m benchmark.testing.costs {name}`")


def _minute(trained: Trained, floor: float) -> Iterator[Finding]:
    """Whether it learns, and whether it takes more time than its passes account for."""
    first, last = trained.losses[0], trained.losses[-1]
    found = (
        f"{trained.examples} examples, {len(trained.losses)} epochs, {trained.seconds:.0f} s: loss from {first:.3f} to "
        f"{last:.3f}; validation accuracy {trained.accuracy:.2f}, vanilla's {trained.vanilla_accuracy:.2f}"
    )
    advice = "the loss does not fall on the examples that it is trained on: look at the loss, its sign and its strength"
    yield _finding("a minute of training", last < first, found, advice)
    found = f"{trained.time_ratio:.2f} of vanilla's processor time; the passes alone are {floor:.2f}"
    advice = "profile it: more than its passes goes into something else, such as loops over parameters"
    yield _finding("time against the floor", trained.time_ratio <= MOST_OVER_FLOOR * max(floor, 1.0), found, advice)


def _finding(about: str, good: bool, found: str, advice: str) -> Finding:
    return Finding(about, "passed" if good else "failed", found, "" if good else advice)
