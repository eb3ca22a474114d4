"""The suite card: the closed list of what a complete leaderboard row holds, with titles and descriptions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, get_args

from pydantic import Field, with_config
from typing_extensions import TypedDict

from benchmark.schema.base import STRICT, Count, Hash, Key, Name, Number, Prose, Scalar, Schema, Title, Whole
from benchmark.schema.canonical import canonical_line, fingerprint, parse_json
from benchmark.schema.errors import IntegrityError, Problem, nearest
from benchmark.schema.migrations import CARD_SCHEMA_VERSION, migrate_card
from benchmark.schema.record import UNSCORED, Direction, Perspective

Unit: TypeAlias = Literal["fraction", "score", "nats", "count"]
UNITS: tuple[str, ...] = get_args(Unit)


class CardTask(TypedDict):
    """An evaluation task under one perspective."""

    id: Name
    version: Count
    perspective: Perspective
    title: Title
    description: Prose
    data: Hash | None
    """Of the texts, labels and class names; null where the suite declares none."""
    n: Count
    """How many examples."""
    metrics: Annotated[list[Name], Field(min_length=1, max_length=100_000)]
    headline: Name
    """The metric that enters the perspective's score."""
    weight: NotRequired[Number]
    """Weight in the mean of its perspective; absent: 1."""


class CardMetric(TypedDict):
    """A metric and what it means."""

    version: Count
    direction: Direction
    title: Title
    description: Prose
    unit: Unit


class CardTraining(TypedDict):
    """The training task."""

    title: Title
    data: Hash
    n: Count
    description: Prose


class CardTuning(TypedDict):
    """Tuning rule of a suite for every method."""

    trials: Count
    """Training runs per method."""
    learning_rate_factor: Annotated[list[Number], Field(min_length=2, max_length=2)]
    """Least and largest factor on the recipe's learning rate."""


class Overlap(TypedDict):
    """Examples of an evaluation task that are in the training part too."""

    task: Name
    exact: Whole
    near: Whole
    n: Count


@with_config({**STRICT, "title": "Card"})
class CardModel(TypedDict):
    """List of what a suite version requires of a row: ``suite.json`` next to the records."""

    schema: Count
    """Version of this schema."""
    name: Name
    version: Count
    title: Title
    note: Prose
    ranked: bool
    minimum_seeds: Count
    training: CardTraining
    tasks: Annotated[list[CardTask], Field(min_length=1, max_length=100_000)]
    metrics: dict[Name, CardMetric]
    overlap: Annotated[list[Overlap], Field(max_length=100_000)]
    settings: NotRequired[dict[Key, Scalar]]
    """Settings of the metrics."""
    tuning: NotRequired[CardTuning]
    """Absent if the suite file leaves it to the defaults."""
    largest_class: NotRequired[dict[Name, Number]]
    """Share of the most frequent class, 0 to 1, of each in-distribution task whose data was read."""
    not_run: NotRequired[dict[Name, dict[Name, Number | None]]]
    """By backbone: methods that have no row for lack of time, with the estimated core-hours of one."""
    earlier_fingerprints: NotRequired[Annotated[list[Hash], Field(max_length=100)]]
    """Those of older schema versions of this card, which its older records state."""


Card: TypeAlias = dict[str, Any]
"""A suite card as it is read and written: a dictionary with the keys of `CardModel`."""

SUITE_CARD = Schema(CardModel)

_COUNTED = {"overlap", "largest_class"}
_WORDING = {"title", "note", "description"}
_NOT_IDENTITY = frozenset({"schema", "earlier_fingerprints", "not_run", *_COUNTED, *_WORDING})
"""Keys that say nothing about what was measured; the counts depend on data that may be missing on the machine."""


def suite_name(suite: Mapping[str, Any]) -> str:
    """Return name and version of a suite, such as ``demo@3``, from its card or from a record's ``suite``."""
    return f"{suite['name']}@{suite['version']}"


def card_identity(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says about its measurements: names, versions, data, metrics and settings.

    Wording, the schema version, and what only a machine with the evaluation data can count are left out.
    """
    return _identity(card) | {
        "training": _identity(card["training"]),
        "tasks": [_identity(task) for task in card["tasks"]],
        "metrics": {name: _identity(metric) for name, metric in card["metrics"].items()},
    }


def card_fingerprint(card: Mapping[str, Any]) -> str:
    """Hash the identity of a card."""
    return fingerprint(card_identity(card))


def fingerprints_of(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fingerprints that a record may state: `card_fingerprint`, and those of older schema versions."""
    return card_fingerprint(card), *card.get("earlier_fingerprints", ())


def _identity(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in _NOT_IDENTITY}


def validate_suite_card(value: object) -> list[Problem]:
    """List everything that is wrong with a suite card of the current schema version.

    Returns:
        Problems in the order of the fields; contradictions are only checked if every field is well formed.
    """
    problems = SUITE_CARD.problems(value)
    readable = isinstance(value, dict) and not any(problem.pointer == "/schema" for problem in problems)
    if readable and value["schema"] != CARD_SCHEMA_VERSION:  # type: ignore[index]  # readable: an object
        message = f"is {value['schema']}; this version of temper-bench writes schema {CARD_SCHEMA_VERSION}."  # type: ignore[index]
        problems.append(Problem("/schema", message))
    return problems or list(_contradictions(value))  # type: ignore[arg-type]  # a card, since nothing is wrong with it


def read_suite_card(path: Path) -> Card:
    """Read a ``suite.json``, migrated to the current schema and validated.

    Raises:
        IntegrityError: one line ``file: pointer: message`` for each problem.
        OSError: the file cannot be read.
    """
    value, problems = parse_json(path.read_bytes())
    if isinstance(value, dict):
        try:
            value = migrate_card(value)
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error}") from error
    problems = problems if value is None and problems else problems + validate_suite_card(value)
    if problems:
        raise IntegrityError("\n".join(f"{path}: {problem}" for problem in problems))
    card: Card = value
    return card


