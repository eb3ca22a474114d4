"""Declaration of a data set, ``data = {...}`` in a suite file: its source and how rows become examples."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
    with_config,
)
from pydantic_core import PydanticCustomError

from benchmark.data.readers import Row
from benchmark.data.source import Source
from benchmark.data.sources import SOURCES
from benchmark.schema.base import CLOSED, Flag, Hash, Integer, Real, Words, doc, require
from benchmark.schema.errors import UsageError, nearest

Column: TypeAlias = Words


def _class_number(value: object, info: ValidationInfo) -> object:
    """Turn the name of a class into its number, and hold numbers against the classes of the training task."""
    classes: list[str] = list((info.context or {}).get("classes", ()))
    message = ""
    if isinstance(value, str):
        if value in classes:
            return classes.index(value)
        message = f"{value!r} is not a class of the training task. {nearest(value, classes)}"
    elif type(value) is int and classes and not 0 <= value < len(classes):
        message = f"class number {value}, but training.classes has {len(classes)} entries."
    if message:
        raise PydanticCustomError("sentence", "{message}", {"message": message})
    return value


ClassNumber: TypeAlias = Annotated[
    Integer,
    Field(ge=0),
    BeforeValidator(_class_number),
    WithJsonSchema({"type": "integer", "title": "a class of the task, by name or by number"}),
]


def _data_problems(spec: "DataSpec") -> Iterator[tuple[str, str]]:
    """The keys that a source needs and those that mean nothing to it, and columns that must agree."""
    cls = SOURCES[spec.source]
    for key in (*_missing(spec), *(["rows"] if cls.can_be_partial and spec.rows is None else ())):
        yield key, f"missing; source = {spec.source!r} needs it."
    own = {item.name for item in fields(cls)}
    for key in DataSpec.__annotations__:
        if key not in own and getattr(spec, key):
            yield key, f"has no effect with source = {spec.source!r}; remove it."
    if len(set(spec.text)) < len(spec.text):
        yield "text", f"column {spec.text[0]!r} is named twice; name the two columns of the pair."
    yield from _unchecked(spec).problems(spec.needed)
    for column, allowed in spec.where.items():
        if not allowed:
            yield f"where.{column}", "allows no value, so no row would be left; list the allowed values."
    if spec.limit is not None and spec.rows is not None and spec.limit > spec.rows:
        yield "limit", f"{spec.limit} is more than the {spec.rows} declared in `rows`; lower it or remove it."


def _label_problems(label: "LabelSpec") -> Iterator[tuple[str, str]]:
    """One way of labelling, not two."""
    if label.map is not None and label.thresholds is not None:
        yield "thresholds", "cannot be used with `map`; keep one of the two."


def _threshold_problems(thresholds: "Thresholds") -> Iterator[tuple[str, str]]:
    """Two ends apart, with two classes."""
    if thresholds.at_most >= thresholds.at_least:
        yield "at_most", f"{thresholds.at_most:g} is not below at_least = {thresholds.at_least:g}; lower it."
    if thresholds.low == thresholds.high:
        yield "high", "is the same class as `low`; name the other class."


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Thresholds:
    """Two classes out of a rating: the clear cases at both ends; ratings between them are dropped."""

    at_most: Annotated[Real, doc("Ratings up to and including this get the class `low`.")]
    low: Annotated[ClassNumber, doc("Class of the low ratings.")]
    at_least: Annotated[Real, doc("Ratings from this on, itself included, get the class `high`.")]
    high: Annotated[ClassNumber, doc("Class of the high ratings.")]

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "Thresholds":
        return require(self, _threshold_problems(self), info)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class LabelSpec:
    """Conversion of a column to class numbers. Without `map` and `thresholds` the column holds class numbers."""

    column: Annotated[Column, doc("Column that holds the label or the rating.")]
    map: Annotated[
        Mapping[str, ClassNumber] | None,
        Field(min_length=1),
        doc(
            "Value of the column, written as text (`true` and `false` for booleans, `0` for numbers), to class. `1` "
            "and `1.0` are one value. Rows with any other value are dropped and counted."
        ),
    ] = None
    thresholds: Annotated[Thresholds | None, doc("Two classes out of a rating; not together with `map`.")] = None

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "LabelSpec":
        return require(self, _label_problems(self), info)


if TYPE_CHECKING:
    SourceName: TypeAlias = str
else:
    SourceName = Literal[tuple(SOURCES)]


def _sentence(cls: type[Source]) -> str:
    """Return the first line of a source's docstring, to follow its name."""
    line = str(cls.__doc__).splitlines()[0]
    return line[0].lower() + line[1:]


