"""Temper: a robustness benchmark for fine-tuning methods of language models.

The public surface is small: `run`, `load_suite`, `benchmark.training.Method` and `leaderboard.load_results`. Everything
is imported when it is first used, so that ``import benchmark`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.execution.plan import run
    from benchmark.suites import load_suite

__all__ = ["__version__", "load_suite", "run"]

__version__ = "0.1.0"

_HOMES = {"run": "benchmark.execution.plan", "load_suite": "benchmark.suites"}


def __getattr__(name: str) -> Any:
    """Import a public function when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
