"""The gains of one method over vanilla as bars of plain characters, for the terminal."""

import math

from leaderboard.board import Section
from leaderboard.figures import Figure
from leaderboard.ranking import SANITY
from leaderboard.render.charts import nice_step
from leaderboard.results import PUBLISHED

_LONGEST = 24
"""Maximum number of characters of a bar."""
_SMALLEST_STEP = 0.1
"""Minimum number of points per character, so that a negligible gain does not fill the picture."""
_LABELS = 15
_LEGEND = "#: the 95 % interval of the gain excludes 0; -: it does not, or there is none."


def gain_bars(section: Section) -> tuple[str, ...]:
    """Draw the gains of the only row next to vanilla's, per perspective and Overall: bars left and right of 0.

    Returns:
        Lines of at most 80 characters, after a sentence that names the row; nothing if another number of rows has
        gains. Published rows and sanity checks do not count.
    """
    kept = (row for row in section.rows if row.method != "vanilla" and row.group not in (PUBLISHED, SANITY))
    rows = [row for row in kept if any(figure.text for figure in row.gains)]
    if len(rows) != 1:
        return ()
    (row,) = rows
    figures = {column.perspective: figure for column, figure in zip(section.gains, row.gains, strict=True)}
    figures["Overall"] = row.overall
    largest = max(abs(float(figure.text)) for figure in figures.values() if figure.text)
    step = nice_step(max(largest / _LONGEST, _SMALLEST_STEP))
    name = " ".join(row.full_name.split())
    seeds = f"{len(row.seeds)} {'seed' if len(row.seeds) == 1 else 'seeds'}"
    return (
        f"Gain of {name} over vanilla in points, {seeds}; a character is {step:g} points",
        f"{'':{_LABELS}}  {'worse ':>{_LONGEST}}| better",
        *(_bar(label, figure, step) for label, figure in figures.items()),
        _LEGEND,
    )


def _bar(label: str, figure: Figure, step: float) -> str:
    """Draw one bar, with the gain as text after it."""
    gain = float(figure.text or 0)
    outside = bool(figure.low) and (float(figure.low) > 0 or float(figure.high) < 0)
    bar = ("#" if outside else "-") * math.floor(abs(gain) / step + 0.5)
    left, right = (bar, "") if gain < 0 else ("", bar)
    return f"{label:{_LABELS}}  {left:>{_LONGEST}}|{right:<{_LONGEST}}  {figure.text or '-':>7}"
