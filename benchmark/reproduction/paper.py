"""Files that describe papers' tables: dataclasses that define the format, and how to find and read one."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Strict, with_config

from benchmark.schema.base import CLOSED, Identifier, Integer, Real, Schema, Words, doc
from benchmark.schema.errors import Problem, UsageError, key_path, nearest

Text: TypeAlias = Words
Id: TypeAlias = Identifier
Rate: TypeAlias = Annotated[Real | None, Field(gt=0, le=1), doc("Learning rate, where not the suite's.")]
ColumnPerspective: TypeAlias = Literal["in-distribution", "shift", "adversarial", "calibration", "anomaly"]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column of the paper's table: one metric of one set, or its mean over several."""

    label: Annotated[Text, doc("As the paper prints it, or the released code where the table was not found.")]
    suite: Annotated[Id, doc("Packaged suite that has the sets.")]
    perspective: ColumnPerspective
    metric: Annotated[Text, doc("Id of the metric.")]
    tasks: Annotated[tuple[Id, ...], doc("Tasks or attacks that are averaged, in the paper's order.")]
    absent: Annotated[
        Mapping[str, str],
        doc("Sets of the paper that the suite has no task for: name to the reason, in a sentence."),
    ] = field(default_factory=dict)
    departs: Annotated[
        str,
        Strict(),
        doc("Differences between the tasks and the paper's sets; if there are any, no difference of values is shown."),
    ] = ""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Case:
    """Settings of a row that the paper tuned for one suite and backbone."""

    suite: Id
    backbone: Annotated[Text, doc("Short name, such as `roberta-base`.")]
    method: Annotated[Text, doc("As `temper run --methods` takes it.")]
    learning_rate: Rate = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class RowSpec:
    """A row of the paper's table: a method with the paper's hyper-parameters."""

    label: Text
    method: Annotated[Text, doc("As `temper run --methods` takes it: `name`, or `name:key=value` with its settings.")]
    learning_rate: Rate = None
    cases: tuple[Case, ...] = ()

    def on(self, suite: str, backbone: str) -> tuple[str, float | None]:
        """Method and learning rate on a suite and backbone; without a case for them the row's own."""
        fitting = (case for case in self.cases if (case.suite, case.backbone) == (suite, backbone))
        case: Case | RowSpec = next(fitting, self)
        return case.method, case.learning_rate


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Reproduction:
    """A paper's table: rows, columns, and everything that a run needs beyond the suites."""

    name: Annotated[Id, doc("Name on the command line; the file has the same name.")]
    title: Annotated[Text, doc("Title of the table; says so if rows and columns are not the paper's own.")]
    paper: Annotated[Text, doc("As the sources of published numbers name it.")]
    backbone: Annotated[Text, doc("The paper's backbone.")]
    seeds: Annotated[Integer, Field(ge=1), doc("Number of seeds.")]
    notes: Annotated[tuple[Text, ...], doc("Notes that are shown below the table.")]
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1)]
    rows: Annotated[tuple[RowSpec, ...], Field(min_length=1)]

    @property
    def suites(self) -> tuple[str, ...]:
        """Names of its suites, in the order of the columns."""
        return tuple(dict.fromkeys(column.suite for column in self.columns))


_FOLDER = Path(__file__).parent / "papers"
REPRODUCTION = Schema(Reproduction)


def available_reproductions() -> dict[str, Path]:
    """Return the files of all tables that can be reproduced, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def load_reproduction(name: str) -> Reproduction:
    """Read the description of a table.

    Raises:
        UsageError: there is no such table, or its file has errors; all of them are listed.
    """
    known = available_reproductions()
    if name not in known:
        raise UsageError(f"There is no reproduction {name!r}. {nearest(name, known)}")
    return parse_reproduction(known[name].read_text(encoding="utf-8"), known[name])


def parse_reproduction(text: str, path: Path) -> Reproduction:
    """Parse the description of a table.

    Raises:
        UsageError: it is not TOML or has errors; one sentence each.
    """
    try:
        table, problems = REPRODUCTION.read(tomllib.loads(text), pointer=key_path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name}: not TOML: {error}; correct that line.") from error
    if problems := problems or list(_mistakes(table, path)):
        raise UsageError("\n".join(f"{path.name}: {problem}" for problem in problems))
    read: Reproduction = table
    return read


def _mistakes(read: Reproduction, path: Path) -> Iterator[Problem]:
    """Yield violations of rules between keys."""
    if read.name != path.stem:
        yield Problem("name", f"{read.name!r} is not the file's name; rename one of the two.")
    labels = [row.label for row in read.rows]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield Problem("rows", f"duplicate row {label!r}; rename one.")
    for column in read.columns:
        if not column.tasks and not column.absent:
            where = f"columns[{column.label}].tasks"
            yield Problem(where, "is empty; name the evaluation tasks, or in `absent` what is missing.")
    for row in read.rows:
        for case in row.cases:
            if case.suite not in read.suites:
                yield Problem(
                    f"rows[{row.label}].cases",
                    f"no column is about {case.suite!r}. {nearest(case.suite, read.suites)}",
                )


def choose_rows(read: Reproduction, wanted: str | None) -> Reproduction:
    """Keep the rows that are selected by label or method; all rows if `wanted` is None.

    Args:
        read: the table.
        wanted: names separated by commas, or None.

    Raises:
        UsageError: a name is not a row of the table, or none is selected.
    """
    if wanted is None:
        return read
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {alias: row for row in read.rows for alias in (row.label, row.method, row.method.partition(":")[0])}
    for name in names:
        if name not in known:
            raise UsageError(f"{read.name} has no row {name!r}. {nearest(name, known)} `temper run` runs any method.")
    if not names:
        raise UsageError(f"--methods names no row. {nearest('', known)}")
    kept = {known[name].label for name in names}
    return replace(read, rows=tuple(row for row in read.rows if row.label in kept))
