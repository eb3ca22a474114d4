"""A record: its model, the rules between its fields, its identity and its path in a results folder."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias, get_args

from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from benchmark.schema.base import (
    STRICT,
    Count,
    Hash,
    Key,
    Name,
    Number,
    Replicate,
    Scalar,
    Schema,
    Sentence,
    Text,
    Value,
    Whole,
)
from benchmark.schema.canonical import canonical_line
from benchmark.schema.errors import UNPRINTABLE, Problem
from benchmark.schema.migrations import RECORD_SCHEMA_VERSION

LONGEST_SENTENCE = 4_000

MASKING: Final = "masking"
"""The perspective of gradient-masking checks: it shows whether the other values are credible, and enters no score."""

RETENTION: Final = "retention"
"""The perspective of what fine-tuning forgot of another task: it is shown next to the cost, and enters no score."""

UNSCORED: Final = (MASKING, RETENTION)
"""The perspectives that enter no score."""

Perspective: TypeAlias = Literal[
    "in-distribution", "shift", "adversarial", "calibration", "anomaly", "masking", "retention"
]
Direction: TypeAlias = Literal["up", "down", "none"]
Verification: TypeAlias = Literal["self-reported", "rescored", "rerun"]

TUNED: Final = "tuned"
"""Settings of a row that tuning selected; other rows have the defaults and what was asked for."""

PERSPECTIVES: tuple[str, ...] = get_args(Perspective)
VERIFICATIONS: tuple[str, ...] = get_args(Verification)
"""From the weakest to the strongest: computed by the submitter, recomputed from the tables, trained again."""

SCORED_CELLS = ("predict", "inspect", "features", "attack")
"""The stages that write a table to score."""

Configuration: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=rf"^[^\n\t{UNPRINTABLE}]*$", max_length=160),
    Field(title="settings such as 'variant=released,alpha=0.6'"),
]
BackboneSource: TypeAlias = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(artifact|hub|folder):[^\s{UNPRINTABLE}]([^{UNPRINTABLE}]*[^\s{UNPRINTABLE}])?$", max_length=400
    ),
    Field(title="artifact:NAME, hub:ID or folder:NAME"),
]
Revision: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|[0-9a-f]{40})$"),
    Field(title="sha256: and 64 hexadecimal digits, or the 40 of a commit"),
]
MethodVersion: TypeAlias = Annotated[Text, StringConstraints(min_length=1, max_length=80), Field(title="a version")]


class SuiteVersion(TypedDict):
    """The suite that a value was measured on."""

    name: Name
    version: Count
    fingerprint: Hash | None
    """Of the suite card; null in a published record."""


class Method(TypedDict):
    """The method and its settings."""

    name: Name
    version: MethodVersion | None
    configuration: Configuration
    """Settings that were asked for, such as ``alpha=0.6,variant=released``; empty for the defaults."""
    source: Hash | None
    """Of the method's source code."""
    hyperparameters: dict[Key, Scalar]
    """All of them, those at their default included."""


class Backbone(TypedDict):
    """The pre-trained model."""

    name: Name
    source: BackboneSource | None
    revision: Revision | None


class RecordedTask(TypedDict):
    """The evaluation task."""

    id: Name
    version: Count
    perspective: Perspective
    data: Hash | None
    """Of the texts, labels and class names."""
    n: Count | None
    """How many examples."""


class RecordedMetric(TypedDict):
    """The metric."""

    id: Name
    version: Count
    direction: Direction
    """Which values are better."""


class Cost(TypedDict):
    """Cost of training, in passed examples."""

    forward: Whole
    backward: Whole
    input_backward: Whole
    """Backward passes that also reach the input embeddings."""


PASS_COSTS = {"forward": 1, "backward": 2, "input_backward": 1}
"""Cost of a forward pass, a full backward pass and one to the inputs only, in forward passes: the usual convention."""


class Keys(TypedDict):
    """Keys of the stages that led to the value."""

    train: NotRequired[Hash]
    predict: NotRequired[Hash]
    inspect: NotRequired[Hash]
    features: NotRequired[Hash]
    attack: NotRequired[Hash]
    score: NotRequired[Hash]


