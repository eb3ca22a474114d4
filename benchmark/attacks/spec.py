"""An attack as data: its numbers, and the fingerprint over them and over everything that it works with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.parts import part_identities, part_names
from benchmark.attacks.tagger import installed_version
from benchmark.resources import locate
from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import UsageError, key_path, nearest
from benchmark.suites.config import RECIPE_SCHEMAS, Attack
from benchmark.suites.recipes import RECIPES, Numbers, identifying_parameters

Victim = Callable[[Sequence[tuple[str, ...]]], NDArray[np.float32]]
"""Gives logits, shape (texts, classes), for tuples of one or two texts; deterministic, with batches of its own."""

ENGINE_VERSION, ADAPTER_VERSION = 1, 2
"""Raised whenever the engine, or the adapter to TextAttack, would give another outcome for the same attack."""

RECIPE_VERSIONS = {"textbugger": 2}
"""Raised where one recipe alone would give other rows; 1 for a recipe that is not listed, and no part of its identity.

TextBugger 2: a word that was split counts as one changed word, and the words after it as unchanged.
"""


def numbers_of(attack: Attack) -> Numbers:
    """Numbers of an attack of a suite; what it leaves out keeps the recipe's default.

    Raises:
        UsageError: another recipe, an unknown parameter, or a value that cannot be.
    """
    if attack.recipe not in RECIPES:
        raise UsageError(f"Attack {attack.id!r}: recipe {attack.recipe!r} does not exist. {_near(attack.recipe)}")
    numbers, problems = RECIPE_SCHEMAS[attack.recipe].read(dict(attack.parameters), pointer=key_path)
    for problem in problems:
        raise UsageError(f"Attack {attack.id!r}: parameters.{problem}")
    read: Numbers = numbers
    return read


def attack_identity(attack: Attack) -> dict[str, Any]:
    """Every number of an attack, and the hash or version of everything that decides an outcome, as a JSON value.

    Only the attack's title and description are left out. The examples and the model are not part of it.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: an optional library, whose version counts, is not installed.
    """
    numbers = numbers_of(attack)
    version = RECIPE_VERSIONS.get(attack.recipe)
    # Where a part lies says nothing about it; its hash does.
    return {
        "search": search_identity(attack.backend),
        "id": attack.id,
        "version": attack.version,
        "on": attack.on,
        "subset": attack.subset,
        "recipe": attack.recipe,
        "parameters": {**identifying_parameters(numbers), **dict.fromkeys(part_names(numbers))},
        "parts": part_identities(numbers),
        **({"recipe_version": version} if version else {}),
    }


def require_parts(attack: Attack) -> None:
    """Find out before anything long starts whether an attack can be run on this machine.

    Raises:
        UsageError: a parameter or a part does not exist.
        UnavailableError: a resource or an optional library is not on this machine; the sentence says how to get it.
    """
    attack_identity(attack)
    locate(numbers_of(attack).encoder)


def attack_fingerprint(attack: Attack) -> str:
    """Hash of `attack_identity`: ``sha256:`` and 64 hexadecimal digits."""
    return fingerprint(attack_identity(attack))


def search_identity(backend: str) -> str:
    """Who searches, with the versions that decide an outcome.

    Raises:
        UnavailableError: TextAttack is asked for and not installed.
    """
    if backend == "textattack":
        return f"adapter/{ADAPTER_VERSION} textattack/{installed_version('textattack')}"
    return f"engine/{ENGINE_VERSION}"


def _near(recipe: str) -> str:
    return nearest(recipe, RECIPES)
