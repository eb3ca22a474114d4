"""Two pictures of a section: robustness against clean accuracy, and gain against cost; a table has every number too."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from leaderboard.figures import Figure, decimal
from leaderboard.render.labels import NO_LABEL, Box, place_labels
from leaderboard.render.plain import method_text
from leaderboard.render.scales import true_minus
from leaderboard.table import Row, Section

WIDTH, HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 28, 40
# Where points of one place stand instead, one after the other; more of them lie on each other.
_BESIDE = (0.0, 7.0, -7.0, 14.0, -14.0)
_SAME = 4.0
# Labels of more rows than this do not keep clear of intervals too: looking would take long, and little would be free.
_CROWD = 60

Placed = tuple[Row, Figure, Figure]
"""A row with what places it across and up."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row: its anchor, where it stands, the ends of its interval, its label and what hovering over it says."""

    row: str
    x: str
    y: str
    low: str
    high: str
    kind: str
    title: str
    label: str
    label_x: str
    label_y: str
    anchor: str
    leader: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A scatter plot in a picture of `WIDTH` times `HEIGHT`; ticks are (place, text)."""

    key: str
    title: str
    description: str
    x_title: str
    y_title: str
    x_ticks: tuple[tuple[str, str], ...]
    y_ticks: tuple[tuple[str, str], ...]
    zero: str
    points: tuple[Point, ...]


def charts(section: Section) -> tuple[Chart, ...]:
    """Draw what the section has numbers for; a picture of fewer than two rows says nothing."""
    found = []
    names = [column.key for column in section.perspectives]
    if "in-distribution" in names:
        column = section.perspectives[names.index("in-distribution")]
        x_title = f"{column.metric} in distribution, {column.unit}" if column.unit else column.metric
        clean = _robustness(section, names.index(column.key), x_title)
        found.append(clean)
    found.append(_gain(section))
    return tuple(chart for chart in found if len(chart.points) > 1)


def _robustness(section: Section, index: int, x_title: str) -> Chart:
    rows = _placed(section, lambda row: row.perspectives[index], lambda row: row.robustness)
    return _chart(
        "clean", "Robustness against clean accuracy", x_title, "Change in the other perspectives, %", rows, zero_x=False
    )


def _gain(section: Section) -> Chart:
    rows = _placed(section, lambda row: row.cost, lambda row: row.overall)
    return _chart("cost", "Gain against cost", "Training passes, times vanilla's", "Overall, %", rows, zero_x=True)


def _placed(section: Section, x_of: Callable[[Row], Figure], y_of: Callable[[Row], Figure]) -> list[Placed]:
    rows = [row for row in section.rows if row.group != "published" and x_of(row).text and y_of(row).text]
    return [(row, x_of(row), y_of(row)) for row in rows]


def _chart(key: str, title: str, x_title: str, y_title: str, rows: Sequence[Placed], *, zero_x: bool) -> Chart:
    xs = [float(x.text) for _, x, _ in rows] + ([0.0] if zero_x else [])
    ys = [0.0] + [float(text) for _, _, y in rows for text in (y.text, y.low, y.high) if text]
    across = _Axis.over(xs, _LEFT, WIDTH - _RIGHT)
    up = _Axis.over(ys, HEIGHT - _BOTTOM, _TOP)
    description = f"{len(rows)} methods. Across: {x_title}. Up: {y_title}. The table below has every value."
    return Chart(
        key, title, description, x_title, y_title, across.ticks(), up.ticks(), up.place(0.0),
        tuple(_points(rows, across, up, (x_title, y_title))),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values between `low` and `high`, `step` apart, to places between `start` and `end`."""

    low: float
    high: float
    step: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        """Choose round ends that hold all values, and about five ticks."""
        least, most = min(values, default=0.0), max(values, default=0.0)
        step = _nice_step((most - least) or abs(most) or 1.0)
        low, high = math.floor(least / step + 1e-9) * step, math.ceil(most / step - 1e-9) * step
        return cls(low, high if high > low else low + step, step, start, end)

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def place(self, value: float) -> str:
        return decimal(self.at(value), 1)

    def ticks(self) -> tuple[tuple[str, str], ...]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + number * self.step for number in range(count + 1)]
        digits = max(0, -math.floor(math.log10(self.step)))
        return tuple((self.place(value), decimal(value, digits)) for value in values)


def _nice_step(spread: float) -> float:
    power = 10.0 ** math.floor(math.log10(spread / 5))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= spread / 5 * (1 - 1e-12))


def _points(rows: Sequence[Placed], across: _Axis, up: _Axis, titles: tuple[str, str]) -> Iterator[Point]:
    """Place points, and labels where they overlap neither each other nor a point; the rest is told on hovering."""
    centres = _centres(rows, across, up)
    lines = list(_lines(rows, centres, up)) if len(rows) <= _CROWD else []
    # Vanilla's label comes first: everything is read against it.
    order = sorted(range(len(rows)), key=lambda index: rows[index][0].method != "vanilla")
    names = [(index, method_text(rows[index][0])) for index in order]
    labels = place_labels(names, centres, lines, (_LEFT, 0, WIDTH, HEIGHT - _BOTTOM))
    for index, (row, x, y) in enumerate(rows):
        (x_place, y_place), label = centres[index], labels.get(index, NO_LABEL)
        yield Point(
            row.anchor, decimal(x_place, 1), decimal(y_place, 1),
            up.place(float(y.low)) if y.low else "", up.place(float(y.high)) if y.high else "",
            row.group, f"{method_text(row)}. {_told(titles[0], x)}. {_told(titles[1], y)}.", *label,
        )  # fmt: skip


def _told(title: str, figure: Figure) -> str:
    """Say a value and its interval after the title of its axis."""
    interval = f" ({true_minus(figure.low)} to {true_minus(figure.high)})" if figure.low and not figure.spread else ""
    return f"{title}: {true_minus(figure.text)}{interval}"


def _centres(rows: Sequence[Placed], across: _Axis, up: _Axis) -> list[tuple[float, float]]:
    """Place the points; those that would lie on an earlier one or on its interval stand beside it."""
    centres: list[tuple[float, float]] = []
    exact: list[float] = []
    for _, x, y in rows:
        place = across.at(float(x.text))
        before = sum(abs(place - other) < _SAME for other in exact)
        exact.append(place)
        shift = _BESIDE[before % len(_BESIDE)]
        centres.append((min(max(place + shift, _LEFT), WIDTH - _RIGHT), up.at(float(y.text))))
    return centres


def _lines(rows: Sequence[Placed], centres: Sequence[tuple[float, float]], up: _Axis) -> Iterator[Box]:
    """The intervals and the line at 0, which labels keep clear of where they can."""
    yield _LEFT, up.at(0.0) - 1, WIDTH - _RIGHT, up.at(0.0) + 1
    for (_, _, y), (x, _) in zip(rows, centres, strict=True):
        if y.low and y.high:
            yield x - 2, up.at(float(y.high)), x + 2, up.at(float(y.low))
