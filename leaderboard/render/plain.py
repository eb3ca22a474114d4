"""What the plain renderers share: text for a figure, groups of rows, and the words around the tables."""

from collections.abc import Iterator

from leaderboard.figures import Figure
from leaderboard.rank import APART, ORDERED, PUBLISHED, RANKED
from leaderboard.table import Column, Row, Section

ABSENT = "-"
GROUP_TITLES = {
    RANKED: "Ranked",
    ORDERED: "Ordered, not ranked",
    APART: "Not ranked",
    PUBLISHED: "Published numbers",
}


def groups(section: Section) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """Yield the groups that have rows, each with its title."""
    for group, title in GROUP_TITLES.items():
        if rows := tuple(row for row in section.rows if row.group == group):
            yield title, rows


def heading(section: Section) -> str:
    """Name a section: suite title, suite and backbone."""
    where = f"{section.suite}, {section.backbone}" if section.backbone else section.suite
    return f"{section.title} ({where})"


def column_heading(column: Column) -> str:
    """Name a column with its unit and which way is better."""
    arrow = "↑" if column.better == "up" else "↓"
    return " ".join(filter(None, (column.title, column.unit, arrow)))


def probe_heading(column: Column) -> str:
    """Name a probe column with its perspective, metric, unit and which way is better."""
    return f"{column.perspective}: {column.title}, {column.metric} {column_heading(column).removeprefix(column.title)}"


def figure_text(figure: Figure) -> str:
    """Write a metric with the half-width of its interval."""
    if not figure.text:
        return ABSENT
    return f"{figure.text} ±{figure.spread}" if figure.spread else figure.text


def overall_text(row: Row) -> str:
    """Write an overall score with its star and the ends of its interval."""
    figure = row.overall
    if not figure.text:
        return ABSENT
    text = f"{figure.text}{row.star}"
    return f"{text} [{figure.low}, {figure.high}]" if figure.low else text


def masking_text(row: Row) -> str:
    """Write how many masking checks are flagged."""
    return f"{row.flagged} of {row.decided} masking checks flagged" if row.flagged else ""


def rank_text(row: Row) -> str:
    """Write a rank, with its interval where that is more than one place."""
    if not row.rank:
        return ABSENT
    return row.rank if row.rank == row.worst else f"{row.rank} ({row.rank} to {row.worst})"


def method_text(row: Row) -> str:
    """Write a method with its configuration."""
    return f"{row.method} ({row.configuration})" if row.configuration else row.method


def board_headings(section: Section) -> list[str]:
    """Head the columns of `board_cells`."""
    scores = [column_heading(column) for column in section.perspectives]
    return ["Rank", "Method", "Overall % ↑", *scores, "Cost ×", "Seeds", "Verification", "Notes"]


def board_cells(row: Row) -> list[str]:
    """Write a row of a section's main table."""
    return [
        rank_text(row),
        method_text(row),
        overall_text(row),
        *map(figure_text, row.perspectives),
        row.cost.text or ABSENT,
        str(len(row.seeds)) if row.seeds else ABSENT,
        row.verification or ABSENT,
        "; ".join(filter(None, (*row.notes, masking_text(row)))),
    ]


def probe_headings(section: Section) -> list[str]:
    """Head the columns of `probe_cells`."""
    return ["Method", *map(probe_heading, section.probes)]


def probe_cells(row: Row) -> list[str]:
    """Write a row of a section's probe table."""
    return [method_text(row), *map(figure_text, row.probes)]