def suite_card_text(card: Mapping[str, Any]) -> str:
    """Write a suite card as the text of its file: canonical JSON and a newline.

    Raises:
        IntegrityError: the card is not valid; all problems are listed.
    """
    return canonical_line(card, validate_suite_card(card), "suite card")


def _contradictions(card: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield contradictions between the fields of a well-formed card."""
    if all(task["perspective"] in UNSCORED for task in card["tasks"]):
        yield Problem("/tasks", "has no task that enters a score; add one.")
    seen: dict[tuple[str, str], int] = {}
    headlines: dict[str, tuple[str, str]] = {}
    for index, task in enumerate(card["tasks"]):
        pointer = f"/tasks/{index}"
        first = seen.setdefault((task["id"], task["perspective"]), index)
        if first != index:
            yield Problem(f"{pointer}/id", f"repeats the task and perspective of /tasks/{first}; keep one.")
        if task.get("weight", 1) <= 0:
            yield Problem(f"{pointer}/weight", f"is {task['weight']}; write a weight above 0.")
        yield from _task_metrics(task, card["metrics"], pointer)
        yield from _headline_agrees(task, card["metrics"], headlines, pointer)
    yield from _largest_classes(card)
    yield from _same_data(card["tasks"])
    yield from _overlap(card)


def _largest_classes(card: Mapping[str, Any]) -> Iterator[Problem]:
    known = {task["id"] for task in card["tasks"]}
    for name, share in card.get("largest_class", {}).items():
        if name not in known:
            yield Problem(f"/largest_class/{name}", f"is not an evaluation task of the card. {nearest(name, known)}")
        if not 0 < share <= 1:
            yield Problem(f"/largest_class/{name}", f"is {share}; write a share above 0 and at most 1.")


def _task_metrics(task: Mapping[str, Any], metrics: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
    for index, metric in enumerate(task["metrics"]):
        where = f"{pointer}/metrics/{index}"
        if metric not in metrics:
            yield Problem(where, f"names {metric!r}, which /metrics does not define. {nearest(metric, metrics)}")
        if metric in task["metrics"][:index]:
            yield Problem(where, f"repeats {metric!r}; keep one.")
    if task["headline"] not in task["metrics"]:
        hint = nearest(task["headline"], task["metrics"])
        yield Problem(f"{pointer}/headline", f"is not among the task's metrics. {hint}")


def _headline_agrees(
    task: Mapping[str, Any], metrics: Mapping[str, Any], headlines: dict[str, tuple[str, str]], pointer: str
) -> Iterator[Problem]:
    """Check that a perspective's headlines share direction and unit, since its score is their mean."""
    headline = metrics.get(task["headline"])
    if headline is None or task["perspective"] in UNSCORED:
        return
    if headline["direction"] == "none":
        yield Problem(f"{pointer}/headline", "has no better direction; choose a metric with direction up or down.")
    this = (headline["direction"], headline["unit"])
    first = headlines.setdefault(task["perspective"], this)
    if first != this:
        message = f"is {' in '.join(this)}, other headlines of {task['perspective']} are {' in '.join(first)}"
        yield Problem(f"{pointer}/headline", f"{message}; a mean needs one direction and one unit.")


def _same_data(tasks: list[dict[str, Any]]) -> Iterator[Problem]:
    """Check that an evaluation task has the same examples under each of its perspectives."""
    first: dict[str, int] = {}
    for index, task in enumerate(tasks):
        other = tasks[first.setdefault(task["id"], index)]
        for field in ("version", "data", "n"):
            if task[field] != other[field]:
                there = f"/tasks/{first[task['id']]}/{field}"
                yield Problem(f"/tasks/{index}/{field}", f"differs from {there}; one task id is one data set.")


def _overlap(card: Mapping[str, Any]) -> Iterator[Problem]:
    known = {task["id"] for task in card["tasks"]}
    for index, entry in enumerate(card["overlap"]):
        pointer = f"/overlap/{index}"
        if entry["task"] not in known:
            yield Problem(
                f"{pointer}/task", f"is not an evaluation task of this suite. {nearest(entry['task'], known)}"
            )
        for field in ("exact", "near"):
            if entry[field] > entry["n"]:
                yield Problem(f"{pointer}/{field}", f"is {entry[field]} of only {entry['n']} examples; count again.")
