"""The value types of records, cards and suite files, and their validation."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AllowInfNan,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from benchmark.schema.canonical import canonical_line
from benchmark.schema.errors import (
    LARGEST_WHOLE,
    RULES,
    UNPRINTABLE,
    JsonSchema,
    Loc,
    Problem,
    json_pointer,
    problems_in,
)

T = TypeVar("T")

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

PLAIN = rf"^[^{UNPRINTABLE}]*$"
"""Pattern of a text without unprintable characters."""

NAME_LIMIT = 80

Text: TypeAlias = Annotated[str, StringConstraints(pattern=PLAIN, max_length=20_000)]
Prose: TypeAlias = Annotated[Text, Field(title="a description")]
Sentence: TypeAlias = Annotated[
    str, StringConstraints(pattern=PLAIN, min_length=1, max_length=4_000), Field(title="a sentence")
]
Name: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=NAME_LIMIT),
    Field(title="a name of letters, digits, '.', '_', '+' and '-' that starts with a letter or a digit"),
]
Title: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=rf"^[^\n\t{UNPRINTABLE}]+$", max_length=200),
    Field(title="a title on one line"),
]
Hash: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$"),
    Field(title="sha256: and 64 hexadecimal digits in lower case"),
]
Key: TypeAlias = Annotated[
    str, StringConstraints(pattern=PLAIN, min_length=1, max_length=20_000), Field(title="a name")
]
Whole: TypeAlias = Annotated[int, Strict(), Field(ge=0, le=LARGEST_WHOLE)]
Count: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=LARGEST_WHOLE)]

LARGEST_VALUE = 1e100
"""A variance of metric values overflows above about 1e154. Metrics of finite logits of 32 bits stay far below this."""

_Integer: TypeAlias = Annotated[int, Strict(), Field(ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
_Float: TypeAlias = Annotated[float, Strict(), AllowInfNan(False)]
_Bounded: TypeAlias = Annotated[_Float, Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE)]
Replicate: TypeAlias = _Integer | _Bounded
"""A number in a long list: an integer beyond the limit is read as a float, which saves a validator call per number."""


def _require_float(value: object) -> object:
    """Refuse an integer: a strict float would accept one beyond the limit of integers."""
    if isinstance(value, int):
        raise PydanticCustomError("float_type", "Input should be a float")
    return value


Number: TypeAlias = _Integer | Annotated[_Float, BeforeValidator(_require_float)]
Value: TypeAlias = _Integer | Annotated[_Bounded, BeforeValidator(_require_float)]
"""The value of a metric."""
Scalar: TypeAlias = Annotated[bool, Strict()] | Number | Text | None
"""The value of a hyper-parameter."""

CLOSED = ConfigDict(extra="forbid")
"""For dataclasses that TOML is read into. Their scalar types are strict; their lists become tuples."""

Integer: TypeAlias = Annotated[int, Strict()]
Real: TypeAlias = Annotated[float, Strict(), AllowInfNan(False)]
Flag: TypeAlias = Annotated[bool, Strict()]
Words: TypeAlias = Annotated[str, StringConstraints(strict=True, pattern=r"\S"), Field(title="a text")]
"""A text that is not blank."""
Identifier: TypeAlias = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$"),
    Field(title="an id of lower-case letters, digits and single hyphens, such as 'rotten-tomatoes'"),
]
Setting: TypeAlias = Flag | Integer | Real | Annotated[str, Strict()]
"""A scalar of TOML, which has no null."""


class Schema:
    """The type of a file's content: validates values and describes the type."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Return pydantic's validator, built on first use because that is too slow for an import."""
        return TypeAdapter(self._kind)

    @cached_property
    def json_schema(self) -> JsonSchema:
        """Return the type as JSON Schema."""
        return self.adapter.json_schema(schema_generator=SchemaWithoutTitles)

    def read(
        self, value: object, *, context: Any = None, pointer: Callable[[Loc, object], str] = json_pointer
    ) -> tuple[Any, list[Problem]]:
        """Check a parsed value.

        Args:
            value: A value of JSON or TOML.
            context: Context for validators.
            pointer: Formats a place; `json_pointer` or `key_path`.

        Returns:
            The value as its type, or None if there are problems; and all problems in the order of the fields.
        """
        try:
            return self.adapter.validate_python(value, context=context), []
        except ValidationError as error:
            return None, problems_in(error.errors(include_url=False), self.json_schema, value, pointer)

    def problems(self, value: object) -> list[Problem]:
        """List everything that is wrong with a parsed value of JSON."""
        return self.read(value)[1]

    def line(self, value: object, what: str) -> str:
        """Write a value as canonical JSON and a newline.

        Raises:
            IntegrityError: the value is not valid; all problems are listed.
        """
        return canonical_line(value, self.problems(value), what)


def doc(text: str, absent: str = "") -> Any:
    """Describe a key of a suite file in `Annotated[...]`; `absent` describes the meaning of an absent key."""
    return Field(description=text, json_schema_extra={"absent": absent} if absent else None)


def refusal(problems: Iterable[tuple[Loc, str]]) -> PydanticCustomError:
    """Make the error that a validator raises to report several problems, each with its place inside the value."""
    return PydanticCustomError(RULES, "contradicts itself", {"problems": list(problems)})


def require(value: T, problems: Iterable[tuple[str, str]], info: ValidationInfo) -> T:
    """Return a validated table unless its keys contradict each other.

    Args:
        value: The table.
        problems: Pairs of a key inside the table and a sentence.
        info: The validator's information; with the context ``{"fields_only": True}`` the problems are ignored.
    """
    if (info.context or {}).get("fields_only"):
        return value
    if listed := [((key,) if key else (), sentence) for key, sentence in problems]:
        raise refusal(listed)
    return value


class SchemaWithoutTitles(GenerateJsonSchema):
    """JSON Schema without automatic titles: a title is set only where it describes a value in an error."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False, so that no field gets an automatic title."""
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        """Keep the title of an object's values, which pydantic drops."""
        described = super().dict_schema(schema)
        values = self.generate_inner(schema["values_schema"]) if "values_schema" in schema else {}
        if isinstance(described.get("additionalProperties"), dict):
            described["additionalProperties"] = values
        for pattern in described.get("patternProperties", ()):
            described["patternProperties"][pattern] = values
        return described
