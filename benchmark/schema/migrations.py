"""Migrations: bring records and cards of older versions to the current schema, one version at a time.

A record that was valid once stays readable: a new schema version adds one function here and golden
files of the old version to the tests, and changes nothing about the functions before it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import IntegrityError

RECORD_SCHEMA_VERSION = 2
CARD_SCHEMA_VERSION = 2
ATTACHMENT_SCHEMA_VERSION = 1

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def _record_2(record: dict[str, Any]) -> dict[str, Any]:
    """Name the evaluation task `task`, which version 1 called a probe."""
    return {"task" if key == "probe" else key: value for key, value in record.items()}


def _card_2(card: dict[str, Any]) -> dict[str, Any]:
    """Name the evaluation tasks `tasks`, and note the fingerprints that records of version 1 state.

    They hashed the whole card, at first with the overlaps and later without.
    """
    without = [{"overlap", "largest_class"}, {"largest_class"}]
    earlier = [fingerprint({key: value for key, value in card.items() if key not in keys}) for keys in without]
    migrated = {"tasks" if key == "probes" else key: value for key, value in card.items()}
    if isinstance(card.get("overlap"), list):
        migrated["overlap"] = [_record_2(entry) if isinstance(entry, dict) else entry for entry in card["overlap"]]
    return {**migrated, "earlier_fingerprints": earlier}


RECORD_MIGRATIONS: Mapping[int, Migration] = {1: _record_2}
CARD_MIGRATIONS: Mapping[int, Migration] = {1: _card_2}
"""Maps a schema version to the function that converts its objects to the next."""


def migrate(record: dict[str, Any]) -> dict[str, Any]:
    """Bring a record to `RECORD_SCHEMA_VERSION`; one without a readable version is left for validation to refuse.

    Raises:
        IntegrityError: the record is newer than this program, or older than every migration.
    """
    return _climb(record, RECORD_SCHEMA_VERSION, RECORD_MIGRATIONS, "record")


def migrate_card(card: dict[str, Any]) -> dict[str, Any]:
    """Bring a suite card to `CARD_SCHEMA_VERSION`, as `migrate` does for a record.

    Raises:
        IntegrityError: the card is newer than this program, or older than every migration.
    """
    return _climb(card, CARD_SCHEMA_VERSION, CARD_MIGRATIONS, "suite card")


def _climb(value: dict[str, Any], current: int, steps: Mapping[int, Migration], what: str) -> dict[str, Any]:
    version = value.get("schema")
    if not isinstance(version, int) or isinstance(version, bool):
        return value
    if version > current:
        raise IntegrityError(
            f"/schema: this {what} has schema {version}, this program reads up to {current}; upgrade temper-bench."
        )
    while version < current:
        if version not in steps:
            raise IntegrityError(f"/schema: no migration leads from {what} schema {version}; write it as {current}.")
        value = {**steps[version](value), "schema": version + 1}
        version += 1
    return value
