"""What a file about a paper's table says, as frozen dataclasses; the annotations are the file format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Strict, with_config

from benchmark.schema.base import CLOSED, Identifier, Integer, Real, Words, doc

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
    departs: Annotated[str, Strict(), doc("How the tasks are not the paper's sets; no difference is taken then.")] = ""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Case:
    """What a row is on one suite and backbone, where the paper tuned for them."""

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
        found: Case | RowSpec = next(fitting, self)
        return found.method, found.learning_rate


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Reproduction:
    """A paper's table: rows, columns, and everything that a run needs beyond the suites."""

    name: Annotated[Id, doc("What the command line calls it; the file has the same name.")]
    title: Annotated[Text, doc("What the table is; says so where rows and columns are not the paper's own.")]
    paper: Annotated[Text, doc("As the sources of published numbers name it.")]
    backbone: Annotated[Text, doc("The paper's backbone.")]
    seeds: Annotated[Integer, Field(ge=1), doc("How many seeds.")]
    notes: Annotated[tuple[Text, ...], doc("What a reader must know; shown below the table.")]
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1)]
    rows: Annotated[tuple[RowSpec, ...], Field(min_length=1)]

    @property
    def suites(self) -> tuple[str, ...]:
        """Names of its suites, in the order of the columns."""
        return tuple(dict.fromkeys(column.suite for column in self.columns))