@dataclass(frozen=True, slots=True)
class CommonSpec:
    """The keys of a data table that every source has."""

    source: Annotated[SourceName, doc(" ".join(f"`{name}`: {_sentence(cls)}" for name, cls in SOURCES.items()))]
    text: Annotated[
        tuple[Column, ...],
        Field(min_length=1, max_length=2),
        doc("The column that the model reads, or the two of a pair."),
    ]
    label: Annotated[LabelSpec | None, doc("How to label the rows. Absent: the examples have no labels.")] = None
    group: Annotated[Column | None, doc("Column that says what belongs together, such as the film of a review.")] = None
    where: Annotated[
        Mapping[str, tuple[str, ...]],
        doc("Column to allowed values, written as text: other rows are dropped."),
    ] = field(default_factory=dict)
    words: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Keep only this many words from the start of each text; in a pair, of both."),
    ] = None
    deduplicate: Annotated[
        Flag,
        doc(
            "Keep one of the rows whose texts are equal, ignoring case, punctuation and spaces; drop all of them "
            "where their labels differ. Emoji and other pictures count as text."
        ),
    ] = False
    limit: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Maximum number of examples: stratified by class, chosen by a hash of the text."),
    ] = None
    rows: Annotated[
        Integer | None,
        Field(ge=1),
        doc(
            "Rows of the source before any filter; a source with another number is refused. "
            f"{', '.join(name for name, cls in SOURCES.items() if cls.can_be_partial)}: required."
        ),
    ] = None
    content_hash: Annotated[
        Hash | None,
        doc("Hash of the final examples; other texts, labels or class names are refused."),
    ] = None

    @property
    def origin(self) -> Source:
        """The source with its keys.

        Raises:
            UsageError: a key that the source needs is missing.
        """
        if missing := [f"`{key}`" for key in _missing(self)]:
            raise UsageError(f"A data set of the source `{self.source}` needs {' and '.join(missing)}.")
        return _unchecked(self)

    @property
    def place(self) -> str:
        """The source in words, for error messages."""
        return self.origin.place

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        label = () if self.label is None else (self.label.column,)
        group = () if self.group is None else (self.group,)
        return tuple(dict.fromkeys((*self.text, *label, *group, *self.where)))


def _unchecked(spec: CommonSpec) -> Source:
    cls = SOURCES[spec.source]
    values = {item.name: (getattr(spec, item.name), item.default is MISSING) for item in fields(cls)}
    return cls(**{name: value for name, (value, required) in values.items() if required or value is not None})


def _missing(spec: CommonSpec) -> list[str]:
    """List the keys without a default that a source needs and a spec lacks."""
    needed = [item.name for item in fields(SOURCES[spec.source]) if item.default is MISSING]
    return [key for key in needed if getattr(spec, key) is None]


def _key(hint: Any, default: object, sources: list[str]) -> Any:
    """Make a source's field a key that may be absent, because other sources lack it."""
    *rules, described = hint.__metadata__
    kind = Annotated[hint.__origin__, *rules] if rules else hint.__origin__
    text = f"{', '.join(sources)}: {described.description}"
    return Annotated[kind | None if default is None else kind, doc(text)]


def _source_keys() -> list[tuple[str, Any, Any]]:
    """List name, type and default of the keys of all sources."""
    hints, defaults, sources = {}, {}, defaultdict(list)
    for name, cls in SOURCES.items():
        types = get_type_hints(cls, include_extras=True)
        for item in fields(cls):
            hints[item.name] = types[item.name]
            # A default of the source is applied by `origin`; here None means that the key is absent.
            defaults[item.name] = () if item.default == () else None
            sources[item.name].append(name)
    return [(name, _key(hint, defaults[name], sources[name]), defaults[name]) for name, hint in hints.items()]


if TYPE_CHECKING:

    class DataSpec(CommonSpec):
        """One data set: its source, its columns, and the filters between its rows and the examples."""

        def __init__(self, source: SourceName, text: tuple[str, ...], **keys: Any) -> None: ...

else:

    def _agrees(self: CommonSpec, info: ValidationInfo) -> CommonSpec:
        return require(self, _data_problems(self), info)

    DataSpec = with_config(CLOSED)(
        make_dataclass(
            "DataSpec",
            _source_keys(),
            bases=(CommonSpec,),
            namespace={
                "__module__": __name__,
                "__doc__": "One data set: its source, its columns, and the filters between its rows and the examples.",
                "_agrees": model_validator(mode="after")(_agrees),
            },
            frozen=True,
            slots=True,
        )
    )


def source_rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a data set in the source's order; they have at least the columns in `spec.needed`.

    Args:
        spec: describes the data set.
        base: folder that a relative path of the source `file` starts at; the working directory if None.

    Raises:
        UnavailableError: the data is not on this machine; the message names the command that gets it.
        UsageError: the spec lacks a key of its source, or names a column or member that does not exist.
        IntegrityError: the file is damaged.
    """
    return spec.origin.rows(spec.needed, base)


def how_to_get(spec: DataSpec) -> str:
    """Return how to get a data set: a command in backquotes, or words for a file of the suite's own."""
    return spec.origin.how_to_get()


def missing_reason(spec: DataSpec) -> str:
    """Return why an evaluation task was not measured; records store the sentence, so it has no path of a machine."""
    rows = "" if spec.rows is None else f" with its {spec.rows} rows"
    return f"The data, {spec.place}{rows}, is missing. Get it ({how_to_get(spec)}), then rerun the same command."
