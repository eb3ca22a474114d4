"""A paper's table: measured and printed values with their differences, in every format."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.schema import LocatedRecord, Record, read_published, read_results, suite_name
from benchmark.schema.markdown import escape_markdown
from leaderboard import definitions
from leaderboard.figures import decimal, metric_figure, unit_label
from leaderboard.intervals import Estimate, mean, over_seeds
from leaderboard.render.tables import (
    csv_text,
    escape_latex,
    figure_text,
    markdown_table,
)
from leaderboard.results import Item


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """A column as the paper has it.

    Attributes:
        label: as the paper prints it.
        suite: ``name@version`` of the suite that it is about.
        item: (task, perspective, metric) of a published number; the task of a mean over several
            sets is the perspective's own name.
        tasks: whose values are averaged, in the paper's order.
        absent: sets of the paper that the suite has no task for, each with the reason.
        departs: how the tasks are not the paper's sets, so that no difference can be taken; may be empty.
        unit: of the metric, as a suite card has it.
        better: "up" or "down".
    """

    label: str
    suite: str
    item: Item
    tasks: tuple[str, ...]
    absent: Mapping[str, str]
    departs: str
    unit: str
    better: str


@dataclass(frozen=True, slots=True)
class Place:
    """Place of a row's records for one suite: suite folder, method and configuration; or why it has none."""

    folder: str
    method: str
    configuration: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A row as printed in the paper, and the place of its records by suite."""

    label: str
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A paper's table and the settings of its reproduction.

    Attributes:
        title: states what was cut, if anything.
        paper: as the sources of published numbers name it.
        seeds: the counted seeds.
        notes: sentences for below the table.
    """

    title: str
    paper: str
    backbone: str
    seeds: tuple[int, ...]
    columns: tuple[PaperColumn, ...]
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the measured value, the published value, and notes.

    Attributes:
        difference: measured minus published, in the metric's own unit; None where either is missing, or where the
            measured mean is not over the same sets.
        notes: remarks on the measured number, or on its absence.
        missing: sets that were not measured, each with the reason.
    """

    measured: Estimate
    published: float | None
    difference: float | None
    notes: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


def fill(table: PaperTable, results: Path, published: Path | None) -> list[list[Cell]]:
    """Look up every cell of a paper's table, rows first.

    Args:
        table: rows, columns and seeds.
        results: a results folder; need not exist.
        published: the folder of published numbers; None for none.

    Raises:
        IntegrityError: a record is refused.
    """
    measured: dict[tuple[str, str, str], list[Record]] = {}
    for suite in read_results(results) if results.is_dir() else ():
        for record in (located.record for located in suite.records):
            if _counts(record, table):
                method = record["method"]
                row = (suite_name(record["suite"]), method["name"], method["configuration"])
                measured.setdefault(row, []).append(record)
    printed = [located for located in read_published(published) if _is_printed_in(located, table)]
    return [[_cell(row, column, measured, printed) for column in table.columns] for row in table.rows]


def _counts(record: Record, table: PaperTable) -> bool:
    """Return whether a measured record is of this backbone, one of the seeds, the default protocol, and not tuned."""
    asked = record["backbone"]["name"] == table.backbone and record["seed"] in table.seeds
    return asked and not record.get("protocol") and "tuning" not in record


def _is_printed_in(located: LocatedRecord, table: PaperTable) -> bool:
    record = located.record
    return (record["source"]["paper"], record["backbone"]["name"]) == (table.paper, table.backbone)


def _cell(
    row: PaperRow,
    column: PaperColumn,
    measured: Mapping[tuple[str, str, str], Sequence[Record]],
    printed: Iterable[LocatedRecord],
) -> Cell:
    place = row.places[column.suite]
    records = measured.get((place.folder, place.method, place.configuration), ())
    estimate, missing = _measure(records, column)
    numbers = (p.record["value"] for p in printed if _is_printed_at(p.record, row.label, column))
    number = next(numbers, None)
    if not records:
        return Cell(estimate, number, None, (place.reason or "not run",))
    value, notes = estimate.value, _notes(column, tuple(missing), whole=estimate.value is None)
    same = value is not None and number is not None and not missing and not column.departs
    return Cell(estimate, number, value - number if same else None, notes, missing)  # type: ignore[operator]


def _notes(column: PaperColumn, missing: Sequence[str], *, whole: bool) -> tuple[str, ...]:
    """Return notes on the missing parts of a measured cell; `whole` if all parts are missing."""
    if whole:
        return (f"not measured, because these sets are missing: {', '.join(missing)}",)
    total = len(column.tasks) + len(column.absent)
    mean_of = f"a mean over {total - len(missing)} of the paper's {total} sets, without {', '.join(missing)}"
    return tuple(filter(None, (mean_of if missing else "", column.departs)))


def _is_printed_at(record: Record, label: str, column: PaperColumn) -> bool:
    item = (record["task"]["id"], record["task"]["perspective"], record["metric"]["id"])
    here = (suite_name(record["suite"]), record["source"]["row"], item)
    return here == (column.suite, label, column.item)


def _measure(records: Iterable[Record], column: PaperColumn) -> tuple[Estimate, dict[str, str]]:
    """Average a column's tasks per seed, then over seeds; and return the missing sets with the reasons."""
    values: dict[str, dict[int, float]] = {task: {} for task in column.tasks}
    reasons: dict[str, str] = {}
    for record in records:
        task = record["task"]["id"]
        if task not in values or (record["task"]["perspective"], record["metric"]["id"]) != column.item[1:]:
            continue
        if record["value"] is None:
            reasons.setdefault(task, str(record["reason"]))
        else:
            values[task][record["seed"]] = float(record["value"])
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    whole = [task for task in column.tasks if seeds and values[task].keys() >= set(seeds)]
    missing = {task: reasons.get(task, "no record") for task in column.tasks if task not in whole}
    points = [(seed, mean([values[task][seed] for task in whole])) for seed in seeds if whole]
    return over_seeds(points), {**missing, **column.absent}


