"""Facts: where a row comes from, for the details below the tables."""

import json
from collections.abc import Mapping
from typing import Any

from benchmark.schema import Record
from leaderboard.load import Entrant


def facts(entrant: Entrant) -> tuple[tuple[str, str], ...]:
    """Describe where a row comes from; what differs between its seeds or records is listed with all its values."""
    records = entrant.all_records()
    # A file holds one run, so one record of each seed speaks for its method and backbone.
    runs = list({record["seed"]: record for record in reversed(records)}.values())[::-1]
    found = [
        ("Method version", [record["method"]["version"] for record in runs]),
        ("Method source", [record["method"]["source"] for record in runs]),
        ("Backbone", [record["backbone"]["source"] for record in runs]),
        ("Backbone revision", [record["backbone"]["revision"] for record in runs]),
        ("Hyper-parameters", [_settings(record["method"]["hyperparameters"]) for record in runs]),
        ("Training passes", [_passes(entrant.cost(seed)) for seed in entrant.seeds]),
        ("Environment", [_environment(found) for found in _environments(records)]),
        ("Published in", [_printed(record["source"]) for record in records if record["source"]]),
        ("Records", list(entrant.files)),
    ]
    return tuple((name, "; ".join(shown)) for name, values in found if (shown := _distinct(values)))


def _settings(hyperparameters: Mapping[str, Any]) -> str | None:
    known = [(name, value) for name, value in sorted(hyperparameters.items()) if value is not None]
    return ", ".join(f"{name} {_distinct([value])[0]}" for name, value in known) or None


def _environments(records: list[Record]) -> list[dict[str, str]]:
    return list({tuple(record["environment"].items()): record["environment"] for record in records}.values())


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
