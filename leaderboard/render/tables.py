"""The leaderboard as Markdown, CSV, LaTeX, JSON and plain text, each from `leaderboard.columns.COLUMNS`."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.schema.markdown import escape_cell, escape_markdown
from leaderboard import definitions
from leaderboard.board import Board, Section
from leaderboard.columns import COLUMNS, GROUP_TITLES, Column, Row, all_notes, joined_notes
from leaderboard.figures import Figure, decimal
from leaderboard.ranking import IN_ORDER
from leaderboard.render.charts import gain_bars
from leaderboard.sensitivity import Sensitivity

FORMAT_VERSION = 3
"""Schema version of `board.json`."""

_NUMBERS = re.compile(r"[-+±★0-9., \[\]]+")


def figure_text(figure: Figure) -> str:
    """Write a value with its star, and half the width or the ends of its interval; empty if it is missing."""
    value = figure.text + ("★" if figure.star else "")
    if figure.spread:
        return f"{value} ±{figure.spread}"
    return f"{value} [{figure.low}, {figure.high}]" if figure.low else value


def cell_text(column: Column, row: Row) -> str:
    """Write a cell of a table."""
    cell = column.cell(row)
    return (cell if isinstance(cell, str) else figure_text(cell)) or column.absent


def task_heading(column: Column) -> str:
    """Name an evaluation task's column with its perspective and metric."""
    return f"{column.perspective}: {column.title}, {column.metric} {column.heading.removeprefix(column.title)}"


def _main_table(section: Section) -> list[Column]:
    return [column for column in section.columns() if column.in_tables]


def _task_table(section: Section) -> tuple[list[str], list[list[str]]]:
    """Write the headings and cells of a section's second table, which has a column per evaluation task."""
    headings = ["Method", *map(task_heading, section.tasks)]
    return headings, [[row.full_name, *(cell_text(column, row) for column in section.tasks)] for row in section.rows]


# Markdown


def markdown(board: Board) -> str:
    """Write board.md: for every section a table per group of rows, then a table of evaluation tasks."""
    lines = [f"# {definitions.TITLE}", ""]
    shown = [(name, text) for name, text in definitions.reading(ranked=board.ranked) if name != "Changes"]
    lines += [f"- {escape_markdown(name)}: {escape_markdown(text)}" for name, text in shown]
    lines += [f"- Cost: {escape_markdown(definitions.COST)}", ""]
    if not board.sections:
        lines += ["No suite has results yet.", ""]
    for section in board.sections:
        lines += _markdown_section(section)
    if board.dropped:
        drops = (f"- {escape_markdown(f'{drop.where}: {drop.reason}')}" for drop in board.dropped)
        lines += ["## Not used", "", *drops, ""]
    return "\n".join(lines)


