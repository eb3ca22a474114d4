"""Output of commands: sentences, tables, and the examples at the end of `--help`."""

import os
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from benchmark.schema.errors import visible

console = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False, soft_wrap=True)

GAP = 2
"""Spaces between the columns of a table."""
NARROWEST = 18
"""A column of sentences that would be narrower moves below its row."""


def width_of(screen: Console) -> int | None:
    """Return the width to fit: `COLUMNS`, or the terminal's; None for a pipe, where nothing is wrapped."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    return screen.width if screen.is_terminal else None


def fitted(text: str, width: int | None, indent: str = "") -> str:
    """Wrap each line of a text between words; `indent`, by default the line's own, precedes its further lines."""
    if width is None:
        return text
    wrapped = []
    for line in text.split("\n"):
        further = indent or " " * (len(line) - len(line.lstrip(" ")))
        wrapped.append(
            textwrap.fill(line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)
        )
    return "\n".join(wrapped)


def say(text: str, style: str = "") -> None:
    """Print progress, a note or a hint on standard error."""
    console.print(Text(fitted(visible(text), width_of(console)), style=style))


def say_next(command: str) -> None:
    """Print the next command on one line, however narrow the terminal is, so that it can be copied whole."""
    console.print(Text(f"Next: {command}"))


def show(text: str, style: str = "", indent: str = "") -> None:
    """Print a result on standard output."""
    output.print(Text(fitted(visible(text), width_of(output), indent), style=style))


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    prose: Collection[str] = (),
    key: int = 0,
    screen: Console | None = None,
) -> None:
    """Print a table that fits the terminal and shows every word whole.

    Args:
        headings: Of the columns; empty for a column without one.
        rows: Cells as texts.
        right: Headings of the columns to align to the right.
        prose: Headings of the columns of sentences, which wrap between words or move below their row.
        key: Column that is repeated if the other columns are printed in several parts.
        screen: By default standard output.
    """
    screen = screen or output
    for line, is_heading in table_lines(headings, rows, width_of(screen), right=right, prose=prose, key=key):
        screen.print(Text(line, style="bold" if is_heading else ""))


def table_lines(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    right: Collection[str] = (),
    prose: Collection[str] = (),
    key: int = 0,
) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a table, each with whether it is of the headings; for the arguments, see `print_table`."""
    columns = [[visible(row[number]) for row in rows] for number in range(len(headings))]
    widths = [max(map(cell_len, column)) for column in ((h, *c) for h, c in zip(headings, columns, strict=True))]
    below: list[int] = []
    parts = [list(range(len(headings)))]
    if width is not None and _total(widths) > width:
        widths, below, parts = _layout(headings, columns, widths, width, prose=prose, key=key)
    for part in parts:
        if any(headings):
            cells = [headings[number] for number in part]
            yield from ((line, True) for line in _lines(cells, part, widths, headings, right))
        for place in range(len(rows)):
            cells = [columns[number][place] for number in part]
            yield from ((line, False) for line in _lines(cells, part, widths, headings, right))
            for number in below if part is parts[0] else ():
                if (cell := columns[number][place]) not in {"", "-"}:
                    sentence = f"    {headings[number]}: {cell}"
                    yield from ((line, False) for line in fitted(sentence, width, "      ").split("\n"))
        if part is not parts[-1]:
            yield "", False


def _layout(
    headings: Sequence[str],
    columns: Sequence[Sequence[str]],
    natural: Sequence[int],
    width: int,
    *,
    prose: Collection[str],
    key: int,
) -> tuple[list[int], list[int], list[list[int]]]:
    """Lay out a table that is too wide; return widths, the columns that move below their row, and the parts."""

    def longest_word(number: int) -> int:
        return max(map(cell_len, " ".join((headings[number], *columns[number])).split()), default=0)

    widths = list(natural)
    wrapping = [number for number, heading in enumerate(headings) if heading in prose]
    fixed = [number for number in range(len(headings)) if number not in wrapping]
    for number in fixed:
        widths[number] = max(map(cell_len, (*headings[number].split(), *columns[number])), default=0)
    for number in wrapping:
        widths[number] = max(longest_word(number), min(NARROWEST, natural[number]))
    spare = width - _total(widths)
    needs = {number: natural[number] - widths[number] for number in wrapping}
    if spare >= 0 and wrapping:
        for number, need in needs.items():
            widths[number] += min(need, spare * need // max(1, sum(needs.values())))
        return widths, [], [list(range(len(headings)))]
    parts = _parts(fixed, widths, width, key)
    for part in parts:  # Give headings the width that is left.
        for number in part:
            need = natural[number] - widths[number]
            if _total([widths[one] for one in part]) + need <= width:
                widths[number] += need
    return widths, wrapping, parts


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _parts(fixed: list[int], widths: Sequence[int], width: int, key: int) -> list[list[int]]:
    """Divide columns into parts that fit, each with the key column."""
    parts = [[key]]
    for number in fixed:
        if number == key:
            continue
        if len(parts[-1]) > 1 and _total([widths[one] for one in (*parts[-1], number)]) > width:
            parts.append([key])
        parts[-1].append(number)
    return [sorted(parts[0]), *parts[1:]]


def _lines(
    cells: Sequence[str], part: Sequence[int], widths: Sequence[int], headings: Sequence[str], right: Collection[str]
) -> Iterator[str]:
    """Yield the lines of one row; a cell that is wider than its column is wrapped between words."""
    wrapped = [fitted(cell, widths[number]).split("\n") for cell, number in zip(cells, part, strict=True)]
    for line in zip_longest(*wrapped, fillvalue=""):
        padded = []
        for text, number in zip(line, part, strict=True):
            space = " " * (widths[number] - cell_len(text))
            padded.append(space + text if headings[number] in right else text + space)
        yield (" " * GAP).join(padded).rstrip()


def examples(*pairs: tuple[str, str]) -> str:
    """Format the examples of a command, each a purpose and a command line, as the end of its `--help`."""
    lines = ["\b", "Examples:"]
    for purpose, command in pairs:
        bound = re.sub(r"(--[a-z-]+) (?!--)", "\\1\xa0", command)  # keep an option and its value on one line
        parts = textwrap.wrap(bound, 70, break_long_words=False, break_on_hyphens=False)
        lines += [f"  {purpose}:", "    " + " \\\n      ".join(parts).replace("\xa0", " ")]
    return "\n".join(lines)
