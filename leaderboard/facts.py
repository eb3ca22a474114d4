"""Facts: where a row comes from, for the details below the tables."""

import json
from collections.abc import Mapping
from typing import Any

from leaderboard.load import Entrant


def facts(entrant: Entrant) -> tuple[tuple[str, str], ...]:
    """Describe where a row comes from; what differs between its seeds or records is listed with all its values."""
    records = entrant.all_records()
    settings = {name for record in records for name in record["method"]["hyperparameters"]}
    found = [
        ("Method version", [record["method"]["version"] for record in records]),
        ("Method source", [record["method"]["source"] for record in records]),
        ("Backbone", [record["backbone"]["source"] for record in records]),
        ("Backbone revision", [record["backbone"]["revision"] for record in records]),
        *((name, [record["method"]["hyperparameters"].get(name) for record in records]) for name in sorted(settings)),
        ("Training passes", [_passes(record["cost"]) for record in records]),
        ("Environment", [_environment(record["environment"]) for record in records]),
        ("Published in", [_printed(record["source"]) for record in records]),
        ("Records", list(entrant.files)),
    ]
    return tuple((name, "; ".join(shown)) for name, values in found if (shown := _distinct(values)))


def _distinct(values: list[Any]) -> list[str]:
    """Write values as text, each once, in order of appearance; null is left out."""
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values if value is not None)
    return list(dict.fromkeys(texts))


def _passes(cost: Mapping[str, int] | None) -> str | None:
    if cost is None:
        return None
    return f"{cost['forward']} forward, {cost['backward']} backward, {cost['input_backward']} backward to inputs only"


def _environment(environment: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name} {text}" for name, text in sorted(environment.items())) or None


def _printed(source: Mapping[str, str] | None) -> str | None:
    return f"{source['paper']}, {source['table']}, row {source['row']}, column {source['column']}" if source else None