def markdown_cell(text: str) -> str:
    """Escape a cell that is not a number with its interval."""
    return text if _NUMBERS.fullmatch(text) else escape_cell(text)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[bool]) -> list[str]:
    """Write the lines of a table; the columns marked in `left` are aligned to the left, the others to the right."""
    edges = [":--" if is_left else "--:" for is_left in left]
    lines = [list(map(markdown_cell, headings)), edges, *(list(map(markdown_cell, row)) for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _markdown_section(section: Section) -> Iterator[str]:
    yield from (f"## {escape_markdown(section.heading)}", "")
    yield from (f"> {escape_markdown(section.note)}", "") if section.note else ()
    if not section.rows:
        yield from ("No records yet.", "")
        return
    yield from (escape_markdown(section.above), "") if section.above else ()
    columns = _main_table(section)
    for _, title, rows in section.groups():
        cells = ([cell_text(column, row) for column in columns] for row in rows)
        left = (column.kind in ("method", "text") for column in columns)
        yield from (f"### {title}", "", *markdown_table([c.heading for c in columns], cells, left), "")
    for paragraph in section.below:
        yield from (escape_markdown(paragraph), "")
    headings, lines = _task_table(section)
    left = (number == 0 for number in range(len(headings)))
    yield from ("### Evaluation tasks", "", *markdown_table(headings, lines, left), "")


# CSV

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# Match the start of a cell, after blanks, that some spreadsheet reads as a formula.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%＝＋－＠]")


def csv_table(board: Board) -> str:
    """Write board.csv: a header, then a line per row of the leaderboard; numbers are plain decimals."""
    columns = [
        column
        for entry in COLUMNS
        for column in (
            (entry,)
            if isinstance(entry, Column) and not entry.optional
            else (c for s in board.sections for c in s.own_columns(entry))
        )
    ]
    names = list(dict.fromkeys(name for column in columns for name in column.csv_fields()))
    lines = [["suite", "backbone", "group", *names, "notes"]]
    for section in board.sections:
        fields = {
            name: read
            for entry in COLUMNS
            for column in section.own_columns(entry)
            for name, read in column.csv_fields().items()
        }
        for row in section.rows:
            cells = [str(fields[name](row)) if name in fields else "" for name in names]
            notes = joined_notes((section.chance, *row.notes))
            lines.append([section.suite, section.backbone, row.group, *cells, notes])
    return csv_text(lines)


def csv_text(lines: Iterable[Iterable[str]]) -> str:
    """Write lines of cells without any formula; lines end in a newline alone."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([neutral(cell) for cell in line] for line in lines)
    return stream.getvalue()


def neutral(text: str) -> str:
    """Prefix possible spreadsheet formulas with an apostrophe; numbers stay unchanged."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


# LaTeX

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "★": r"$^{\star}$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def latex(board: Board) -> str:
    """Write board.tex: two tables per section, scores and evaluation tasks. Notes are left to the other files."""
    lines = [rf"% {definitions.TITLE}; needs \usepackage{{booktabs}}.", ""]
    for section in board.sections:
        if section.rows:
            columns = [column for column in _main_table(section) if column.key != "notes"]
            bodies = [
                (title, [[cell_text(column, row) for column in columns] for row in rows])
                for _, title, rows in section.groups()
            ]
            rule = definitions.RANK if section.ranked else section.rule
            caption = " ".join(filter(None, (f"{section.heading}.", rule, section.finding, section.detectable_rule)))
            lines += _latex_table(caption, [column.heading for column in columns], bodies)
            headings, rows = _task_table(section)
            lines += _latex_table(f"{section.heading}: evaluation tasks.", headings, [("", rows)])
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    """Escape text for LaTeX, including commands, mathematics, comments and line breaks."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _latex_table(caption: str, headings: list[str], bodies: list[tuple[str, list[list[str]]]]) -> Iterator[str]:
    yield r"\begin{table}"
    yield rf"\caption{{{escape_latex(caption)}}}"
    yield rf"\begin{{tabular}}{{{'l' * len(headings)}}}"
    yield r"\toprule"
    yield _latex_line(headings)
    for title, rows in bodies:
        yield r"\midrule"
        if title:
            yield rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{escape_latex(title)}}}}} \\"
        yield from map(_latex_line, rows)
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}", "")


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(text: str) -> str:
    """Escape a cell; numbers get a true minus sign, an absent one a dash."""
    if text == "-":
        return "--"
    if _NUMBERS.fullmatch(text):
        return escape_latex(text).replace("-", "$-$")
    # Add braces, because LaTeX reads a bracket or star after a line break as its argument.
    return f"{{{escape_latex(text)}}}" if text.startswith(("[", "*")) else escape_latex(text)


# JSON


def json_text(board: Board) -> str:
    """Write board.json: all content of the page, indented; numbers have the shown digits."""
    value = {
        "board": FORMAT_VERSION,
        "sections": [_json_section(section) for section in board.sections],
        "suites": [
            {"suite": glossary.suite, "fingerprint": glossary.fingerprint, "card": glossary.card}
            for glossary in board.glossaries
        ],
        "dropped": [{"where": drop.where, "reason": drop.reason} for drop in board.dropped],
        "inputs": [{"file": name, "hash": digest} for name, digest in board.inputs],
    }
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_section(section: Section) -> dict[str, Any]:
    names = ("key", "title", "metric", "unit", "better", "perspective", "definition")
    return {
        "suite": section.suite,
        "backbone": section.backbone,
        "ranked": section.ranked,
        "rule": definitions.RANK if section.ranked else section.rule,
        "finding": section.finding,
        "smallest_detectable_points": {name: float(text) for name, text in section.detectable},
        "sensitivity": _json_sensitivity(section.sensitivity),
        "not_run": section.not_run,
        "columns": {
            column.key: {name: getattr(column, name) for name in names}
            for column in (*section.perspectives, *section.gains, *section.tasks, *section.alternatives)
        },
        "rows": [_json_row(section, row) for row in section.rows],
    }


def _json_sensitivity(sensitivity: Sensitivity) -> dict[str, Any]:
    smallest = {a.kind: {"without": a.without, "tau": float(decimal(a.tau, 2))} for a in sensitivity.agreements}
    return {"smallest_tau": smallest, "draws": sensitivity.draws, "changes": list(sensitivity.changes)}


def _json_row(section: Section, row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {"group": row.group}
    for entry in COLUMNS:
        fields = {k: read(row) for column in section.own_columns(entry) for k, read in column.json_fields().items()}
        shown = {key: _json_figure(cell) if isinstance(cell, Figure) else cell for key, cell in fields.items()}
        values |= shown if isinstance(entry, Column) else {entry: shown}
    measurements = [
        {"task": m.task, "perspective": m.perspective, "metric": m.metric, "unit": m.unit, **_json_figure(m.figure)}
        for m in row.measurements
    ]
    return values | {
        "summary": row.summary,
        "paper": row.paper,
        "masking": [asdict(check) for check in row.checks],
        "facts": dict(row.facts),
        "measurements": measurements,
    }


def _json_figure(figure: Figure) -> dict[str, Any]:
    """Parse the shown decimals, so that this file agrees with the others."""
    value: dict[str, Any] = {"value": _json_number(figure.text)}
    texts = {"low": figure.low, "high": figure.high, "change_points": figure.change}
    value |= {name: _json_number(text) for name, text in texts.items() if text}
    if seeds := {seed: _json_number(text) for seed, text in figure.points if seed}:
        value["seeds"] = seeds
    if figure.significant:
        value["change_certain"] = True
    return value | ({"reason": figure.reason} if figure.reason else {})


def _json_number(text: str) -> float | None:
    return float(text) if text else None


# Plain text


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text for a terminal: `left` marks the columns to align to the left, the first of which names the rows.

    `rule` is for above the table. `row_notes`, each with the name of its row, and the sentences `notes` are for below.
    `picture` has the lines of `gain_bars`, for the end. The definitions are on the page.
    """

    title: str
    rule: str
    columns: tuple[str, ...]
    left: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    row_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()


def text_tables(board: Board, *, tasks: bool = False) -> tuple[TextTable, ...]:
    """Return one table per section, groups of rows below each other, and with `tasks` a second one of its tasks.

    An empty column of ranks is left out. The group of a row is in its note.
    """
    tables = []
    for section in board.sections:
        tables.append(_text_table(section))
        if tasks and section.rows:
            headings, lines = _task_table(section)
            left = tuple(number == 0 for number in range(len(headings)))
            title = f"{section.heading}: evaluation tasks"
            tables.append(TextTable(title, "", tuple(headings), left, tuple(map(tuple, lines))))
    return tuple(tables)


def _text_table(section: Section) -> TextTable:
    texts = {}
    for column in _main_table(section):
        cells = [cell_text(column, row) for row in section.rows]
        if column.in_terminal and (column.key != "rank" or set(cells) - {column.absent}):
            texts[column] = cells
    starts = {group: "" if group in IN_ORDER else f"{title}: " for group, title in GROUP_TITLES.items()}
    notes = ((row.full_name, starts[row.group] + all_notes(row)) for row in section.rows)
    return TextTable(
        section.heading,
        section.above if section.rows else "",
        tuple(column.heading for column in texts),
        tuple(column.kind in ("method", "text") for column in texts),
        tuple(zip(*texts.values(), strict=True)),
        tuple(f"{name}: {note}" for name, note in notes if note),
        section.below if section.rows else ("No records yet.",),
        gain_bars(section),
    )
