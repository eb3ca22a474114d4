"""The board as plain tables of text, for a terminal to draw."""

from dataclasses import dataclass

from leaderboard import words
from leaderboard.render.plain import board_cells, board_headings, groups, heading, probe_cells, probe_headings
from leaderboard.table import Board, Section


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text: `left` marks the columns to align to the left.

    `rule` is for above the table, `notes` are sentences for below.
    """

    title: str
    rule: str
    columns: tuple[str, ...]
    left: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def text_tables(board: Board, *, probes: bool = False) -> tuple[TextTable, ...]:
    """Give one table a section, groups of rows under each other, and with `probes` a second one of its probes.

    The column of notes is left out where it is empty, and the group of a row is told in it.
    """
    tables = []
    for section in board.sections:
        tables.append(_scores(section))
        if probes and section.rows:
            title = f"{heading(section)}: probes"
            tables.append(_table(title, probe_headings(section), _probe_rows(section), {0}))
    return tuple(tables)


def _scores(section: Section) -> TextTable:
    headings = board_headings(section)
    rows: list[list[str]] = []
    for title, members in groups(section):
        for row in members:
            cells = board_cells(row)
            cells[-1] = cells[-1] if row.group in ("ranked", "ordered") else f"{title}: {cells[-1]}"
            rows.append(cells)
    kept = [index for index in range(len(headings)) if _is_used(index, headings, rows)]
    rank = (section.finding, words.RANK) if section.ranked else ()
    notes = (*rank, f"Overall: {words.OVERALL}") if rows else ("No records yet.",)
    rule = section.rule if rows else ""
    lefts = {place for place, index in enumerate(kept) if headings[index] in ("Method", "Verification", "Notes")}
    kept_rows = [[row[index] for index in kept] for row in rows]
    kept_headings = [headings[index] for index in kept]
    return _table(heading(section), kept_headings, kept_rows, lefts, rule=rule, notes=tuple(filter(None, notes)))


def _is_used(index: int, headings: list[str], rows: list[list[str]]) -> bool:
    """Whether a column says anything: ranks where rows are ranked, notes where there are any."""
    return headings[index] not in ("Rank", "Notes") or any(row[index] not in ("", "-") for row in rows)


def _probe_rows(section: Section) -> list[list[str]]:
    return [probe_cells(row) for _, members in groups(section) for row in members]


def _table(
    title: str,
    headings: list[str],
    rows: list[list[str]],
    left: set[int],
    *,
    rule: str = "",
    notes: tuple[str, ...] = (),
) -> TextTable:
    lefts = tuple(index in left for index in range(len(headings)))
    return TextTable(title, rule, tuple(headings), lefts, tuple(map(tuple, rows)), notes)
