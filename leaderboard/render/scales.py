"""The scales of the small pictures inside tables, and how their numbers are written."""

from dataclasses import dataclass

from leaderboard.figures import Figure, decimal, nice_bound
from leaderboard.table import Section

PLOT_WIDTH = 104
STRIP_WIDTH = 66


@dataclass(frozen=True, slots=True)
class Plot:
    """The scale of a section's small interval plots, from `low` (0 or below) to `high` (0 or above), in percent."""

    low: float
    high: float

    @classmethod
    def of(cls, section: Section) -> "Plot":
        """Choose a scale that holds 0 and every interval of the section."""
        figures = [row.overall for row in section.rows]
        values = [float(text) for figure in figures for text in (figure.text, figure.low, figure.high) if text]
        low, high = -nice_bound(-min(values, default=0.0)), nice_bound(max(values, default=0.0))
        return cls(low, high if high > low else 1.0)

    def ticks(self) -> list[tuple[str, str, str]]:
        """Label both ends, and 0 where it is not next to one: x, text anchor, label."""
        ends = [(self.low, "start"), (self.high, "end")]
        spread = self.high - self.low
        zero = [(0.0, "middle")] if -self.low > 0.2 * spread and self.high > 0.2 * spread else []
        return [(self.x(value), anchor, true_minus(f"{value + 0.0:g}")) for value, anchor in [*ends, *zero]]

    def marks(self, figure: Figure) -> dict[str, str]:
        """Place a figure: x of its value and of its interval's ends, and the side of 0 that they are all on."""
        value = float(figure.text)
        side = "better" if float(figure.low or 0) > 0 else "worse" if float(figure.high or 0) < 0 else "same"
        ends = {end: self.x(float(text)) for end, text in (("low", figure.low), ("high", figure.high)) if text}
        return {"value": self.x(value), "side": side, **ends}

    def x(self, value: float) -> str:
        """Place a value in percent in the picture, which is `PLOT_WIDTH` wide."""
        margin = 5.0
        inner = PLOT_WIDTH - 2 * margin
        return decimal(margin + inner * (value - self.low) / (self.high - self.low), 1)


@dataclass(frozen=True, slots=True)
class Strip:
    """The scale of a column's dots, one a seed, from the lowest value in the column to the highest."""

    low: float
    high: float

    def x(self, text: str) -> str:
        """Place a value as shown in the picture, which is `STRIP_WIDTH` wide."""
        margin = 4.0
        share = (float(text) - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return decimal(margin + (STRIP_WIDTH - 2 * margin) * share, 1)


def strips(section: Section) -> list[Strip | None]:
    """Give each perspective's column its scale; none where no row has a seed."""
    columns = zip(*(row.perspectives for row in section.rows if row.group != "published"), strict=True)
    found: list[Strip | None] = []
    for column in columns:
        values = [float(text) for figure in column for _, text in figure.points]
        found.append(Strip(min(values), max(values)) if values else None)
    return found or [None] * len(section.perspectives)


def true_minus(text: str) -> str:
    """Set a true minus sign before digits; hyphens in words stay."""
    return text.replace("-", "−") if text.lstrip("-").replace(".", "", 1).isdecimal() else text.replace(" - ", " − ")
