"""Validation: every problem of a record or suite card at once, each with its JSON pointer and its fix."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmark.schema.cards import CARD_SCHEMA_VERSION, SUITE_CARD, card_coherence
from benchmark.schema.fields import Problem, Remembered, Shape, steps
from benchmark.schema.records import RECORD, RECORD_SCHEMA_VERSION, SCORED_CELLS

# The parts that most records of a file, or of a suite, have in common.
_SHARED = ("suite", "method", "backbone", "probe", "metric", "cost", "environment", "keys")
_RECORD = Shape(
    {name: Remembered(kind) if name in _SHARED else kind for name, kind in RECORD.fields.items()}, RECORD.optional
)

# A published number may not know these; a measured one always does.
_MEASURED_NEEDS = ("/suite/fingerprint", "/method/version", "/method/source", "/backbone/source", "/seed")
# What an attempt that failed early may not have reached.
_VALUE_NEEDS = ("/backbone/revision", "/probe/data", "/probe/n", "/cost", "/keys/train", "/keys/score")


def validate_record(value: object) -> list[Problem]:
    """List everything that is wrong with a record of the current schema version.

    Args:
        value: a parsed JSON value. `migrate` brings older records to the current version first.

    Returns:
        Problems in the order of the fields; empty when the record is valid.
    """
    problems = list(_RECORD.problems(value, ""))
    if not isinstance(value, dict):
        return problems
    problems += _version(value, RECORD_SCHEMA_VERSION, problems)
    reported = {problem.pointer for problem in problems}
    # A rule sees null where a part is missing or malformed; what it then says about that part is an echo.
    for rule in _RULES:
        problems += [problem for problem in rule(value) if not _covered(problem.pointer, reported)]
    return problems


def validate_suite_card(value: object) -> list[Problem]:
    """List everything that is wrong with a suite card of the current schema version.

    Returns:
        Problems in the order of the fields; what is wrong between fields is looked at once every field is well formed.
    """
    problems = list(SUITE_CARD.problems(value, ""))
    if isinstance(value, dict):
        problems += _version(value, CARD_SCHEMA_VERSION, problems)
    if not problems and isinstance(value, dict):
        problems = list(card_coherence(value))
    return problems


def _version(value: Mapping[str, Any], current: int, problems: list[Problem]) -> list[Problem]:
    if value.get("schema") == current or any(problem.pointer == "/schema" for problem in problems):
        return []
    return [Problem("/schema", f"is {value['schema']}; this version of temper-bench writes schema {current}.")]


def _covered(pointer: str, reported: set[str]) -> bool:
    """Whether the pointer, or an object it stands in, has been reported already."""
    parts = pointer.split("/")
    return any("/".join(parts[:length]) in reported for length in range(1, len(parts) + 1))


def _at(record: Mapping[str, Any], pointer: str) -> Any:
    """Read the value at a pointer without escapes; null where the way there is broken."""
    value: Any = record
    for step in steps(pointer):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _value_has_status(record: Mapping[str, Any]) -> Iterator[Problem]:
    """Null value, a status other than ok and a stated reason come together or not at all."""
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
    needs = _MEASURED_NEEDS + (_VALUE_NEEDS if record.get("status") == "ok" else ())
    for pointer in needs:
        if _at(record, pointer) is None:
            yield Problem(pointer, "is missing; a measured value needs it.")
    keys = record.get("keys")
    if record.get("status") == "ok" and isinstance(keys, dict) and sum(kind in keys for kind in SCORED_CELLS) != 1:
        yield Problem("/keys", "needs the key of the table that was scored: one of predict, inspect and attack.")
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


def _protocol_is_in_order(record: Mapping[str, Any]) -> Iterator[Problem]:
    """One set of options is written one way, or two names for a row would stand for one."""
    names = record.get("protocol")
    if isinstance(names, list) and all(isinstance(name, str) for name in names) and names != sorted(set(names)):
        yield Problem("/protocol", "must name each option once, in alphabetical order; sort it.")


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[Problem]], ...] = (
    _value_has_status,
    _measured_is_traceable,
    _published_is_sourced,
    _rescored_has_table,
    _protocol_is_in_order,
)
