"""The generated reference: every key of a suite file in Markdown, and every model as JSON Schema."""

import json
from collections.abc import Mapping
from typing import Any

from benchmark.attacks.recipes import ATTACKS
from benchmark.attacks.suite_attack import Attack
from benchmark.data.spec import DataSpec, LabelSpec, Thresholds
from benchmark.resources.manifest import MANIFEST_SCHEMA
from benchmark.schema.attachments import ATTACK_EXAMPLE, METHOD_CARD
from benchmark.schema.base import Schema
from benchmark.schema.errors import words
from benchmark.schema.record import RECORD
from benchmark.schema.suite_card import SUITE_CARD
from benchmark.schema.trial import TRIAL
from benchmark.suites.config import (
    SUITE,
    EvaluationTask,
    MetricSettings,
    Recipe,
    SplitSpec,
    Suite,
    TrainingTask,
    TuningRule,
)
from benchmark.suites.suite_files import GROUP, Group

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"

TABLES: tuple[tuple[str, type], ...] = (
    ("Top of the file", Suite),
    ("`[training]`", TrainingTask),
    ("`[training.data]`, `[training.split.test_data]`, `[tasks.data]`", DataSpec),
    ("`label` of a data table", LabelSpec),
    ("`thresholds` of a label", Thresholds),
    ("`[training.split]`", SplitSpec),
    ("`[recipe]`", Recipe),
    ("`[metrics]`", MetricSettings),
    ("`[tuning]`", TuningRule),
    ("`[[tasks]]`", EvaluationTask),
    ("`[[attacks]]`", Attack),
    ("A group's file", Group),
    *((f'`[attacks.parameters]` with `recipe = "{name}"`', cls) for name, cls in ATTACKS.items()),
)
"""Heading and dataclass of every table of a suite file."""


def reference() -> str:
    """Write all tables in Markdown."""
    return "\n".join(f"### {heading}\n\n{cls.__doc__}\n\n{_table(cls)}" for heading, cls in TABLES)


def with_reference(document: str) -> str:
    """Replace the text between a document's two marks by the reference.

    Raises:
        ValueError: the document does not have exactly one of each mark.
    """
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def json_schemas() -> dict[str, str]:
    """Export every model: file name in docs/schema to its JSON Schema."""
    models = {
        "record": RECORD,
        "suite_card": SUITE_CARD,
        "method_card": METHOD_CARD,
        "attack_example": ATTACK_EXAMPLE,
        "trial": TRIAL,
        "suite": SUITE,
        "group": GROUP,
        "manifest": MANIFEST_SCHEMA,
        **{f"attack_{name}": Schema(cls) for name, cls in ATTACKS.items()},
    }
    return {
        f"{name}.json": json.dumps(schema.json_schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in models.items()
    }


def _table(cls: type) -> str:
    schema = Schema(cls).json_schema
    rows = [
        _row(name, key, name in schema.get("required", ()), schema.get("$defs", {}))
        for name, key in schema["properties"].items()
    ]
    return "\n".join(("| key | value | if absent | meaning |", "|---|---|---|---|", *rows)) + "\n"


def _row(name: str, key: Mapping[str, Any], required: bool, tables: Mapping[str, Any]) -> str:
    kinds = [kind for kind in key.get("anyOf", (key,)) if kind.get("type") != "null"]
    table: Mapping[str, Any] = next((tables[kind["$ref"].rpartition("/")[2]] for kind in kinds if "$ref" in kind), {})
    meaning = key.get("description") or table.get("description", "")
    cells = (f"`{name}`", _value(kinds), "**required**" if required else _default(key), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(kinds: list[Mapping[str, Any]]) -> str:
    """Describe the value of a key."""
    kind = kinds[0]
    if "$ref" in kind:
        return "a table"
    if kind.get("type") == "array" and "$ref" in kind.get("items", {}):
        return f"{words(kind)}, each a table"
    if kind.get("type") == "array":
        item = kind.get("items") or kind["prefixItems"][0]
        return f"{words(kind)}, each {words(item)}"
    if kind.get("type") == "object":
        inner = kind["additionalProperties"]
        return "a table" if inner is True else f"a table, each value {_value([inner])}"
    if "enum" in kind:
        return " or ".join(f'`"{choice}"`' for choice in kind["enum"])
    return words(kind if len(kinds) == 1 else {"anyOf": kinds})


def _default(key: Mapping[str, Any]) -> str:
    value = key.get("default")
    if "absent" in key:
        return str(key["absent"])
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, int | float):
        return f"`{value:g}`"
    return f"`{value}`" if isinstance(value, list) and value else "-"
