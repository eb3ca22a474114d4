"""Trials of tuning: their file, ``trials.jsonl`` next to a tuned row's records, and the selection among them.

Selection is a pure function of the file, so that everyone who reads the records can recompute it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import Field, with_config
from typing_extensions import TypedDict

from benchmark.schema.base import STRICT, Count, Hash, Key, Name, Number, Scalar, Schema, Sentence, Whole
from benchmark.schema.canonical import canonical_line, lines_of, parse_json
from benchmark.schema.errors import IntegrityError, Problem
from benchmark.schema.record import Backbone, Cost, Method

TRIAL_SCHEMA_VERSION = 1
TRIALS_FILE: Final = "trials.jsonl"
LEARNING_RATE_FACTOR: Final = "learning_rate_factor"
"""The dimension that the suite shares: a factor on the learning rate of its recipe."""

EDGE = 0.05
"""Share of a range, at either end, in which a chosen value suggests that the range is too narrow."""


class TunedSuite(TypedDict):
    """The suite whose training task was tuned on."""

    name: Name
    version: Count


class Dimension(TypedDict):
    """Search space of one dimension: a range or choices."""

    scale: Literal["linear", "log", "choice"]
    low: NotRequired[Number]
    high: NotRequired[Number]
    choices: NotRequired[Annotated[list[Scalar], Field(min_length=2, max_length=1_000)]]


class Answers(TypedDict):
    """Result of a trial on one set of texts."""

    data: Hash
    """Of the texts, labels and class names."""
    n: Count
    """How many texts."""
    correct: Whole
    """How many of them were classified correctly."""


@with_config({**STRICT, "title": "Trial"})
class TrialModel(TypedDict):
    """One training run of a method at one point of its search space: one line of ``trials.jsonl``."""

    schema: Count
    """Version of this schema."""
    suite: TunedSuite
    method: Method
    """With the hyper-parameters of this trial."""
    backbone: Backbone
    seed: Whole
    training: NotRequired[Hash]
    """Of the suite's recipe and training data. Trials of earlier versions do not state it."""
    trial: Whole
    """Its number; 0 has the defaults."""
    learning_rate_factor: Number
    """Factor on the recipe's learning rate."""
    space: dict[Key, Dimension]
    """What tuning may try, by hyper-parameter."""
    status: Literal["ok", "failed"]
    reason: Sentence | None
    """Why the trial failed."""
    validation: Answers | None
    typos: Answers | None
    """On the validation texts with keyboard typos."""
    cost: Cost | None
    """What training cost, in examples passed."""


Trial: TypeAlias = dict[str, Any]
"""A trial as it is read and written: a dictionary with the keys of `TrialModel`."""

TRIAL = Schema(TrialModel)

_SHARED = ("suite", "backbone", "seed", "space")
"""Fields that are the same in all trials of a file; so is ``method`` without its hyper-parameters."""


def selected(trials: Sequence[Trial]) -> Trial | None:
    """Select a trial: of those within one standard error of the best clean accuracy, the best one under typos.

    The standard error is that of the best clean validation accuracy. Of equally good trials, the earlier one is taken.
    Return None if all trials failed.
    """
    finished = [trial for trial in trials if trial["status"] == "ok"]
    if not finished:
        return None
    best = max(trial["validation"]["correct"] for trial in finished)
    n = finished[0]["validation"]["n"]
    # n p (1 - p) is the variance of the number of correct answers. In integers, the same everywhere.
    near = [trial for trial in finished if (best - trial["validation"]["correct"]) ** 2 * n <= best * (n - best)]
    return max(near, key=lambda trial: (trial["typos"]["correct"], -trial["trial"]))


