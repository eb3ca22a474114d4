"""Papers' tables as data: their suites, methods and settings, and the cost of a reproduction."""

from benchmark.reproduction.paper import (
    Case,
    ColumnSpec,
    Reproduction,
    RowSpec,
    available_reproductions,
    choose_rows,
    load_reproduction,
)

__all__ = [
    "Case",
    "ColumnSpec",
    "Reproduction",
    "RowSpec",
    "available_reproductions",
    "choose_rows",
    "load_reproduction",
]
