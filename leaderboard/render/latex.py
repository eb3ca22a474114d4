"""board.tex: the board as LaTeX tables for a paper; needs the package booktabs."""

import re
from collections.abc import Iterable, Iterator

from leaderboard import words
from leaderboard.render.plain import ABSENT, board_cells, board_headings, groups, heading, probe_cells, probe_headings
from leaderboard.table import Board, Section

_NUMBERS = re.compile(r"[-+±★0-9., \[\]]+")
_SPECIAL = {
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


def render(board: Board) -> str:
    """Write two tables a section: scores and probes. Notes are left to the other files."""
    lines = [r"% Temper leaderboard; needs \usepackage{booktabs}.", ""]
    for section in board.sections:
        lines += _section(section)
    return "\n".join(lines)


def escape(text: str) -> str:
    """Make text mean itself: no command, no mathematics, no comment, no new line."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _section(section: Section) -> Iterator[str]:
    if not section.rows:
        return
    caption = f"{heading(section)}. {words.RANK if section.ranked else section.rule}"
    headings = board_headings(section)[:-1]
    yield from _table(
        caption, headings, [(title, [board_cells(row)[:-1] for row in rows]) for title, rows in groups(section)]
    )
    caption = f"{heading(section)}: probes."
    yield from _table(caption, probe_headings(section), [("", list(map(probe_cells, section.rows)))])


def _table(caption: str, headings: list[str], bodies: Iterable[tuple[str, list[list[str]]]]) -> Iterator[str]:
    yield r"\begin{table}"
    yield rf"\caption{{{escape(caption)}}}"
    yield rf"\begin{{tabular}}{{{'l' * len(headings)}}}"
    yield r"\toprule"
    yield _line(headings)
    for title, rows in bodies:
        yield r"\midrule"
        if title:
            yield rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{escape(title)}}}}} \\"
        yield from map(_line, rows)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"
    yield ""


def _line(cells: Iterable[str]) -> str:
    return " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(text: str) -> str:
    """Escape a cell; numbers get a true minus sign, an absent one a dash."""
    if text == ABSENT:
        return "--"
    if _NUMBERS.fullmatch(text):
        return escape(text).replace("-", "$-$")
    # Braces: a cell that begins with a bracket or a star would be read as an argument of the line break before it.
    return f"{{{escape(text)}}}" if text.startswith(("[", "*")) else escape(text)
