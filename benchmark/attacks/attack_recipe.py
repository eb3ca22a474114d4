"""The registry of attacks: an attack is a class under `@attack` with its parameters and its search.

Every module of `benchmark.attacks.recipes` is imported, so an attack in a file of its own needs no other edit. These
modules are imported to read a suite: they import engine, numpy and TextAttack inside of functions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, dataclass_transform

from pydantic import Field, with_config

from benchmark.schema.base import CLOSED, Integer, Real, Words, doc
from benchmark.schema.errors import TemperError, UsageError

if TYPE_CHECKING:
    from textattack import Attack as TextAttackAttack

    from benchmark.attacks.engine import Search
    from benchmark.attacks.parts import Parts
    from benchmark.attacks.textattack.components import VictimWrapper

Count: TypeAlias = Annotated[Integer, Field(ge=1)]
Budget: TypeAlias = Annotated[
    Integer | None, Field(ge=1), doc("Maximum number of model queries per example; absent: no bound.")
]
Encoder: TypeAlias = Annotated[Words, doc("Resource whose sentence vectors measure similarity.")]
ReportedEncoder: TypeAlias = Annotated[
    Words,
    doc("Resource whose sentence vectors measure the reported similarity; the search does not use it."),
]
Stopwords: TypeAlias = Annotated[Words, doc("List of words that are never replaced.")]
Lexicon: TypeAlias = Annotated[Words, doc("Lexicon of the substitutes: a packaged name or a file.")]
Cosine: TypeAlias = Annotated[Real, Field(ge=-1, le=1), doc("Minimum cosine between a word and its substitute.")]
SimilarityMetric: TypeAlias = Annotated[Literal["angular", "cosine"], doc("Similarity of two sentence vectors.")]
ShortTexts: TypeAlias = Annotated[
    Literal["pass", "compare"],
    doc(
        "Texts of fewer words than `window`: `pass` accepts them whatever their similarity, as TextAttack does; "
        "`compare` compares the whole text with the original."
    ),
]
Share: TypeAlias = Annotated[
    Real | None, Field(gt=0, le=1), doc("Maximum share of words changed, rounded up; absent: no bound.")
]


class AttackRecipe(ABC):
    """An attack; its fields are its parameters, which are keys of ``[attacks.parameters]`` in a suite.

    Fields named like a field of `benchmark.attacks.parts.Parts` name a resource, which is loaded for `search`. Every
    attack has an `encoder`, which measures the similarity of the texts that it finds.

    Attributes:
        name: Name in suites; set by `@attack`.
        version: Increases whenever the attack gives other rows.
        masking_check: Whether its results are a gradient-masking check next to the attacks, and enter no score.
        added_parameters: Fields added after records were committed, whose default keeps the earlier behaviour.
        encoder: Name of the sentence encoder.
        query_budget: Maximum number of model queries for one example; None for no bound.
    """

    __slots__ = ()

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    masking_check: ClassVar[bool] = False
    added_parameters: ClassVar[tuple[str, ...]] = ()
    encoder: str
    query_budget: int | None = None
    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]  # of subclasses, which `@attack` makes dataclasses

    @abstractmethod
    def search(self, parts: "Parts") -> "Search":
        """Return the function that attacks one example, given the victim's score of its original."""

    def build_textattack(self, parts: "Parts", victim: "VictimWrapper", *, pair: bool) -> "TextAttackAttack":
        """Build the attack from TextAttack's classes and the same parts.

        Args:
            parts: Its loaded resources.
            victim: The model.
            pair: Whether an example has two texts, of which the second is attacked.

        Raises:
            UsageError: only Temper's engine supports this attack.
        """
        raise UsageError(
            f'Recipe {self.name!r} runs with backend = "engine" only. Known: {", ".join(textattack_recipes())}.'
        )

    def identifying_parameters(self) -> dict[str, Any]:
        """Return the parameters that identify the attack: all but later additions at their default."""
        items = {item.name: item for item in fields(self)}
        left_out = {name for name in self.added_parameters if getattr(self, name) == items[name].default}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


ATTACKS: dict[str, type[AttackRecipe]] = {}
"""Every attack by its name; complete after importing `benchmark.attacks.recipes`."""

R = TypeVar("R", bound=AttackRecipe)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def attack(name: str, *, version: int = 1, masking_check: bool = False) -> Callable[[type[R]], type[R]]:
    """Make the class below a frozen dataclass and register it; see `AttackRecipe` for the arguments.

    Raises:
        TemperError: another class has the name, or this one has no parameter `encoder`.
    """

    def register(cls: type[R]) -> type[R]:
        recipe = with_config(CLOSED)(dataclass(frozen=True, slots=True, kw_only=True)(cls))
        if name in ATTACKS:
            raise TemperError(f"Two classes have the attack name {name!r}: {ATTACKS[name]}, {recipe}. Rename one.")
        if "encoder" not in {item.name for item in fields(recipe)}:
            raise TemperError(f"The attack {name!r} has no parameter `encoder`. Add one.")
        recipe.name, recipe.version, recipe.masking_check = name, version, masking_check
        ATTACKS[name] = recipe
        return recipe

    return register


def textattack_recipes() -> list[str]:
    """List the names of the attacks that TextAttack can run too."""
    return sorted(name for name, cls in ATTACKS.items() if cls.build_textattack is not AttackRecipe.build_textattack)
