"""The attacks: how each one's parts, rules and search are put together."""

from collections.abc import Callable
from typing import Any

from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.recipes.bert_attack import bert_attack
from benchmark.attacks.recipes.genetic import genetic
from benchmark.attacks.recipes.pwws import pwws
from benchmark.attacks.recipes.random_swap import random_swap
from benchmark.attacks.recipes.textbugger import textbugger
from benchmark.attacks.recipes.textfooler import textfooler
from benchmark.attacks.recipes.transfer import transfer
from benchmark.suites.recipes import Numbers

Search = Callable[[Case, Scored], Ask[Finding]]
"""Attacks one example, given what the victim says about its original."""

_RECIPES: dict[str, Callable[[Any, Parts], Search]] = {
    "bert_attack": bert_attack,
    "genetic": genetic,
    "pwws": pwws,
    "random_swap": random_swap,
    "textbugger": textbugger,
    "textfooler": textfooler,
    "transfer": transfer,
}


def prepare(recipe: str, numbers: Numbers, parts: Parts) -> Search:
    """Put an attack together from its numbers and parts."""
    return _RECIPES[recipe](numbers, parts)