MEASURED, PUBLISHED, DIFFERENCE = "measured", "published", "difference"

NOTHING_PUBLISHED = (
    "Published: of these cells, no number was found in a source that can be cited. `temper published import FILE` adds "
    "what a paper prints."
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts with three lines per row; a cell without a number is empty. `notes` are for below."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def grid(table: PaperTable, cells: Sequence[Sequence[Cell]]) -> Grid:
    """Format every number, and number the notes of the cells."""
    numbers: dict[str, int] = {}
    lines: list[tuple[str, ...]] = []
    for row, line in zip(table.rows, cells, strict=True):
        pairs = list(zip(table.columns, line, strict=True))
        lines.append((row.label, MEASURED, *(_measured(column, cell, numbers) for column, cell in pairs)))
        lines.append(("", PUBLISHED, *(_number(cell.published, column) for column, cell in pairs)))
        lines.append(("", DIFFERENCE, *(_signed(cell.difference, column) for column, cell in pairs)))
    notes = [f"[{number}] {note}" for note, number in numbers.items()]
    gaps = {f"{name}: {reason}": None for line in cells for cell in line for name, reason in cell.missing.items()}
    spread = [definitions.SPREAD] if len(table.seeds) > 1 else []
    if all(cell.published is None for line in cells for cell in line):
        spread.append(NOTHING_PUBLISHED)
    headings = ("Method", "", *map(_heading, table.columns))
    return Grid(table.title, headings, tuple(lines), (*notes, *gaps, *spread, *table.notes))


def as_markdown(shown: Grid) -> str:
    """Write a heading, a table and a list of notes."""
    lines = markdown_table(shown.headings, shown.lines, (number < 2 for number in range(len(shown.headings))))
    notes = [f"- {escape_markdown(note)}" for note in shown.notes]
    return "\n".join([f"## {escape_markdown(shown.title)}", "", *lines, "", *notes, ""])


def as_csv(shown: Grid) -> str:
    """Write the grid; no cell is a formula."""
    return csv_text([shown.headings, *shown.lines, *((note,) for note in shown.notes)])


def as_latex(shown: Grid) -> str:
    """Write a table for the package booktabs; notes are below the rules."""
    lines = [r"\begin{table}", rf"\caption{{{escape_latex(shown.title)}}}"]
    lines += [rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) - 2)}}}", r"\toprule"]
    for number, line in enumerate((shown.headings, *shown.lines)):
        lines += [r"\midrule"] if number % 3 == 1 else []
        # Add braces, because LaTeX reads a bracket after a line break as its argument.
        lines.append(" & ".join(f"{{{escape_latex(cell)}}}" for cell in line) + r" \\")
    notes = [f"{{{escape_latex(note)}}}" + r" \\" for note in shown.notes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\par\footnotesize", *notes, r"\end{table}", ""])


def as_json(table: PaperTable, cells: Sequence[Sequence[Cell]]) -> str:
    """Write the numbers in the metrics' own units, a fraction from 0 to 1."""
    rows = [
        {"row": row.label, "cells": [_plain(c, cell) for c, cell in zip(table.columns, line, strict=True)]}
        for row, line in zip(table.rows, cells, strict=True)
    ]
    value = {"title": table.title, "paper": table.paper, "backbone": table.backbone, "seeds": list(table.seeds)}
    whole = {**value, "rows": rows, "notes": list(table.notes)}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


GRID_FORMATS: dict[str, Callable[[Grid], str]] = {"md": as_markdown, "csv": as_csv, "tex": as_latex}
"""Formats by their name on the command line."""


def _heading(column: PaperColumn) -> str:
    arrow = "↑" if column.better == "up" else "↓"
    return " ".join(filter(None, (column.label, unit_label(column.unit), arrow)))


def _measured(column: PaperColumn, cell: Cell, numbers: dict[str, int]) -> str:
    text = figure_text(metric_figure(cell.measured, column.unit)) if cell.measured.value is not None else ""
    marks = "".join(f"[{numbers.setdefault(note, len(numbers) + 1)}]" for note in cell.notes)
    return " ".join(filter(None, (text, marks)))


def _number(value: float | None, column: PaperColumn) -> str:
    return "" if value is None else metric_figure(Estimate(value), column.unit).text


def _signed(value: float | None, column: PaperColumn) -> str:
    text = _number(value, column)
    return decimal(float(text), len(text.partition(".")[2]), signed=True) if text else ""


def _plain(column: PaperColumn, cell: Cell) -> dict[str, Any]:
    measured = cell.measured
    return {
        "column": column.label,
        "suite": column.suite,
        "metric": column.item[2],
        "measured": measured.value,
        "low": measured.low,
        "high": measured.high,
        "by_seed": {str(seed): value for seed, value in measured.points},
        "published": cell.published,
        "difference": cell.difference,
        "notes": list(cell.notes),
        "missing": dict(cell.missing),
    }
