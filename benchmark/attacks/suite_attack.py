"""An attack of a suite: what ``[[attacks]]`` in a suite file says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, model_validator, with_config

from benchmark.attacks.attack_recipe import AttackRecipe, Count
from benchmark.attacks.recipes import ATTACKS
from benchmark.evaluation.default_metrics import ATTACK_METRICS, metric_problems, weight_problems
from benchmark.schema.base import CLOSED, Identifier, Real, Schema, Setting, Words, doc, require
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
    version: Annotated[Count, doc("Increases when anything about the attack changes.")]
    title: Annotated[Words, doc("Short title on the leaderboard.")]
    description: Annotated[Words, doc("Description, and differences from the published attack.")]
    on: Annotated[Identifier, doc("Id of the labelled task whose examples it attacks.")]
    subset: Annotated[Count, doc("Number of examples: stratified by label, chosen by a hash of the text.")]
    recipe: Annotated[RecipeName, doc("Name of the attack.")]
    backend: Annotated[
        Literal["engine", "textattack"],
        doc("Implementation of the search: Temper's engine, or TextAttack itself."),
    ] = "engine"
    parameters: Annotated[Mapping[str, Setting], doc("The attack's parameters; see the recipe's own table.")] = field(
        default_factory=dict
    )
    metrics: Annotated[
        tuple[str, ...], doc("Ids of its metrics.", absent="outcomes, queries, words and similarity")
    ] = ()

    weight: Annotated[Real, Field(gt=0), doc("Weight in the mean of its perspective.")] = 1.0

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
    yield from weight_problems(attack.weight, "a masking check" if ATTACKS[attack.recipe].masking_check else "")
    yield from metric_problems(attack.metrics, ATTACK_METRICS, "attack")
    if attack.backend == "textattack" and attack.parameters.get("short_texts", "pass") != "pass":
        yield "parameters.short_texts", 'TextAttack lets short texts pass. Remove the key, or use backend = "engine".'
