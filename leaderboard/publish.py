"""The site: build its files from a results folder, or check that they are what the results say."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.schema import Dropped, UsageError
from benchmark.schema.atomic_io import replace_file
from leaderboard.assemble import load_board
from leaderboard.drift import drift
from leaderboard.render import latex, markdown, page, spreadsheet, structured
from leaderboard.render.plain import heading, method_text
from leaderboard.table import Board


@dataclass(frozen=True, slots=True)
class BuiltRow:
    """One row of the board: its section, its method, its group and what is noted beside it."""

    section: str
    method: str
    group: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        files: every file of the site.
        changed: those whose bytes were not there already.
        rows: every row of the board, in its order.
        dropped: records and files that no row uses, each with the reason.
    """

    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    rows: tuple[BuiltRow, ...]
    dropped: tuple[Dropped, ...]


def build(results: Path, site: Path, published: Path | None = None) -> BuildReport:
    """Write index.html, board.md, board.csv, board.tex and board.json, each by an atomic rename.

    Args:
        results: the results folder, see `benchmark.schema.read_results`.
        site: where to write; made when absent.
        published: a folder of published records, a file a paper; None for none.

    Raises:
        UsageError: there is no results folder, or the site cannot be written.
        IntegrityError: a record or card is refused; nothing is written.
    """
    board = load_board(results, published)
    try:
        site.mkdir(parents=True, exist_ok=True)
        texts = render_all(board)
        changed = tuple(site / name for name, text in texts.items() if replace_file(site / name, text.encode()))
    except OSError as error:
        raise UsageError(f"The board cannot be written to {site}: {error}; name a folder that can be.") from error
    rows = tuple(
        BuiltRow(heading(section), method_text(row), row.group, row.notes)
        for section in board.sections
        for row in section.rows
    )
    return BuildReport(tuple(site / name for name in texts), changed, rows, board.dropped)


def check(results: Path, site: Path, published: Path | None = None) -> str:
    """Compare a site with its records, byte for byte.

    Returns:
        A unified diff from the site's files to what the records say; empty when they are equal.

    Raises:
        UsageError: there is no results folder.
        IntegrityError: a record or card is refused.
    """
    return drift(render_all(load_board(results, published)), site)


def render_all(board: Board) -> dict[str, str]:
    """Render every file of the site, by name."""
    exports = {
        "board.md": markdown.render(board),
        "board.csv": spreadsheet.render(board),
        "board.tex": latex.render(board),
        "board.json": structured.render(board),
    }
    return {"index.html": page.render(board, exports), **exports}
