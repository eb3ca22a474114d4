"""board.md: the board as GitHub-flavoured markdown tables."""

import re
from collections.abc import Iterable, Iterator

from leaderboard import words
from leaderboard.render.plain import (
    board_cells,
    board_headings,
    groups,
    heading,
    probe_cells,
    probe_headings,
)
from leaderboard.table import Board, Section

# Markup anywhere, what GitHub turns into links by itself, and what makes a heading, list or rule of a line's beginning.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~$&]|(?<=:)/(?=/)|(?<=\bwww)\.|@(?=\w)", re.IGNORECASE)
_START = re.compile(r"^(\d*)([-+=.)#])")
_NUMBERS = re.compile(r"[-+±★0-9., \[\]]+")


def render(board: Board) -> str:
    """Write the board as markdown: a table a group of rows, then a table of probes, for every section."""
    lines = ["# Temper leaderboard", ""]
    read = [(name, text) for name, text in words.reading(ranked=board.ranked) if name != "Changes"]
    lines += [f"- {escape(name)}: {escape(text)}" for name, text in read]
    lines += [f"- Cost: {escape(words.COST)}", ""]
    if not board.sections:
        lines += ["No suite has results yet.", ""]
    for section in board.sections:
        lines += _section(section)
    if board.dropped:
        lines += ["## Not used", "", *(f"- {escape(f'{d.where}: {d.reason}')}" for d in board.dropped), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """Make text mean itself: no markup, no link, no HTML, no new line, no new cell."""
    return _START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", " ".join(text.split())))


def cell_text(text: str) -> str:
    """Escape what is not a number with its interval; inside a table no markup of whole lines is possible."""
    return text if _NUMBERS.fullmatch(text) else _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {escape(heading(section))}", "")
    yield from (f"> {escape(section.note)}", "") if section.note else ()
    if not section.rows:
        yield from ("No records yet.", "")
        return
    yield from (" ".join(filter(None, map(escape, (section.rule, section.finding)))), "") if section.rule else ()
    for title, rows in groups(section):
        yield from (f"### {title}", "")
        yield from _table(board_headings(section), map(board_cells, rows), left=(1, -1, -2))
    yield from ("### Probes", "")
    yield from _table(probe_headings(section), map(probe_cells, section.rows), left=(0,))


def _table(headings: list[str], rows: Iterable[list[str]], left: tuple[int, ...]) -> Iterator[str]:
    """Write one table; the columns numbered in `left` are aligned to the left, the others to the right."""
    lefts = {position % len(headings) for position in left}
    yield _line(map(cell_text, headings))
    yield _line(":--" if position in lefts else "--:" for position in range(len(headings)))
    for row in rows:
        yield _line(map(cell_text, row))
    yield ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
