"""The reference of all keys of a suite file, written from the dataclasses that read it, so that it cannot go stale."""

from dataclasses import MISSING, Field
from typing import Any

from benchmark.data.constraints import Doc
from benchmark.data.spec import DataSpec, LabelSpec, Thresholds
from benchmark.suites.groups import Group
from benchmark.suites.kinds import describe, keys_of, type_hints, unwrap
from benchmark.suites.recipes import RECIPES
from benchmark.suites.spec import (
    Attack,
    MetricSettings,
    Probe,
    Recipe,
    SplitSpec,
    Suite,
    TrainingTask,
)

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"

TABLES: tuple[tuple[str, type], ...] = (
    ("Top of the file", Suite),
    ("`[training]`", TrainingTask),
    ("`[training.data]`, `[training.split.test_data]`, `[probes.data]`", DataSpec),
    ("`label` of a data table", LabelSpec),
    ("`thresholds` of a label", Thresholds),
    ("`[training.split]`", SplitSpec),
    ("`[recipe]`", Recipe),
    ("`[metrics]`", MetricSettings),
    ("`[[probes]]`", Probe),
    ("`[[attacks]]`", Attack),
    ("A group's file", Group),
    *((f'`[attacks.parameters]` with `recipe = "{name}"`', cls) for name, cls in RECIPES.items()),
)
"""Every table of a suite file: how it is headed, and the dataclass that reads it."""


def reference() -> str:
    """All tables in Markdown."""
    return "\n".join(f"### {heading}\n\n{cls.__doc__}\n\n{_table(cls)}" for heading, cls in TABLES)


def with_reference(document: str) -> str:
    """A document with what stands between its two marks replaced by the reference.

    Raises:
        ValueError: the document has not exactly one of each mark.
    """
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _table(cls: type) -> str:
    hints = type_hints(cls)
    rows = [_row(item, hints[item.name]) for item in keys_of(cls)]
    return "\n".join(("| key | value | if absent | meaning |", "|---|---|---|---|", *rows)) + "\n"


def _row(item: "Field[Any]", kind: Any) -> str:
    core, metadata = unwrap(kind)
    doc = next((found for found in metadata if isinstance(found, Doc)), Doc(str(core.__doc__)))
    cells = (f"`{item.name}`", describe(kind), _default(item, doc), doc.text)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(item: "Field[Any]", doc: Doc) -> str:
    if doc.default:
        return doc.default
    if item.default is MISSING and item.default_factory is MISSING:
        return "**required**"
    value = item.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, int | float):
        return f"`{value:g}`"
    return f"`{list(value)}`" if isinstance(value, tuple) and value else "-"