class Tuning(TypedDict):
    """Selection of the settings of a tuned row."""

    trials: Hash
    """Of ``trials.jsonl`` next to the records."""
    count: Count
    """How many trials."""
    trial: Whole | None
    """Number of the selected trial; null if all failed."""
    learning_rate_factor: Number | None
    """Its factor on the recipe's learning rate."""
    ingredients: NotRequired[list[Whole]]
    """Numbers of the trials whose weights are averaged, in a row that selects none; empty in one without a value."""


class PrintedPlace(TypedDict):
    """Place in a paper that prints a value."""

    paper: Sentence
    table: Sentence
    row: Sentence
    column: Sentence


@with_config({**STRICT, "title": "Record"})
class RecordModel(TypedDict):
    """One metric value of one row, with everything needed to check it: one JSON line of a results file."""

    schema: Count
    """Version of this schema."""
    kind: Literal["measured", "published"]
    """Measured by this program, or printed in a paper."""
    suite: SuiteVersion
    method: Method
    backbone: Backbone
    seed: Whole | None
    protocol: NotRequired[Annotated[list[Name], Field(min_length=1, max_length=100_000)]]
    """Protocol options, in alphabetical order; absent for none."""
    tuning: NotRequired[Tuning]
    """Absent in a row whose settings were not tuned."""
    task: RecordedTask
    metric: RecordedMetric
    value: Value | None
    status: Literal["ok", "unavailable", "failed"]
    reason: Sentence | None
    """Why there is no value."""
    replicates: Annotated[list[Replicate], Field(min_length=2, max_length=100_000)] | None
    """The value on bootstrap resamples of the examples."""
    cost: Cost | None
    environment: dict[Key, Text]
    """Library versions and the device."""
    keys: Keys
    table: Hash | None
    """Of the table that was scored."""
    verification: Verification
    source: PrintedPlace | None


Record: TypeAlias = dict[str, Any]
"""A record as it is read and written: a dictionary with the keys of `RecordModel`."""

RECORD = Schema(RecordModel)


def row_key(record: Mapping[str, Any]) -> tuple[str, str, int, str, str, str, str, str, str]:
    """Identify a leaderboard row.

    The parts are kind, suite, suite version, backbone, method, configuration, protocol options, paper and settings.
    The options are joined by commas, empty for none. The paper is empty for measured records. If two papers print the
    same cell, these are two rows. The settings are ``tuned`` or empty: a method has one row of each.
    """
    suite, method = record["suite"], record["method"]
    paper = record["source"]["paper"] if record["source"] else ""
    return (
        record["kind"], suite["name"], suite["version"], record["backbone"]["name"],
        method["name"], method["configuration"], ",".join(record.get("protocol", ())), paper,
        TUNED if "tuning" in record else "",
    )  # fmt: skip


