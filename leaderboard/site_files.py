"""Build the files of the leaderboard from a results folder, or check that they match the records."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.schema import DroppedItem, IntegrityError, UsageError
from benchmark.schema.atomic_io import replace_file
from benchmark.schema.results_folder import STALE
from leaderboard import definitions
from leaderboard.board import Board, load_board
from leaderboard.render.html import COPIED, contents, page
from leaderboard.render.tables import csv_table, json_text, latex, markdown

PAGE_ROWS = 1000
"""The most rows of a page that holds all sections; a row takes about 29 KiB."""

_TITLE = f"<title>{definitions.TITLE}</title>"
_WRITERS = {"board.md": markdown, "board.csv": csv_table, "board.tex": latex, "board.json": json_text}
_WIDTH = 160
# Break long lines at the first separator after 60 characters, so that an edit moves only the nearest breaks.
_PIECE = re.compile(rf".{{60,{_WIDTH - 1}}}?[|,;>]|.{{1,{_WIDTH}}}")
# Length of the prefix of a long line's further pieces: the start of the line, which names the row.
_LABEL = 40


@dataclass(frozen=True, slots=True)
class BuiltRow:
    """One row of the leaderboard: its section, its method, its group and its notes."""

    section: str
    method: str
    group: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Result of a build.

    Attributes:
        files: every file of the site.
        changed: files with new content.
        rows: every row of the leaderboard, in its order.
        dropped: records and files that no row uses, each with the reason.
        board: the leaderboard that was written.
    """

    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    rows: tuple[BuiltRow, ...]
    dropped: tuple[DroppedItem, ...]
    board: Board


def build(results: Path, site: Path, published: Path | None = None) -> BuildReport:
    """Write the pages, board.md, board.csv, board.tex and board.json, each by an atomic rename; delete stale pages.

    Args:
        results: the results folder, see `benchmark.schema.read_results`.
        site: where to write; created if missing.
        published: a folder of published records, one file per paper; None for none.

    Raises:
        UsageError: there is no results folder, or the site is in it or cannot be written.
        IntegrityError: a record or card is refused; nothing is written.
    """
    # Every folder there is read as that of a suite, and the page lists files that are not records.
    if site.resolve().is_relative_to(results.resolve()):
        raise UsageError(f"{site} is in the results folder {results}; name another folder for the leaderboard.")
    board = load_board(results, published)
    try:
        site.mkdir(parents=True, exist_ok=True)
        texts = render_all(board)
        changed = tuple(site / name for name, text in texts.items() if replace_file(site / name, text.encode()))
        for path in _stale_pages(texts, site):
            path.unlink()
    except OSError as error:
        raise UsageError(f"The leaderboard cannot be written to {site}: {error}; name a folder that can be.") from error
    rows = tuple(
        BuiltRow(section.heading, row.full_name, row.group, row.notes)
        for section in board.sections
        for row in section.rows
    )
    return BuildReport(tuple(site / name for name in texts), changed, rows, board.dropped, board)


def check(results: Path, site: Path, published: Path | None = None) -> str:
    """Compare a site with its records, byte for byte.

    Returns:
        A unified diff from the site's files to the expected ones; empty when they are equal.

    Raises:
        UsageError: there is no results folder or no site.
        IntegrityError: a record or card is refused, or records are left out because their trials changed.
    """
    board = load_board(results, published)
    if left_out := [f"{drop.where}: {drop.reason}." for drop in board.dropped if drop.reason == STALE]:
        raise IntegrityError("\n".join(left_out))
    if not site.is_dir():
        raise UsageError(
            f"There is no folder {site}; name that of the leaderboard, or write it by `temper board build`."
        )
    texts = render_all(board)
    stale = "".join(f"--- {path.name} (of no section in the records)\n" for path in _stale_pages(texts, site))
    return drift(texts, site) + stale


def render_all(board: Board) -> dict[str, str]:
    """Render every file of the site, by name.

    With more than `PAGE_ROWS` rows, every section has a page of its own and `index.html` links to them.
    """
    exports = {name: write(board) for name, write in _WRITERS.items()}
    if sum(len(section.rows) for section in board.sections) <= PAGE_ROWS:
        return {"index.html": page(board, exports), **exports}
    pages = {"index.html": contents(board)}
    for part in _parts(board):
        copied = {name: _WRITERS[name](part) for name in COPIED}
        pages[f"{part.sections[0].anchor}.html"] = page(part, copied, home=True)
    return {**pages, **exports}


def _parts(board: Board) -> Iterator[Board]:
    """Yield a board for each section; `dropped` items are on the page that links to them all."""
    for section in board.sections:
        about = tuple(glossary for glossary in board.glossaries if glossary.suite == section.suite)
        yield replace(board, sections=(section,), glossaries=about, dropped=())


def _stale_pages(texts: Mapping[str, str], site: Path) -> list[Path]:
    """List the pages in a site of sections that the leaderboard does not have, or shows on one page with the others."""
    pages = (path for path in sorted(site.glob("*.html")) if path.name not in texts)
    return [path for path in pages if _TITLE in path.read_text(encoding="utf-8", errors="replace")[:1000]]


def drift(expected: Mapping[str, str], site: Path) -> str:
    """Compare files with their expected text.

    Args:
        expected: text by file name.
        site: the folder that should hold exactly these bytes; its other files do not matter.

    Returns:
        A unified diff from the present files to the expected ones, long lines folded; empty when every byte is equal.
    """
    return "".join(line for name in sorted(expected) for line in _differences(name, expected[name], site / name))


def _differences(name: str, expected: str, path: Path) -> Iterator[str]:
    present = path.read_bytes() if path.is_file() else None
    if present == expected.encode():
        return
    if present is None:
        yield f"--- {name} (missing)\n"
    lines = _folded((present or b"").decode("utf-8", errors="backslashreplace"))
    origin = f"{name} (in the site)" if present is not None else "/dev/null"
    differences = list(difflib.unified_diff(lines, _folded(expected), origin, f"{name} (from the records)", n=2))
    yield from differences or [f"{name}: the bytes differ in what a diff does not show; build the leaderboard again.\n"]


def _folded(text: str) -> list[str]:
    """Split text into lines that end in a newline, and those that are too long to read into labelled pieces."""
    lines = text.split("\n")
    last = lines.pop()
    folded = [piece + "\n" for line in lines for piece in _pieces(line)]
    return [*folded, f"{last}\n", "\\ No newline at end of file\n"] if last else folded


def _pieces(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    first, *rest = _PIECE.findall(line)
    return [first, *(f"{line[:_LABEL]} … {piece}" for piece in rest)]
