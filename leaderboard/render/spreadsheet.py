"""board.csv: one line a row of the board, numbers as plain decimals, no text that a spreadsheet would execute."""

import csv
import io
import re
from collections.abc import Iterator

from leaderboard.figures import Figure
from leaderboard.table import Board, Column, Row, Section

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# A cell that begins like this, blanks aside, is a formula to one spreadsheet or another.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%＝＋－＠]")
_FIXED = ("suite", "backbone", "group", "rank", "rank_worst", "method", "configuration", "overall_percent")
_LAST = ("cost_relative", "seeds", "verification", "masking_checks", "masking_flags", "notes")


def render(board: Board) -> str:
    """Write the board as CSV: a header, then all rows of all sections; lines end in a newline alone."""
    columns = list(dict.fromkeys(name for section in board.sections for name, _ in _scores(section, None)))
    header = [*_FIXED, "overall_low", "overall_high", "p_holm", *columns, *_LAST]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for section in board.sections:
        for row in section.rows:
            writer.writerow([neutral(cell) for cell in _cells(section, row, columns)])
    return stream.getvalue()


def neutral(text: str) -> str:
    """Put an apostrophe before what a spreadsheet might take for a formula; numbers stay numbers."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _cells(section: Section, row: Row, columns: list[str]) -> list[str]:
    scores = dict(_scores(section, row))
    return [
        section.suite,
        section.backbone,
        row.group,
        row.rank,
        row.worst,
        row.method,
        row.configuration,
        row.overall.text,
        row.overall.low,
        row.overall.high,
        row.p,
        *(scores.get(column, "") for column in columns),
        row.cost.text,
        " ".join(row.seeds),
        row.verification,
        str(row.decided) if row.checks else "",
        str(row.flagged) if row.checks else "",
        "; ".join(filter(None, (section.chance, *row.notes))),
    ]


def _scores(section: Section, row: Row | None) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the score columns; without a row the names matter only."""
    empty = Figure("")
    pairs: list[tuple[Column, Figure]] = [
        *zip(section.perspectives, row.perspectives if row else [empty] * len(section.perspectives), strict=True),
        *zip(section.probes, row.probes if row else [empty] * len(section.probes), strict=True),
    ]
    for column, figure in pairs:
        name = f"{column.key}_{'percent' if column.unit == '%' else column.unit or 'count'}"
        yield name, figure.text
        yield f"{name}_low", figure.low
        yield f"{name}_high", figure.high
