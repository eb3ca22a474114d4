"""Two pictures of a section: robustness against clean accuracy, and gain against cost; a table has every number too."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from leaderboard.figures import Figure, decimal
from leaderboard.render.plain import method_text
from leaderboard.table import Row, Section

WIDTH, HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
# What a character of a label needs, in the picture's units.
_CHARACTER, _LINE = 6.9, 12.0
_LONGEST_LABEL = 22
# A label nearer than this to the point of another row would be read as its.
_NEAR = 9.0

# Where a label may stand: right, left, above, below, and between these; farther away, it needs a line to its point.
_AROUND = (
    (8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle"),
    (6, -6, "start"), (6, 14, "start"), (-6, -6, "end"), (-6, 14, "end"),
    (26, -16, "start"), (26, 24, "start"), (-26, -16, "end"), (-26, 24, "end"),
    (34, -34, "start"), (34, 42, "start"), (-34, -34, "end"), (-34, 42, "end"),
)  # fmt: skip
_NEXT_TO = 8

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """One row: where it stands, the ends of its interval, its label and what hovering over it says."""

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


def _placed(
    section: Section, x_of: Callable[[Row], Figure], y_of: Callable[[Row], Figure]
) -> list[tuple[Row, float, Figure]]:
    rows = [row for row in section.rows if row.group != "published" and x_of(row).text and y_of(row).text]
    return [(row, float(x_of(row).text), y_of(row)) for row in rows]


def _chart(
    key: str, title: str, x_title: str, y_title: str, rows: Sequence[tuple[Row, float, Figure]], *, zero_x: bool
) -> Chart:
    xs = [x for _, x, _ in rows] + ([0.0] if zero_x else [])
    ys = [0.0] + [float(text) for _, _, y in rows for text in (y.text, y.low, y.high) if text]
    across = _Axis.over(xs, _LEFT, WIDTH - _RIGHT)
    up = _Axis.over(ys, HEIGHT - _BOTTOM, _TOP)
    description = f"{len(rows)} methods. Across: {x_title}. Up: {y_title}. The table below has every value."
    return Chart(
        key, title, description, x_title, y_title, across.ticks(), up.ticks(), up.place(0.0),
        tuple(_points(rows, across, up)),
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


def _points(rows: Sequence[tuple[Row, float, Figure]], across: _Axis, up: _Axis) -> Iterator[Point]:
    """Place points, and labels where they overlap neither each other nor a point; the rest is told on hovering."""
    centres = [(across.at(x), up.at(float(y.text))) for _, x, y in rows]
    labelled: list[Box] = []
    order = sorted(range(len(rows)), key=lambda index: rows[index][0].method != "vanilla")
    labels = {index: _label(method_text(rows[index][0]), index, centres, labelled) for index in order}
    for index, (row, value, y) in enumerate(rows):
        (x_place, y_place), label = centres[index], labels[index]
        interval = f", {y.low} to {y.high}" if y.low else ""
        yield Point(
            decimal(x_place, 1), decimal(y_place, 1),
            up.place(float(y.low)) if y.low else "", up.place(float(y.high)) if y.high else "",
            row.group, f"{method_text(row)}: {value:g} across, {y.text} up{interval}", *label,
        )  # fmt: skip


def _label(
    name: str, index: int, centres: Sequence[tuple[float, float]], labelled: list[Box]
) -> tuple[str, str, str, str, bool]:
    """Find room for a label around a point, and give its text, x, y, anchor and whether it needs a line."""
    others = [centre for other, centre in enumerate(centres) if other != index]
    taken = labelled + [(x - _NEAR, y - _NEAR, x + _NEAR, y + _NEAR) for x, y in others]
    text = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
    width, (x, y) = _CHARACTER * len(text), centres[index]
    for place, (dx, dy, anchor) in enumerate(_AROUND):
        at, base = x + dx, y + dy
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = (left, base - _LINE + 2, left + width, base + 2)
        inside = box[0] >= _LEFT and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT - _BOTTOM
        if inside and not any(_overlap(box, other) for other in taken):
            labelled.append(box)
            return text, decimal(at, 1), decimal(base, 1), anchor, place >= _NEXT_TO
    # No room, no label: hovering and the table still tell.
    return "", "", "", "", False


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
