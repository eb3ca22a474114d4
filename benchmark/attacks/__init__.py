"""Attacks: searches for inputs that a model gets wrong, with every part local and every outcome recorded."""

from benchmark.attacks.parts import Parts, load_parts
from benchmark.attacks.run import run_attack
from benchmark.attacks.spec import Victim, attack_fingerprint, attack_identity, numbers_of, require_parts
from benchmark.schema.attack_outcome import OUTCOMES, AttackRow, Outcome

__all__ = [
    "OUTCOMES",
    "AttackRow",
    "Outcome",
    "Parts",
    "Victim",
    "attack_fingerprint",
    "attack_identity",
    "load_parts",
    "numbers_of",
    "require_parts",
    "run_attack",
]
