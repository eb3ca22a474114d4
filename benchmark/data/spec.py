"""Where a data set comes from and how its rows become examples: what ``data = {...}`` in a suite file says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
    with_config,
)
from pydantic_core import PydanticCustomError

from benchmark.schema.base import CLOSED, Flag, Hash, Integer, Real, Words, doc, require
from benchmark.schema.errors import nearest

Source: TypeAlias = Literal["artifact", "hub", "mirror", "file"]
Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet", "lines"]
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

LINES_COLUMN = "text"
"""The one column of the format `lines`."""

_HUB_KEYS: Final = ("repository", "split", "rows")
_REQUIRED: Final = {
    "artifact": ("resource", "member", "format"),
    "file": ("path", "format"),
    "hub": _HUB_KEYS,
    "mirror": _HUB_KEYS,
}
_FOREIGN: Final = {
    "artifact": ("repository", "configuration", "split", "revision", "path"),
    "file": ("resource", "member", "repository", "configuration", "split", "revision"),
    "hub": ("resource", "member", "path", "format", "columns"),
    "mirror": ("resource", "member", "path", "format", "columns", "revision"),
}


def _data_problems(spec: "DataSpec") -> Iterator[tuple[str, str]]:
    """The keys that a source needs and those that mean nothing to it, and columns that must agree."""
    for key in _REQUIRED[spec.source]:
        if getattr(spec, key) is None:
            yield key, f"missing; source = {spec.source!r} needs it."
    for key in _FOREIGN[spec.source]:
        if getattr(spec, key):
            yield key, f"means nothing with source = {spec.source!r}; remove it."
    yield from _column_problems(spec)
    for column, allowed in spec.where.items():
        if not allowed:
            yield f"where.{column}", "allows no value, so no row would be left; list the allowed values."
    if spec.limit is not None and spec.rows is not None and spec.limit > spec.rows:
        yield "limit", f"{spec.limit} is more than the {spec.rows} declared in `rows`; lower it or remove it."


def _column_problems(spec: "DataSpec") -> Iterator[tuple[str, str]]:
    if len(set(spec.text)) < len(spec.text):
        yield "text", f"column {spec.text[0]!r} is named twice; name the two columns of the pair."
    if spec.columns and spec.format not in ("csv", "tsv"):
        yield "columns", "only csv and tsv files without a header line need them; remove it."
        return
    known = (LINES_COLUMN,) if spec.format == "lines" else spec.columns
    for column in spec.needed if known else ():
        if column not in known:
            yield "columns" if spec.columns else "text", f"there is no column {column!r}. {nearest(column, known)}"


def _label_problems(label: "LabelSpec") -> Iterator[tuple[str, str]]:
    """One way of labelling, not two."""
    if label.map is not None and label.thresholds is not None:
        yield "thresholds", "stands beside `map`; keep one of the two."


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
    """How a column becomes a class number. Without `map` and `thresholds` the column already holds class numbers."""

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


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class DataSpec:
    """One data set: its source, its columns, and the filters between its rows and the examples."""

    source: Annotated[
        Source,
        doc(
            "`artifact`: a member of a pinned package. `hub`: a data set of the Hugging Face Hub, or of a local mirror "
            "that holds it. `mirror`: only the local mirror. `file`: a file of yours."
        ),
    ]
    text: Annotated[
        tuple[Column, ...],
        Field(min_length=1, max_length=2),
        doc("The column that the model reads, or the two of a pair."),
    ]
    format: Annotated[
        Format | None,
        doc(
            "artifact, file: `csv` (quoted), `tsv` (split at tabs, quotes mean nothing), `jsonl`, `parquet` or `lines` "
            "(one text a line, column `text`). A name ending in .gz or .bz2 is decompressed."
        ),
    ] = None
    resource: Annotated[Words | None, doc("artifact: a name from `temper resources list`.")] = None
    member: Annotated[
        Words | None,
        doc("artifact: path inside the resource; `outer.tar.gz!inner/file` reads a nested archive."),
    ] = None
    repository: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:[\w-][\w.-]*/[\w-][\w.-]*)$"), Field(title="'owner/name'")
        ]
        | None,
        doc("hub, mirror: the data set's id."),
    ] = None
    configuration: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:[\w-][\w.-]*)$"), Field(title="a name without slashes")
        ]
        | None,
        doc("hub, mirror: the data set's configuration."),
    ] = None
    split: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:\w+([.]\w+)*)$"), Field(title="the name of a whole split")
        ]
        | None,
        doc("hub, mirror: which split."),
    ] = None
    revision: Annotated[
        Words | None, doc("hub: commit, tag or branch. A mirror holds one revision and ignores it.")
    ] = None
    path: Annotated[Words | None, doc("file: path of the file, absolute or relative to the suite file's folder.")] = (
        None
    )
    columns: Annotated[
        tuple[Column, ...], doc("csv, tsv without a header line: the names of its columns, all of them.")
    ] = ()
    label: Annotated[LabelSpec | None, doc("How to label the rows. Absent: the examples have no labels.")] = None
    group: Annotated[Column | None, doc("Column that says what belongs together, such as the film of a review.")] = None
    where: Annotated[
        Mapping[str, tuple[str, ...]],
        doc("Column to allowed values, written as text: other rows are dropped."),
    ] = field(default_factory=dict)
    deduplicate: Annotated[
        Flag,
        doc(
            "Keep one of the rows whose texts are the same but for case, punctuation and spaces; drop all of them "
            "where their labels differ. Emoji and other pictures count as text."
        ),
    ] = False
    limit: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Keep at most so many: the same share of every class, chosen by a hash of the text."),
    ] = None
    rows: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Rows of the source before any filter; a source with another number is refused. hub, mirror: required."),
    ] = None
    content_hash: Annotated[
        Hash | None,
        doc("Hash of what comes out at the end; other texts, labels or class names are refused."),
    ] = None

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "DataSpec":
        return require(self, _data_problems(self), info)

    @property
    def place(self) -> str:
        """The source in words, for error messages."""
        if self.source == "artifact":
            return f"{self.member} of resource {self.resource!r}"
        if self.source == "file":
            return str(self.path)
        return " ".join(filter(None, (self.repository, self.configuration, self.split)))

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        label = () if self.label is None else (self.label.column,)
        group = () if self.group is None else (self.group,)
        return tuple(dict.fromkeys((*self.text, *label, *group, *self.where)))
