"""Attacks: search for inputs that a model misclassifies, with local resources, and record every outcome."""

from benchmark.attacks.identity import attack_fingerprint, attack_identity, parameters_of, require_parts
from benchmark.attacks.parts import Parts, load_parts
from benchmark.attacks.run import run_attack
from benchmark.attacks.victim import Victim
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
    "parameters_of",
    "require_parts",
    "run_attack",
]
