"""Attacks: searches for inputs that a model gets wrong, with every part local and every outcome recorded."""

from benchmark.attacks.run import run_attack
from benchmark.attacks.spec import (
    Parts,
    TextFooler,
    Victim,
    attack_fingerprint,
    attack_identity,
    load_parts,
    require_parts,
    textfooler,
)
from benchmark.schema.attack_rows import OUTCOMES, AttackRow, Outcome

__all__ = [
    "OUTCOMES",
    "AttackRow",
    "Outcome",
    "Parts",
    "TextFooler",
    "Victim",
    "attack_fingerprint",
    "attack_identity",
    "load_parts",
    "require_parts",
    "run_attack",
    "textfooler",
]