def at_edge(dimension: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value lies in the outer `EDGE` of its range; choices have no edge."""
    if dimension["scale"] == "choice" or not isinstance(value, int | float):
        return False
    low, high = dimension["low"], dimension["high"]
    if dimension["scale"] == "log":
        if value <= 0:
            return True
        low, high, value = math.log(low), math.log(high), math.log(value)
    # Multiply instead of dividing: the logarithms of two large, close ends may be equal.
    return not EDGE * (high - low) < value - low < (1 - EDGE) * (high - low)


def values_of(trial: Trial) -> dict[str, Any]:
    """Return the values of a trial in every dimension of its space."""
    settings = {**trial["method"]["hyperparameters"], LEARNING_RATE_FACTOR: trial[LEARNING_RATE_FACTOR]}
    return {name: settings.get(name) for name in trial["space"]}


def trial_line(trial: Trial) -> str:
    """Write a trial as its line in a file: canonical JSON and a newline.

    Raises:
        IntegrityError: the trial is not valid; all problems are listed.
    """
    return TRIAL.line(trial, "trial")


def read_trials(path: Path, *, gaps: bool = False) -> list[Trial]:
    """Read a file of trials.

    Args:
        path: The file.
        gaps: Whether numbers may be missing, as in a study that is not finished.

    Raises:
        IntegrityError: one line ``file:line: pointer: message`` for each problem of the whole file.
        OSError: the file cannot be read.
    """
    trials: list[Trial] = []
    complaints: list[str] = []
    for number, line in enumerate(lines_of(path), start=1):
        value, problems = parse_json(line)
        problems = problems or TRIAL.problems(value)
        problems = problems or list(_contradictions(value, number, gaps=gaps))
        problems = problems or list(_differences(value, trials))
        if not problems and line + b"\n" != canonical_line(value, (), "trial").encode():
            problems = [Problem("", "is not canonical JSON; keep the bytes that `temper tune` wrote.")]
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        # Compare later trials with valid ones only.
        trials += [] if problems else [value]
    if not trials and not complaints:
        complaints.append(f"{path}: holds no trial; run `temper tune`.")
    if complaints:
        raise IntegrityError("\n".join(complaints))
    return trials


def _contradictions(trial: Trial, line: int, *, gaps: bool) -> Iterator[Problem]:
    """Yield contradictions between the fields of a trial, and with its line in the file, from 1."""
    if trial["schema"] != TRIAL_SCHEMA_VERSION:
        yield Problem("/schema", f"is {trial['schema']}; this version reads {TRIAL_SCHEMA_VERSION}.")
    if not gaps and trial["trial"] != line - 1:
        yield Problem("/trial", f"is {trial['trial']} on line {line}; trials are in order, from 0.")
    finished = trial["status"] == "ok"
    for field in ("validation", "typos", "cost"):
        if finished == (trial[field] is None):
            yield Problem(
                f"/{field}", f"{'is missing' if finished else 'is given'} although /status is {trial['status']}."
            )
    if finished == (trial["reason"] is not None):
        yield Problem("/reason", f"{'is given' if finished else 'is missing'} although /status is {trial['status']}.")
    for field in ("validation", "typos"):
        answers = trial[field]
        if answers is not None and answers["correct"] > answers["n"]:
            yield Problem(f"/{field}/correct", f"is {answers['correct']} of only {answers['n']} texts.")
    for name, dimension in trial["space"].items():
        wanted = {"scale", "choices"} if dimension["scale"] == "choice" else {"scale", "low", "high"}
        if dimension.keys() != wanted:
            yield Problem(f"/space/{name}", f"needs {' and '.join(sorted(wanted - {'scale'}))} for its scale.")
        elif dimension["scale"] != "choice" and not dimension["low"] < dimension["high"]:
            yield Problem(f"/space/{name}/low", f"is {dimension['low']}; a range begins below its end.")
        elif dimension["scale"] == "log" and dimension["low"] <= 0:
            yield Problem(f"/space/{name}/low", f"is {dimension['low']}; a logarithmic range begins above 0.")


def _differences(trial: Trial, before: Sequence[Trial]) -> Iterator[Problem]:
    """Compare what all trials of a file share."""
    first = before[0] if before else trial
    message = "differs from the file's first trial; one file holds the trials of one row."
    for field in _SHARED:
        if trial[field] != first[field]:
            yield Problem(f"/{field}", message)
    if _without_settings(trial["method"]) != _without_settings(first["method"]):
        yield Problem("/method", message)
    if "training" in trial and trial["training"] != next(
        (t["training"] for t in before if "training" in t), trial["training"]
    ):
        yield Problem("/training", "differs from an earlier trial's; all trials have one recipe and training data.")
    for field in ("validation", "typos"):
        other = next((earlier[field] for earlier in before if earlier[field]), None)
        answers = trial[field]
        if answers and other and (answers["data"], answers["n"]) != (other["data"], other["n"]):
            yield Problem(f"/{field}/data", "differs from an earlier trial's; all trials answer the same texts.")


def _without_settings(method: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in method.items() if key != "hyperparameters"}


def tuning_of(trial: Trial | None, trials: Sequence[Trial], digest: str) -> dict[str, Any]:
    """Build the ``tuning`` block of a tuned row's records from its selected trial, which is None if all failed."""
    return {
        "trials": digest,
        "count": len(trials),
        "trial": None if trial is None else trial["trial"],
        LEARNING_RATE_FACTOR: None if trial is None else trial[LEARNING_RATE_FACTOR],
    }


def tuning_problems(record: Mapping[str, Any], trials: Sequence[Trial]) -> Iterator[Problem]:
    """Yield what a tuned record states and its trials do not give.

    Args:
        record: A record with a ``tuning`` block.
        trials: The trials next to it, whose file has the hash that the block states.
    """
    fix = "run `temper run --settings tuned` again."
    suite, backbone = record["suite"], record["backbone"]
    here = {"name": suite["name"], "version": suite["version"]}, backbone
    if here != (trials[0]["suite"], trials[0]["backbone"]):
        yield Problem("/backbone", "or /suite is not that of the trials; tune on the suite and backbone that are run.")
    averages = "ingredients" in record["tuning"]
    chosen = None if averages else selected(trials)
    wanted = tuning_of(chosen, trials, record["tuning"]["trials"])
    for field, value in wanted.items():
        if record["tuning"][field] != value:
            yield Problem(f"/tuning/{field}", f"is {record['tuning'][field]}, the trials give {value}; {fix}")
    if averages:
        yield from _ingredient_problems(record, trials)
        return
    stated, tuned = record["method"], (chosen or trials[0])["method"]
    for field in ("name", "version", "configuration", "source") if chosen is None else tuned:
        if stated[field] != tuned[field]:
            yield Problem(f"/method/{field}", f"is {stated[field]}, the selected trial has {tuned[field]}; {fix}")


def _ingredient_problems(record: Mapping[str, Any], trials: Sequence[Trial]) -> Iterator[Problem]:
    """Yield what is wrong with the ingredients of a row that averages trials."""
    of, name = record["method"]["hyperparameters"].get("of"), trials[0]["method"]["name"]
    if of != name:
        yield Problem("/method/hyperparameters/of", f"is {of}; the trials next to the record are of {name}.")
    finished = [trial["trial"] for trial in trials if trial["status"] == "ok"]
    numbers = record["tuning"]["ingredients"]
    if numbers != sorted(set(numbers) & set(finished)):
        yield Problem("/tuning/ingredients", f"is {numbers}; name trials that did not fail, {finished}, in order.")
