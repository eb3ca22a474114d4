"""The attacks, one module each: its resources, constraints and search."""

from collections.abc import Callable
from typing import Any

from benchmark.attacks.engine import Ask, Case, ScoredItem, SearchResult
from benchmark.attacks.parts import Parts
from benchmark.attacks.recipes.bert_attack import bert_attack
from benchmark.attacks.recipes.genetic import genetic
from benchmark.attacks.recipes.pwws import pwws
from benchmark.attacks.recipes.random_swap import random_swap
from benchmark.attacks.recipes.textbugger import textbugger
from benchmark.attacks.recipes.textfooler import textfooler
from benchmark.attacks.recipes.transfer import transfer
from benchmark.suites.recipes import Numbers

Search = Callable[[Case, ScoredItem], Ask[SearchResult]]
"""Attacks one example, given the victim's score of its original."""

_RECIPES: dict[str, Callable[[Any, Parts], Search]] = {
    "bert_attack": bert_attack,
    "genetic": genetic,
    "pwws": pwws,
    "random_swap": random_swap,
    "textbugger": textbugger,
    "textfooler": textfooler,
    "transfer": transfer,
}


def prepare(recipe: str, parameters: Numbers, parts: Parts) -> Search:
    """Build an attack from its parameters and parts."""
    return _RECIPES[recipe](parameters, parts)
