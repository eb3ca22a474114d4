"""Papers' tables as data: the suites, methods and settings they come from, and what running them costs."""

from benchmark.reproduction.loader import available_reproductions, choose_rows, load_reproduction
from benchmark.reproduction.spec import Case, ColumnSpec, Reproduction, RowSpec

__all__ = [
    "Case",
    "ColumnSpec",
    "Reproduction",
    "RowSpec",
    "available_reproductions",
    "choose_rows",
    "load_reproduction",
]
