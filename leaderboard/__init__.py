"""The leaderboard: a pure function of a results folder. It imports the record schema and nothing else of Temper."""

from leaderboard.assemble import load_board
from leaderboard.compare import Comparison, Difference, compare
from leaderboard.publish import BuildReport, BuiltRow, build, check
from leaderboard.table import Board
from leaderboard.terminal import TextTable, text_tables

__all__ = [
    "Board",
    "BuildReport",
    "BuiltRow",
    "Comparison",
    "Difference",
    "TextTable",
    "build",
    "check",
    "compare",
    "load_board",
    "text_tables",
]
