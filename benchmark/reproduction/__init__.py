"""Papers' tables as data: their suites, methods and settings, and the cost of a reproduction."""

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
