"""The long tables of the page, written without the template engine: a large board has many thousand such lines."""

from html import escape
from typing import TYPE_CHECKING

from leaderboard.render.scales import true_minus
from leaderboard.table import Measurement, Row

if TYPE_CHECKING:
    from markupsafe import Markup


def measurements(row: Row) -> "Markup":
    """Write the lines of a row's table of measurements; every text is escaped here."""
    from markupsafe import Markup

    return Markup("\n".join(_line(row, measurement) for measurement in row.measurements))  # noqa: S704


def _line(row: Row, m: Measurement) -> str:
    unit = f' <span class="unit">{escape(m.unit)}</span>' if m.unit else ""
    subject = f'<td>{escape(m.perspective)}</td><th scope="row">{escape(m.probe)}</th>'
    head = f'<tr>{subject}<th scope="row">{escape(m.metric)}{unit}</th>'
    if not m.figure.text:
        return f'{head}<td class="reason" colspan="{2 + len(row.seeds)}">{escape(m.figure.reason)}</td></tr>'
    points = dict(m.figure.points)
    numbers = [m.figure.text, m.figure.spread, *(points.get(seed, "–") for seed in row.seeds)]
    return head + "".join(f'<td class="number">{escape(true_minus(text))}</td>' for text in numbers) + "</tr>"
