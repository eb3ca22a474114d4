"""A paper's table as text: one grid of texts, and from it markdown, CSV, LaTeX; JSON has the numbers."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard import words
from leaderboard.figures import decimal, metric_figure, unit_label
from leaderboard.intervals import Estimate
from leaderboard.render import latex, markdown, spreadsheet
from leaderboard.render.plain import figure_text
from leaderboard.reproduction import Cell, PaperColumn, PaperTable

MEASURED, PUBLISHED, DIFFERENCE = "measured", "published", "difference"

NOTHING_PUBLISHED = (
    "Published: of these cells, no number was found in a source that can be cited. `temper published import FILE` adds "
    "what a paper prints."
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts with three lines a row; a cell without a number is empty. `notes` are for below."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def grid(table: PaperTable, cells: Sequence[Sequence[Cell]]) -> Grid:
    """Write every number as it is shown, and number the notes of the cells."""
    numbers: dict[str, int] = {}
    lines: list[tuple[str, ...]] = []
    for row, found in zip(table.rows, cells, strict=True):
        pairs = list(zip(table.columns, found, strict=True))
        lines.append((row.label, MEASURED, *(_measured(column, cell, numbers) for column, cell in pairs)))
        lines.append(("", PUBLISHED, *(_number(cell.published, column) for column, cell in pairs)))
        lines.append(("", DIFFERENCE, *(_signed(cell.difference, column) for column, cell in pairs)))
    notes = [f"[{number}] {note}" for note, number in numbers.items()]
    gaps = {f"{name}: {reason}": None for found in cells for cell in found for name, reason in cell.missing.items()}
    spread = [words.SPREAD] if len(table.seeds) > 1 else []
    if all(cell.published is None for found in cells for cell in found):
        spread.append(NOTHING_PUBLISHED)
    headings = ("Method", "", *map(_heading, table.columns))
    return Grid(table.title, headings, tuple(lines), (*notes, *gaps, *spread, *table.notes))


def as_markdown(shown: Grid) -> str:
    """Write a heading, a table and a list of notes."""
    edges = [":--", ":--", *["--:"] * (len(shown.headings) - 2)]
    body = [shown.headings, edges, *(map(markdown.cell_text, line) for line in shown.lines)]
    lines = [f"| {' | '.join(line)} |" for line in body]
    notes = [f"- {markdown.escape(note)}" for note in shown.notes]
    return "\n".join([f"## {markdown.escape(shown.title)}", "", *lines, "", *notes, ""])


def as_csv(shown: Grid) -> str:
    """Write the grid; no cell is a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for line in (shown.headings, *shown.lines, *((note,) for note in shown.notes)):
        writer.writerow([spreadsheet.neutral(cell) for cell in line])
    return stream.getvalue()


def as_latex(shown: Grid) -> str:
    """Write a table for the package booktabs; notes stand below the rules."""
    lines = [r"\begin{table}", rf"\caption{{{latex.escape(shown.title)}}}"]
    lines += [rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) - 2)}}}", r"\toprule"]
    for number, line in enumerate((shown.headings, *shown.lines)):
        lines += [r"\midrule"] if number % 3 == 1 else []
        # Braces: a text that begins with a bracket would be read as an argument of the line break before it.
        lines.append(" & ".join(f"{{{latex.escape(cell)}}}" for cell in line) + r" \\")
    notes = [f"{{{latex.escape(note)}}}" + r" \\" for note in shown.notes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\par\footnotesize", *notes, r"\end{table}", ""])


def as_json(table: PaperTable, cells: Sequence[Sequence[Cell]]) -> str:
    """Write the numbers in the metrics' own units, a fraction from 0 to 1."""
    rows = [
        {"row": row.label, "cells": [_plain(c, cell) for c, cell in zip(table.columns, found, strict=True)]}
        for row, found in zip(table.rows, cells, strict=True)
    ]
    value = {"title": table.title, "paper": table.paper, "backbone": table.backbone, "seeds": list(table.seeds)}
    whole = {**value, "rows": rows, "notes": list(table.notes)}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


GRID_FORMATS: dict[str, Callable[[Grid], str]] = {"md": as_markdown, "csv": as_csv, "tex": as_latex}
"""By the name that the command line gives."""


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
