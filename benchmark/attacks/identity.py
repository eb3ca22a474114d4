"""An attack's identity: its parameters, and the fingerprint of them and of all resources that it uses."""

from typing import Any

from benchmark.attacks.parts import part_identities, part_names
from benchmark.attacks.tagger import installed_version
from benchmark.resources import locate
from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import UsageError, key_path, nearest
from benchmark.suites.config import RECIPE_SCHEMAS, Attack
from benchmark.suites.recipes import RECIPES, Numbers, identifying_parameters

ENGINE_VERSION, ADAPTER_VERSION = 1, 2
"""Increase a version if the engine, or the adapter to TextAttack, gives another outcome for the same attack."""

RECIPE_VERSIONS = {"textbugger": 2}
"""Increase a version if one recipe gives other rows; a recipe that is not listed has version 1, which is not hashed.

TextBugger 2: a split word counts as one changed word, and the words after it as unchanged.
"""


def parameters_of(attack: Attack) -> Numbers:
    """Return the parameters of a suite's attack, with the recipe's defaults for those that it leaves out.

    Raises:
        UsageError: the recipe or a parameter does not exist, or a value is invalid.
    """
    if attack.recipe not in RECIPES:
        raise UsageError(
            f"Attack {attack.id!r}: recipe {attack.recipe!r} does not exist. {nearest(attack.recipe, RECIPES)}"
        )
    parameters, problems = RECIPE_SCHEMAS[attack.recipe].read(dict(attack.parameters), pointer=key_path)
    if problems:
        raise UsageError(f"Attack {attack.id!r}: {' '.join(f'parameter {problem}' for problem in problems)}")
    read: Numbers = parameters
    return read


def attack_identity(attack: Attack) -> dict[str, Any]:
    """Return all parameters of an attack and the hash or version of all that decides an outcome, as a JSON value.

    The attack's title and description are left out, and so are the examples and the model.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: an optional library, whose version is part of the identity, is not installed.
    """
    parameters = parameters_of(attack)
    version = RECIPE_VERSIONS.get(attack.recipe)
    # The name or path of a part is replaced by its hash, which identifies its content.
    return {
        "search": search_identity(attack.backend),
        "id": attack.id,
        "version": attack.version,
        "on": attack.on,
        "subset": attack.subset,
        "recipe": attack.recipe,
        "parameters": {**identifying_parameters(parameters), **dict.fromkeys(part_names(parameters))},
        "parts": part_identities(parameters),
        **({"recipe_version": version} if version else {}),
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