def record_key(record: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Identify the measurement: the row's key, seed (-1 for none), evaluation task, perspective and metric.

    Two records with the same key contradict or duplicate each other; neither can be used.
    """
    seed = -1 if record["seed"] is None else record["seed"]
    return (*row_key(record), seed, record["task"]["id"], record["task"]["perspective"], record["metric"]["id"])


UNTRAINED: Final = ("constant", "random", "bag-of-words")
"""Sanity checks without a network: they have no input gradients, and may give the same answers with every seed."""
SANITY_CHECKS: Final = (*UNTRAINED, "shuffled-labels")
"""Methods that a useful method must beat; the leaderboard shows them in a group of their own and never ranks them."""


def method_slug(name: str, configuration: str, protocol: Iterable[str] = (), *, tuned: bool = False) -> str:
    """Name the folder of a method: ``roast``, ``roast~alpha=0.6``, or ``roast@tuned`` for its tuned row.

    Protocol options follow a second ``~``: ``roast~~ece-index-bug``. Settings that a folder's name cannot hold, or
    that are long, are written as far as possible, and their hash follows a third ``~``. So no two rows share a
    folder, and no name has more than 255 bytes.
    """
    options = ",".join(protocol)
    marker = f"@{TUNED}" if tuned else ""
    written = re.sub("[^A-Za-z0-9._=,+-]", "-", configuration)
    if written == configuration and len(configuration) + len(options) <= _LONGEST_SETTINGS:
        return "~".join((name + marker, configuration, options)).rstrip("~")
    digits = hashlib.sha256(f"{configuration}\n{options}".encode(errors="surrogatepass")).hexdigest()[:12]
    half = (_LONGEST_SETTINGS - len(marker)) // 2
    return "~".join((name + marker, written[:half], options[:half], digits))


_LONGEST_SETTINGS = 160
"""Most characters of the settings in a folder's name, next to a name of 80 and a hash."""


def row_folder(suite: str, version: int, slug: str, backbone: str) -> str:
    """Return the folder of a row below the results folder: ``<suite>@<version>/<method>/<backbone>``."""
    return f"{suite}@{version}/{slug}/{backbone}"


def record_path(record: Mapping[str, Any]) -> str:
    """Return a record's path below the results folder: its row's folder and ``seed-<n>.jsonl``.

    A published record, which has no seed, is in ``published.jsonl``.
    """
    suite, method = record["suite"], record["method"]
    seed = "published" if record["kind"] == "published" else f"seed-{record['seed']}"
    tuned = "tuning" in record
    slug = method_slug(method["name"], method["configuration"], record.get("protocol", ()), tuned=tuned)
    folder = row_folder(suite["name"], suite["version"], slug, record["backbone"]["name"])
    return f"{folder}/{seed}.jsonl"


def line_order(record: Mapping[str, Any]) -> tuple[int, str, str]:
    """Return the sort key of a line in a record file: perspective in the order of `PERSPECTIVES`, task, metric."""
    task = record["task"]
    return PERSPECTIVES.index(task["perspective"]), task["id"], record["metric"]["id"]


_MEASURED_NEEDS = (
    ("suite", "fingerprint"), ("method", "version"), ("method", "source"), ("backbone", "source"), ("seed", ""),
)  # fmt: skip
"""Fields that every measured record has and a published one may lack."""

_VALUE_NEEDS = (
    *_MEASURED_NEEDS,
    ("backbone", "revision"), ("task", "data"), ("task", "n"), ("cost", ""), ("keys", "train"), ("keys", "score"),
)  # fmt: skip
"""Fields that every record with a value has; an early failure may lack them."""


def validate_record(value: object) -> list[Problem]:
    """List everything that is wrong with a record of the current schema version.

    Args:
        value: a parsed JSON value. `migrate` brings older records to the current version first.

    Returns:
        Problems in the order of the fields; empty when the record is valid.
    """
    problems = RECORD.problems(value)
    if isinstance(value, dict):
        reported = {problem.pointer for problem in problems}
        # A rule treats a missing or malformed part as null, so drop its problems about parts that were reported above.
        problems += [problem for problem in contradictions(value) if not _covered(problem.pointer, reported)]
    return problems


def contradictions(record: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield contradictions between the fields of a record; missing or malformed parts count as null."""
    for rule in _RULES:
        yield from rule(record)


def record_line(record: Mapping[str, Any]) -> str:
    """Write a record as its line in a file: canonical JSON and a newline.

    Raises:
        IntegrityError: the record is not valid; all problems are listed.
    """
    return canonical_line(record, validate_record(record), "record")


def _covered(pointer: str, reported: set[str]) -> bool:
    """Return whether the pointer, or an object that contains it, has been reported already."""
    parts = pointer.split("/")
    return any("/".join(parts[:length]) in reported for length in range(1, len(parts) + 1))


def _is_missing(record: Mapping[str, Any], part: str, field: str) -> bool:
    value = record.get(part)
    if field:
        value = value.get(field) if isinstance(value, dict) else None
    return value is None


def _is_current(record: Mapping[str, Any]) -> Iterator[Problem]:
    if record.get("schema") != RECORD_SCHEMA_VERSION:
        message = f"is {record.get('schema')}; this version of temper-bench writes schema {RECORD_SCHEMA_VERSION}."
        yield Problem("/schema", message)


def _value_has_status(record: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that a null value, a status other than ok and a reason occur together or not at all."""
    status, value, reason = record.get("status"), record.get("value"), record.get("reason")
    if status == "ok":
        if value is None:
            yield Problem("/value", "is null although /status is ok; write the value, or another status and a reason.")
        if reason is not None:
            yield Problem("/reason", "is given although /status is ok; write null.")
    elif status in ("unavailable", "failed"):
        if value is not None:
            yield Problem("/value", f"is given although /status is {status}; write null, or status ok.")
        if reason is None:
            yield Problem("/reason", f"is null although /status is {status}; say in a sentence why there is no value.")
        if record.get("replicates") is not None:
            yield Problem("/replicates", f"are given although /status is {status}; write null.")


def _measured_is_traceable(record: Mapping[str, Any]) -> Iterator[Problem]:
    if record.get("kind") != "measured":
        return
    for part, field in _VALUE_NEEDS if record.get("status") == "ok" else _MEASURED_NEEDS:
        if _is_missing(record, part, field):
            yield Problem(f"/{part}/{field}".rstrip("/"), "is missing; a measured value needs it.")
    keys = record.get("keys")
    if record.get("status") == "ok" and isinstance(keys, dict) and sum(kind in keys for kind in SCORED_CELLS) != 1:
        kinds = f"{', '.join(SCORED_CELLS[:-1])} and {SCORED_CELLS[-1]}"
        yield Problem("/keys", f"needs the key of the table that was scored: one of {kinds}.")
    if record.get("source") is not None:
        yield Problem("/source", "is given although /kind is measured; write null, or kind published.")


def _published_is_sourced(record: Mapping[str, Any]) -> Iterator[Problem]:
    if record.get("kind") != "published":
        return
    if record.get("source") is None:
        yield Problem("/source", "is missing; a published number needs its paper, table, row and column.")
    if record.get("status") != "ok":
        yield Problem("/status", "must be ok; leave out a number that was not published.")
    for field in ("seed", "replicates", "cost", "table"):
        if record.get(field) is not None:
            yield Problem(f"/{field}", "belongs to a measured value; write null, or kind measured.")
    if record.get("verification") != "self-reported":
        yield Problem("/verification", "must be self-reported; nobody can re-score a printed number.")


def _rescored_has_table(record: Mapping[str, Any]) -> Iterator[Problem]:
    checked = record.get("verification") in ("rescored", "rerun")
    if checked and record.get("status") == "ok" and record.get("kind") == "measured" and record.get("table") is None:
        yield Problem("/table", f"is null although /verification is {record['verification']}; name the table's hash.")


def _tuned_is_measured(record: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that a tuned row is measured, and that only one whose trials all failed has no selected trial.

    A sanity check has nothing to tune, and the leaderboard shows its only row in the table of tuned rows.
    """
    if "tuning" not in record:
        return
    if record.get("kind") != "measured":
        yield Problem("/tuning", "belongs to a measured value; remove it, or write kind measured.")
    method = record.get("method")
    if isinstance(method, dict) and method.get("name") in SANITY_CHECKS:
        yield Problem("/tuning", f"is given although {method['name']} is a sanity check, which has none; remove it.")
    tuning = record["tuning"]
    if not isinstance(tuning, dict):
        return
    if (tuning.get("trial") is None) != (tuning.get("learning_rate_factor") is None):
        yield Problem("/tuning/learning_rate_factor", "must be null if /tuning/trial is null, and only then.")
    if tuning.get("trial") is None and not tuning.get("ingredients") and record.get("status") == "ok":
        yield Problem("/tuning/trial", "is null although /status is ok; name the selected trial.")
    if tuning.get("trial") is not None and "ingredients" in tuning:
        yield Problem("/tuning/ingredients", "is given although a trial is selected; keep one of the two.")


def _protocol_is_in_order(record: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that options are sorted and unique, so that a row has only one name."""
    names = record.get("protocol")
    if isinstance(names, list) and all(isinstance(name, str) for name in names) and names != sorted(set(names)):
        yield Problem("/protocol", "must name each option once, in alphabetical order; sort it.")


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[Problem]], ...] = (
    _is_current,
    _value_has_status,
    _measured_is_traceable,
    _published_is_sourced,
    _rescored_has_table,
    _protocol_is_in_order,
    _tuned_is_measured,
)
