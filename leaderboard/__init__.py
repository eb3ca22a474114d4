"""The leaderboard: a pure function of a results folder. It imports `benchmark.schema` and nothing else of Temper.

These names are imported on first use, because numpy and pandas are slow to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaderboard.board import Board, load_board
    from leaderboard.comparison import RowComparison, ScoreComparison, compare
    from leaderboard.render.tables import TextTable, text_tables
    from leaderboard.results import load_results
    from leaderboard.site_files import BuildReport, BuiltRow, build, check

__all__ = [
    "Board",
    "BuildReport",
    "BuiltRow",
    "RowComparison",
    "ScoreComparison",
    "TextTable",
    "build",
    "check",
    "compare",
    "load_board",
    "load_results",
    "text_tables",
]

_MODULES = {
    "board": ("Board", "load_board"),
    "comparison": ("RowComparison", "ScoreComparison", "compare"),
    "render.tables": ("TextTable", "text_tables"),
    "results": ("load_results",),
    "site_files": ("BuildReport", "BuiltRow", "build", "check"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"leaderboard.{module}"), name)
    raise AttributeError(f"module 'leaderboard' has no attribute {name!r}")
