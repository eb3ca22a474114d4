"""An attack of a suite: what ``[[attacks]]`` in a suite file says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import ValidationInfo, model_validator, with_config

from benchmark.attacks.attack_recipe import AttackRecipe, Count
from benchmark.attacks.recipes import ATTACKS
from benchmark.evaluation.default_metrics import ATTACK_METRICS, metric_problems
from benchmark.schema.base import CLOSED, Identifier, Schema, Setting, Words, doc, require
from benchmark.schema.errors import Problem, UsageError, key_path, nearest

if TYPE_CHECKING:
    RecipeName: TypeAlias = str
else:
    RecipeName = Literal[tuple(ATTACKS)]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Attack:
    """A search for inputs that a model gets wrong, on a fixed part of an evaluation task."""

    id: Annotated[Identifier, doc("Its name; unique among the suite's tasks and attacks.")]
    version: Annotated[Count, doc("Goes up when anything about the attack changes.")]
    title: Annotated[Words, doc("A few words for the board.")]
    description: Annotated[Words, doc("What it does, and how it departs from the published attack.")]
    on: Annotated[Identifier, doc("Id of the labelled task whose examples it attacks.")]
    subset: Annotated[Count, doc("How many of them: stratified by label, chosen by a hash of the text.")]
    recipe: Annotated[RecipeName, doc("Which attack it is.")]
    backend: Annotated[
        Literal["engine", "textattack"],
        doc("Who runs the search: Temper's engine, or TextAttack itself."),
    ] = "engine"
    parameters: Annotated[Mapping[str, Setting], doc("The attack's numbers and parts; see the recipe's own table.")] = (
        field(default_factory=dict)
    )
    metrics: Annotated[
        tuple[str, ...], doc("Ids of what it is scored by.", absent="outcomes, queries, words and similarity")
    ] = ()

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "Attack":
        return require(self, _problems(self), info)


def parameters_of(attack: Attack) -> AttackRecipe:
    """Return an attack's recipe with its parameters, with the recipe's defaults for those that the suite leaves out.

    Raises:
        UsageError: the recipe or a parameter does not exist, or a value is invalid.
    """
    if attack.recipe not in ATTACKS:
        raise UsageError(
            f"Attack {attack.id!r}: recipe {attack.recipe!r} does not exist. {nearest(attack.recipe, ATTACKS)}"
        )
    recipe, problems = _read(attack)
    if recipe is None:
        raise UsageError(f"Attack {attack.id!r}: {' '.join(f'parameter {problem}' for problem in problems)}")
    return recipe


def _read(attack: Attack) -> tuple[AttackRecipe | None, list[Problem]]:
    return _schema(ATTACKS[attack.recipe]).read(dict(attack.parameters), pointer=key_path)


@cache
def _schema(recipe: type[AttackRecipe]) -> Schema:
    return Schema(recipe)


def _problems(attack: Attack) -> Iterator[tuple[str, str]]:
    _, problems = _read(attack)
    for problem in problems:
        yield f"parameters.{problem.pointer}", problem.message
    yield from metric_problems(attack.metrics, ATTACK_METRICS, "attack")
    if attack.backend == "textattack" and attack.parameters.get("short_texts", "pass") != "pass":
        yield "parameters.short_texts", 'TextAttack lets short texts pass. Remove the key, or use backend = "engine".'
