"""Where a data set comes from and how its rows become examples: what ``data = {...}`` in a suite file says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from benchmark.data.constraints import NONEMPTY, SHA256, ClassIndex, Doc, Length, Pattern, Range

Source: TypeAlias = Literal["artifact", "hub", "mirror", "file"]
Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet", "lines"]
Column: TypeAlias = Annotated[str, NONEMPTY]
ClassNumber: TypeAlias = Annotated[int, Range(0), ClassIndex()]

LINES_COLUMN = "text"
"""The one column of the format `lines`."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Two classes out of a rating: the clear cases at both ends; ratings between them are dropped."""

    at_most: Annotated[float, Doc("Ratings up to and including this get the class `low`.")]
    low: Annotated[ClassNumber, Doc("Class of the low ratings.")]
    at_least: Annotated[float, Doc("Ratings from this on, itself included, get the class `high`.")]
    high: Annotated[ClassNumber, Doc("Class of the high ratings.")]


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """How a column becomes a class number. Without `map` and `thresholds` the column already holds class numbers."""

    column: Annotated[Column, Doc("Column that holds the label or the rating.")]
    map: Annotated[
        Mapping[str, ClassNumber] | None,
        Length(1),
        Doc(
            "Value of the column, written as text (`true` and `false` for booleans, `0` for numbers), to class. `1` "
            "and `1.0` are one value. Rows with any other value are dropped and counted."
        ),
    ] = None
    thresholds: Annotated[Thresholds | None, Doc("Two classes out of a rating; not together with `map`.")] = None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """One data set: its source, its columns, and the filters between its rows and the examples."""

    source: Annotated[
        Source,
        Doc(
            "`artifact`: a member of a pinned package. `hub`: a data set of the Hugging Face Hub, or of a local mirror "
            "that holds it. `mirror`: only the local mirror. `file`: a file of yours."
        ),
    ]
    text: Annotated[tuple[Column, ...], Length(1, 2), Doc("The column that the model reads, or the two of a pair.")]
    format: Annotated[
        Format | None,
        Doc(
            "artifact, file: `csv` (quoted), `tsv` (split at tabs, quotes mean nothing), `jsonl`, `parquet` or `lines` "
            "(one text a line, column `text`). A name ending in .gz or .bz2 is decompressed."
        ),
    ] = None
    resource: Annotated[str | None, NONEMPTY, Doc("artifact: a name from `temper resources list`.")] = None
    member: Annotated[
        str | None,
        NONEMPTY,
        Doc("artifact: path inside the resource; `outer.tar.gz!inner/file` reads a nested archive."),
    ] = None
    repository: Annotated[
        str | None, Pattern(r"[\w-][\w.-]*/[\w-][\w.-]*", "be 'owner/name'"), Doc("hub, mirror: the data set's id.")
    ] = None
    configuration: Annotated[
        str | None,
        Pattern(r"[\w-][\w.-]*", "be a name without slashes"),
        Doc("hub, mirror: the data set's configuration."),
    ] = None
    split: Annotated[
        str | None, Pattern(r"\w+([.]\w+)*", "be the name of a whole split"), Doc("hub, mirror: which split.")
    ] = None
    revision: Annotated[
        str | None, NONEMPTY, Doc("hub: commit, tag or branch. A mirror holds one revision and ignores it.")
    ] = None
    path: Annotated[
        str | None, NONEMPTY, Doc("file: path of the file, absolute or relative to the suite file's folder.")
    ] = None
    columns: Annotated[
        tuple[Column, ...], Doc("csv, tsv without a header line: the names of its columns, all of them.")
    ] = ()
    label: Annotated[LabelSpec | None, Doc("How to label the rows. Absent: the examples have no labels.")] = None
    group: Annotated[Column | None, Doc("Column that says what belongs together, such as the film of a review.")] = None
    where: Annotated[
        Mapping[str, tuple[str, ...]], Doc("Column to allowed values, written as text: other rows are dropped.")
    ] = field(default_factory=dict)
    deduplicate: Annotated[
        bool,
        Doc(
            "Keep one of the rows whose texts are the same but for case, punctuation and spaces; drop all of them "
            "where their labels differ. Emoji and other pictures count as text."
        ),
    ] = False
    limit: Annotated[
        int | None, Range(1), Doc("Keep at most so many: the same share of every class, chosen by a hash of the text.")
    ] = None
    rows: Annotated[
        int | None,
        Range(1),
        Doc("Rows of the source before any filter; a source with another number is refused. hub, mirror: required."),
    ] = None
    content_hash: Annotated[
        str | None, SHA256, Doc("Hash of what comes out at the end; other texts, labels or class names are refused.")
    ] = None

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
