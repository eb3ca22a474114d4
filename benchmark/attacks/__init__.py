"""Attacks: search for inputs that a model misclassifies, with local resources, and record every outcome.

Everything is imported when it is first used, because suites import the attacks' parameters and stay light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.schema.attack_outcome import OUTCOMES, AttackRow, Outcome

if TYPE_CHECKING:
    from benchmark.attacks.identity import attack_fingerprint, attack_identity, require_parts
    from benchmark.attacks.parts import Parts, load_parts
    from benchmark.attacks.run import run_attack
    from benchmark.attacks.suite_attack import parameters_of
    from benchmark.attacks.victim import Victim

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

_HOMES = {
    **dict.fromkeys(("attack_fingerprint", "attack_identity", "require_parts"), "identity"),
    **dict.fromkeys(("Parts", "load_parts"), "parts"),
    "Victim": "victim",
    "parameters_of": "suite_attack",
    "run_attack": "run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
