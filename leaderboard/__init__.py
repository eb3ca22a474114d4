"""The leaderboard: a pure function of a results folder. It imports the record schema and nothing else of Temper."""

from leaderboard.assemble import load_board
from leaderboard.publish import BuildReport, BuiltRow, build, check
from leaderboard.table import Board
from leaderboard.terminal import TextTable, text_tables

__all__ = ["Board", "BuildReport", "BuiltRow", "TextTable", "build", "check", "load_board", "text_tables"]
