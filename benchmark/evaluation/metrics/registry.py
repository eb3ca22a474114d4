"""The registry of metrics: a metric is a function under `@metric`, with its identity and its description.

A function takes one kind of table: `Predictions`, `Detection`, `FeatureDetection`, `AttackOutcomes`, `Inspection`
or `Retention`. It returns a number or a `Measurement` with replicates, or raises `UndefinedError`. Every module of this
package is imported, so a metric in a file of its own needs no other edit. A suite reports the metrics that it lists,
so a new one changes no suite.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from benchmark.schema.errors import TemperError, UsageError, nearest

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The outcome of one metric on one evaluation task.

    Attributes:
        value: The metric, or None where it is undefined.
        replicates: The metric on bootstrap resamples, rounded to 6 decimals; None for a metric that
            enters no aggregate and where the value is undefined.
        reason: Why there is no value; None exactly when there is one.
    """

    value: float | None
    replicates: tuple[float, ...] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and how it is shown.

    Attributes:
        id: Name in suites and records.
        version: Increases whenever the same predictions would give another value.
        direction: Whether a better model has a higher ("up") or a lower ("down") value, or neither ("none").
        title: Column heading.
        description: One sentence with the definition and its source.
        unit: "fraction" (shown in percent), "score" (a number without a unit), "nats" (natural logarithm) or "count".
        table: The kind of table that it is computed from.
        calibration: Whether it is listed under the calibration perspective and not under that of its task.
        headline: Whether it enters an aggregate, and so carries replicates.
        protocol: Options of `benchmark.schema.protocol` that change its value.
        library: An optional library that it needs, by the name of its import; empty for none.
        function: Computes it from a table.
    """

    id: str
    version: int
    direction: Literal["up", "down", "none"]
    title: str
    description: str
    unit: Literal["fraction", "score", "nats", "count"]
    table: type[Any]
    calibration: bool
    headline: bool
    protocol: tuple[str, ...]
    library: str
    function: Callable[[Any], "float | Measurement"]


METRICS: dict[str, Metric] = {}
"""Every metric by its id."""


class UndefinedError(Exception):
    """A metric is undefined on a table; the message says why and becomes the reason of the measurement."""


def metric(
    id_: str,
    *,
    version: int,
    direction: Literal["up", "down", "none"],
    unit: Literal["fraction", "score", "nats", "count"],
    title: str,
    description: str,
    table: type[Table],
    calibration: bool = False,
    headline: bool = False,
    protocol: tuple[str, ...] = (),
    library: str = "",
) -> Callable[[Callable[[Table], "float | Measurement"]], Callable[[Table], "float | Measurement"]]:
    """Register the function below as a metric; see `Metric` for the arguments.

    Raises:
        TemperError: another function has the id.
    """

    def register(function: Callable[[Table], "float | Measurement"]) -> Callable[[Table], "float | Measurement"]:
        if id_ in METRICS:
            raise TemperError(f"Two functions have the metric id {id_!r}: {METRICS[id_].function}, {function}.")
        METRICS[id_] = Metric(
            id_, version, direction, title, description, unit, table, calibration, headline, protocol, library, function
        )
        return function

    return register


def metrics_of(table: type[Any]) -> tuple[str, ...]:
    """List the ids of the metrics of a kind of table, in the order of their registration."""
    return tuple(metric.id for metric in METRICS.values() if metric.table is table)


def require_known(metrics: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Refuse metrics that a kind of evaluation task lacks.

    Raises:
        UsageError: with the first such metric and its nearest legal name.
    """
    for name in metrics:
        if name not in known:
            raise UsageError(f"The metric {name!r} does not exist for {kind}. {nearest(name, known)}")


def measure(name: str, table: object) -> Measurement:
    """Compute one metric of a table."""
    try:
        value = METRICS[name].function(table)
    except UndefinedError as error:
        return Measurement(None, None, str(error))
    return value if isinstance(value, Measurement) else Measurement(value)


def undefined(metrics: Iterable[str], reason: str) -> dict[str, Measurement]:
    """Return an undefined measurement with the same reason for every metric."""
    return {name: Measurement(None, None, reason) for name in metrics}
