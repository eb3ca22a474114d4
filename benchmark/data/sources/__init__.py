"""The data sources, one file each: the keys in a suite, the reader of the rows, and how to get missing data."""

from importlib import import_module
from pkgutil import iter_modules

from benchmark.data.source import SOURCES

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
_sorted = sorted(SOURCES.items())
SOURCES.clear()
SOURCES.update(_sorted)

__all__ = ["SOURCES"]
