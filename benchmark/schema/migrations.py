"""Migrations: bring records and cards of older versions to the current schema, one version at a time.

A record that was valid once stays readable: a new schema version adds one function here and golden
files of the old version to the tests, and changes nothing about the functions before it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from benchmark.schema.errors import IntegrityError

RECORD_SCHEMA_VERSION = 1
CARD_SCHEMA_VERSION = 1
ATTACHMENT_SCHEMA_VERSION = 1

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

# Maps a schema version to the function that converts its objects to the next. Empty, since version 1 is current.
RECORD_MIGRATIONS: Mapping[int, Migration] = {}
CARD_MIGRATIONS: Mapping[int, Migration] = {}


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
