"""An attack's identity: the fingerprint of its parameters and of all resources that it uses."""

from typing import Any

from benchmark.attacks.parts import part_identities, part_names
from benchmark.attacks.suite_attack import Attack, parameters_of
from benchmark.attacks.tagger import installed_version
from benchmark.resources import locate
from benchmark.schema.canonical import fingerprint

ENGINE_VERSION, ADAPTER_VERSION = 1, 2
"""Increase a version if the engine, or the adapter to TextAttack, gives another outcome for the same attack."""


def attack_identity(attack: Attack) -> dict[str, Any]:
    """Return all parameters of an attack and the hash or version of all that decides an outcome, as a JSON value.

    The attack's title and description are left out, and so are the examples and the model.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: an optional library, whose version is part of the identity, is not installed.
    """
    recipe = parameters_of(attack)
    # The name or path of a part is replaced by its hash, which identifies its content.
    return {
        "search": search_identity(attack.backend),
        "id": attack.id,
        "version": attack.version,
        "on": attack.on,
        "subset": attack.subset,
        "recipe": attack.recipe,
        "parameters": {**recipe.identifying_parameters(), **dict.fromkeys(part_names(recipe))},
        "parts": part_identities(recipe),
        # Version 1 is left out, so that the attacks of committed records keep their fingerprints.
        **({"recipe_version": recipe.version} if recipe.version > 1 else {}),
    }


def require_parts(attack: Attack) -> None:
    """Check that an attack can run on this machine, before a long run starts.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: a resource or an optional library is missing; the message says how to get it.
    """
    attack_identity(attack)
    locate(parameters_of(attack).encoder)


def attack_fingerprint(attack: Attack) -> str:
    """Return the hash of `attack_identity`: ``sha256:`` and 64 hexadecimal digits."""
    return fingerprint(attack_identity(attack))


def search_identity(backend: str) -> str:
    """Return a backend's name with the versions that decide an outcome.

    Raises:
        UnavailableError: the backend is TextAttack and it is not installed.
    """
    if backend == "textattack":
        return f"adapter/{ADAPTER_VERSION} textattack/{installed_version('textattack')}"
    return f"engine/{ENGINE_VERSION}"
