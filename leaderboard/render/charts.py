"""Charts: a section's forest plot, robustness against clean accuracy and gain against cost, and a row's tuning.

`gain_bars` draws for the terminal; the others compute places for the page's templates.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from benchmark.schema.errors import counted
from leaderboard.board import Section
from leaderboard.columns import Row
from leaderboard.figures import Figure, decimal, true_minus
from leaderboard.ranking import IN_ORDER, SANITY
from leaderboard.results import PUBLISHED
from leaderboard.trial_notes import BEST_SO_FAR


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of a chart, and the edges of its plotting area."""

    width: int = 440
    height: int = 300
    left: int = 46
    right: int = 428
    top: int = 28
    bottom: int = 260


FRAME = Frame()

# Offsets at which points of the same position are drawn, in order; further points overlap.
_SHIFTS = (0.0, 7.0, -7.0, 14.0, -14.0)
_SAME = 4.0
_LABELLED = 30
"""Maximum number of labelled rows, from the top of the table; vanilla is labelled too, others show on hovering."""
_LONGEST = 22
_CHARACTER, _LINE = 6.9, 12.0
"""Width of a label's character and height of its line."""
_RADIUS = 4.0
"""Radius of a point."""

_Box: TypeAlias = tuple[float, float, float, float]
"""Box: left, top, right and bottom."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row: its anchor, its place, the ends of its interval, what hovering over it shows, and its label if any."""

    row: str
    x: str
    y: str
    low: str
    high: str
    group: str
    title: str
    label: str = ""
    label_x: str = ""
    label_y: str = ""
    label_anchor: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A scatter plot; ticks are (place, text)."""

    key: str
    title: str
    description: str
    x_title: str
    y_title: str
    x_ticks: tuple[tuple[str, str], ...]
    y_ticks: tuple[tuple[str, str], ...]
    zero: str
    points: tuple[Point, ...]
    frame: Frame = FRAME


def _methods(section: Section) -> list[Row]:
    """List the rows of a section that are neither published nor sanity checks."""
    return [row for row in section.rows if row.group not in (PUBLISHED, SANITY)]


def charts(section: Section) -> tuple[Chart, ...]:
    """Draw the charts of a section for which at least two rows have values."""
    rows = _methods(section)
    drawn = []
    for column in section.perspectives:
        if column.key == "in-distribution":
            x_title = f"{column.metric} in distribution, {column.unit}" if column.unit else column.metric
            titles = ("Robustness against clean accuracy", x_title, "Gain in the other perspectives, points")
            drawn.append(_chart("clean", titles, [(row, row.figures[column.key], row.robustness) for row in rows]))
    titles = ("Gain against cost", "Training passes, times vanilla's", "Overall, points")
    drawn.append(_chart("cost", titles, [(row, row.cost, row.overall) for row in rows], x_from=(0.0,)))
    return tuple(chart for chart in drawn if len(chart.points) > 1)


def _chart(
    key: str,
    titles: tuple[str, str, str],
    figures: Sequence[tuple[Row, Figure, Figure]],
    *,
    x_from: tuple[float, ...] = (),
) -> Chart:
    """Draw the rows that have both figures; the titles are those of the chart, its x axis and its y axis."""
    title, x_title, y_title = titles
    shown = [(row, x, y) for row, x, y in figures if x.text and y.text]
    xs = [float(x.text) for _, x, _ in shown]
    ys = [float(text) for _, _, y in shown for text in (y.text, y.low, y.high) if text]
    across = _Axis.over([*xs, *x_from], FRAME.left, FRAME.right)
    up = _Axis.over([0.0, *ys], FRAME.bottom, FRAME.top)
    places = list(zip(_separate([across.at(x) for x in xs]), (up.at(float(y.text)) for _, _, y in shown), strict=True))
    labels = _labels([row for row, _, _ in shown], places)
    points = []
    for number, ((row, x, y), (x_place, y_place)) in enumerate(zip(shown, places, strict=True)):
        hover = f"{row.full_name}. {_with_interval(x_title, x)}. {_with_interval(y_title, y)}."
        ends = (up.place(float(y.low)) if y.low else "", up.place(float(y.high)) if y.high else "")
        point = (row.anchor, decimal(x_place, 1), decimal(y_place, 1), *ends, row.group, hover)
        points.append(Point(*point, *labels.get(number, ())))
    description = f"{len(shown)} methods. Across: {x_title}. Up: {y_title}. The table below has every value."
    return Chart(key, title, description, x_title, y_title, across.ticks(), up.ticks(), up.place(0.0), tuple(points))


# Layout of a panel of the forest plot, in the units of its picture.
_PANEL_WIDTH, _LABELS, _EDGE = 360, 122, 14
_FIRST, _ROW, _BELOW = 14, 19, 26
_PANEL_LABEL = 17
"""Maximum number of characters of a row's label in a panel."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a panel: its gain and interval as places, the ends that continue outside, and its texts.

    `value` is empty where the gain lies outside, `low` and `high` where there is no interval. `side` is "better" or
    "worse" where the interval excludes 0, otherwise "same".
    """

    row: str
    group: str
    y: str
    label: str
    value: str
    low: str
    high: str
    cut: tuple[str, ...]
    side: str
    title: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The gains of all rows in one perspective or in Overall."""

    key: str
    title: str
    description: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot: a panel for Overall and for each perspective, all on one scale; ticks are (place, text)."""

    panels: tuple[Panel, ...]
    ticks: tuple[tuple[str, str], ...]
    zero: str
    width: int
    height: int
    left: int
    right: int
    bottom: int


def forest(section: Section) -> Forest | None:
    """Draw the gains over vanilla of a section's rows; None if no row is compared with vanilla.

    The scale holds the intervals of the rows that are ranked or ordered; others may continue outside it.
    """
    rows = [row for row in _methods(section) if row.overall.text and row.overall.low]
    main = [row for row in rows if row.group in IN_ORDER] or rows
    if not rows:
        return None
    ends = [
        end for row in main for figure in (row.overall, *section.gains_of(row)) for end in (figure.low, figure.high)
    ]
    axis = _Axis.over([0.0, *map(float, ends)], _LABELS, _PANEL_WIDTH - _EDGE)
    titles = [("overall", "Overall"), *((column.key, column.perspective) for column in section.gains)]
    panels = []
    for key, title in titles:
        figures = [row.overall if key == "overall" else row.figures[key] for row in rows]
        bars = tuple(_bar(row, number, figures[number], axis) for number, row in enumerate(rows))
        description = f"{title}: gain over vanilla in points. {' '.join(f'{bar.title}.' for bar in bars)}"
        panels.append(Panel(key.replace("/", "-"), title, description, bars))
    bottom = _FIRST + _ROW * len(rows) - 4
    size = (_PANEL_WIDTH, bottom + _BELOW, _LABELS, _PANEL_WIDTH - _EDGE, bottom)
    return Forest(tuple(panels), axis.ticks(), axis.place(0.0), *size)


def _bar(row: Row, number: int, figure: Figure, axis: "_Axis") -> Bar:
    name = row.full_name
    label = name if len(name) <= _PANEL_LABEL else f"{name[: _PANEL_LABEL - 1]}…"
    value, low, high = (float(text or figure.text) for text in (figure.text, figure.low, figure.high))
    cut = (*(["left"] if low < axis.low else []), *(["right"] if high > axis.high else []))
    return Bar(
        row=row.anchor,
        group=row.group,
        y=str(_FIRST + _ROW * number),
        label=label,
        value=axis.place(value) if axis.low <= value <= axis.high else "",
        low=axis.place(min(max(low, axis.low), axis.high)),
        high=axis.place(min(max(high, axis.low), axis.high)),
        cut=cut,
        side=_side(figure),
        title=f"{name} {true_minus(figure.text)} ({true_minus(figure.low)} to {true_minus(figure.high)})",
    )


def _side(figure: Figure) -> str:
    """Return "better" or "worse" if the interval of a gain excludes 0, otherwise "same"."""
    if not figure.low:
        return "same"
    return "better" if float(figure.low) > 0 else "worse" if float(figure.high) < 0 else "same"


@dataclass(frozen=True, slots=True)
class Curve:
    """The accuracy of the trial selected so far against the passes spent, as step curves; ticks are (place, text).

    Attributes:
        clean: Path of the curve on the validation part; `typos` likewise on the texts with typos.
        points: The ends of all trials on both curves.
    """

    frame: Frame
    description: str
    x_ticks: tuple[tuple[str, str], ...]
    y_ticks: tuple[tuple[str, str], ...]
    clean: str
    typos: str
    points: tuple[tuple[str, str], ...]


_CURVE_FRAME = Frame(height=190, bottom=150)


def curve(row: Row) -> Curve | None:
    """Draw how tuning went on; None if fewer than two trials of a row have a selection."""
    if len(row.tuning_steps) < 2:
        return None
    passes = [step.passes / 1000 for step in row.tuning_steps]
    clean, typos = ([100 * step[place] for step in row.tuning_steps] for place in (1, 2))
    across = _Axis.over([0.0, *passes], _CURVE_FRAME.left, _CURVE_FRAME.right)
    up = _Axis.over([*clean, *typos], _CURVE_FRAME.bottom, _CURVE_FRAME.top)
    paths, points = [], []
    for values in (clean, typos):
        first, *others = [(across.place(x), up.place(y)) for x, y in zip(passes, values, strict=True)]
        paths.append(f"M{' '.join(first)}{''.join(f'H{x}V{y}' for x, y in others)}")
        points += [first, *others]
    description = dict(row.facts).get(BEST_SO_FAR, "")
    clean_path, typos_path = paths
    axes = (across.ticks(), up.ticks())
    return Curve(_CURVE_FRAME, description, *axes, clean_path, typos_path, tuple(points))


@dataclass(frozen=True, slots=True)
class _Axis:
    """Map of values between `low` and `high`, with ticks every `step`, to positions between `start` and `end`."""

    low: float
    high: float
    step: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        """Choose round ends around all values, and about five ticks."""
        least, most = min(values, default=0.0), max(values, default=0.0)
        step = nice_step(((most - least) or abs(most) or 1.0) / 5)
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


def nice_step(least: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least a positive number."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-12))


def _with_interval(title: str, figure: Figure) -> str:
    """Write a value and its interval after the title of its axis."""
    interval = f" ({true_minus(figure.low)} to {true_minus(figure.high)})" if figure.low and not figure.spread else ""
    return f"{title}: {true_minus(figure.text)}{interval}"


def _separate(places: Sequence[float]) -> Iterator[float]:
    """Move points that would be drawn on an earlier one, or on its interval, next to it."""
    for number, place in enumerate(places):
        before = sum(abs(place - other) < _SAME for other in places[:number])
        yield min(max(place + _SHIFTS[before % len(_SHIFTS)], FRAME.left), FRAME.right)


def _labels(rows: Sequence[Row], places: Sequence[tuple[float, float]]) -> dict[int, tuple[str, str, str, str]]:
    """Label vanilla and the first rows if there is room next to the point: text, x, y and text anchor."""
    vanilla = [number for number, row in enumerate(rows) if row.method == "vanilla"]
    first = [number for number in range(min(_LABELLED, len(rows))) if number not in vanilla]
    labels: dict[int, tuple[str, str, str, str]] = {}
    taken = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places]
    for number in [*vanilla, *first]:
        name = rows[number].full_name
        text = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        width, (x, y) = _CHARACTER * len(text), places[number]
        for across, up, anchor in ((8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle")):
            left = x + across - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = (left, y + up - _LINE + 3, left + width, y + up + 2)
            inside = box[0] >= FRAME.left and box[2] <= FRAME.width and box[1] >= 0 and box[3] <= FRAME.bottom
            if inside and not any(_overlap(box, other) for other in taken):
                labels[number] = (text, decimal(x + across, 1), decimal(y + up, 1), anchor)
                taken.append(box)
                break
    return labels


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


_LONGEST_BAR = 24
"""Maximum number of characters of a bar."""
_SMALLEST_STEP = 0.1
"""Minimum number of points per character, so that a negligible gain does not fill the picture."""
_LABEL_WIDTH = 15
_LEGEND = "#: the 95 % interval of the gain excludes 0; -: it does not, or there is none."


def gain_bars(section: Section) -> tuple[str, ...]:
    """Draw the gains of the only row next to vanilla's, per perspective and Overall: bars left and right of 0.

    Returns:
        Lines of at most 80 characters, after a sentence that names the row; nothing if another number of rows has
        gains. Published rows and sanity checks do not count.
    """
    others = (row for row in _methods(section) if row.method != "vanilla")
    rows = [row for row in others if any(figure.text for figure in section.gains_of(row))]
    if len(rows) != 1:
        return ()
    (row,) = rows
    figures = {column.perspective: row.figures[column.key] for column in section.gains}
    figures["Overall"] = row.overall
    largest = max(abs(float(figure.text)) for figure in figures.values() if figure.text)
    step = nice_step(max(largest / _LONGEST_BAR, _SMALLEST_STEP))
    name = " ".join(row.full_name.split())
    seeds = counted(len(row.seeds), "seed")
    return (
        f"Gain of {name} over vanilla in points, {seeds}; a character is {step:g} points",
        f"{'':{_LABEL_WIDTH}}  {'worse ':>{_LONGEST_BAR}}| better",
        *(_text_bar(label, figure, step) for label, figure in figures.items()),
        _LEGEND,
    )


def _text_bar(label: str, figure: Figure, step: float) -> str:
    """Draw one bar, with the gain as text after it."""
    gain = float(figure.text or 0)
    bar = ("-" if _side(figure) == "same" else "#") * math.floor(abs(gain) / step + 0.5)
    left, right = (bar, "") if gain < 0 else ("", bar)
    return f"{label:{_LABEL_WIDTH}}  {left:>{_LONGEST_BAR}}|{right:<{_LONGEST_BAR}}  {figure.text or '-':>7}"
