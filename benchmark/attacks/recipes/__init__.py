"""The attacks: how each one's parts, rules and search are put together."""

from collections.abc import Callable
from typing import Any

from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.recipes.textfooler import textfooler
from benchmark.suites.recipes import Numbers

Search = Callable[[Case, Scored], Ask[Finding]]
"""Attacks one example, given what the victim says about its original."""

_RECIPES: dict[str, Callable[[Any, Parts], Search]] = {"textfooler": textfooler}


def prepare(recipe: str, numbers: Numbers, parts: Parts) -> Search:
    """Put an attack together from its numbers and parts."""
    return _RECIPES[recipe](numbers, parts)
