"""What a file about a paper's table says, as frozen dataclasses; the annotations are the file format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from benchmark.data.constraints import IDENTIFIER, NONEMPTY, Doc, Length, Range

Text: TypeAlias = Annotated[str, NONEMPTY]
Id: TypeAlias = Annotated[str, IDENTIFIER]
Rate: TypeAlias = Annotated[float | None, Range(0, 1, open_low=True), Doc("Learning rate, where not the suite's.")]
ColumnPerspective: TypeAlias = Literal["in-distribution", "shift", "adversarial", "calibration", "anomaly"]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column of the paper's table: one metric of one set, or its mean over several."""

    label: Annotated[Text, Doc("As the paper prints it, or the released code where the table was not found.")]
    suite: Annotated[Id, Doc("Packaged suite that has the sets.")]
    perspective: ColumnPerspective
    metric: Annotated[Text, Doc("Id of the metric.")]
    probes: Annotated[tuple[Id, ...], Doc("Probes or attacks that are averaged, in the paper's order.")]
    absent: Annotated[
        Mapping[str, str], Doc("Sets of the paper that the suite has no probe for: name to the reason, in a sentence.")
    ] = field(default_factory=dict)
    departs: Annotated[str, Doc("How the probes are not the paper's sets; no difference is taken then.")] = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What a row is on one suite and backbone, where the paper tuned for them."""

    suite: Id
    backbone: Annotated[Text, Doc("Short name, such as `roberta-base`.")]
    method: Annotated[Text, Doc("As `temper run --methods` takes it.")]
    learning_rate: Rate = None


@dataclass(frozen=True, slots=True)
class RowSpec:
    """A row of the paper's table: a method with the paper's hyper-parameters."""

    label: Text
    method: Annotated[Text, Doc("As `temper run --methods` takes it: `name`, or `name:key=value` with its settings.")]
    learning_rate: Rate = None
    cases: tuple[Case, ...] = ()

    def on(self, suite: str, backbone: str) -> tuple[str, float | None]:
        """Method and learning rate on a suite and backbone; without a case for them the row's own."""
        fitting = (case for case in self.cases if (case.suite, case.backbone) == (suite, backbone))
        found: Case | RowSpec = next(fitting, self)
        return found.method, found.learning_rate


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A paper's table: rows, columns, and everything that a run needs beyond the suites."""

    name: Annotated[Id, Doc("What the command line calls it; the file has the same name.")]
    title: Annotated[Text, Doc("What the table is; says so where rows and columns are not the paper's own.")]
    paper: Annotated[Text, Doc("As the sources of published numbers name it.")]
    backbone: Annotated[Text, Doc("The paper's backbone.")]
    seeds: Annotated[int, Range(1), Doc("How many seeds.")]
    notes: Annotated[tuple[Text, ...], Doc("What a reader must know; shown below the table.")]
    columns: Annotated[tuple[ColumnSpec, ...], Length(1)]
    rows: Annotated[tuple[RowSpec, ...], Length(1)]

    @property
    def suites(self) -> tuple[str, ...]:
        """Names of its suites, in the order of the columns."""
        return tuple(dict.fromkeys(column.suite for column in self.columns))
