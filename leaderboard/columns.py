"""Content of a leaderboard row, and the list of columns from which every file is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from leaderboard import definitions
from leaderboard.figures import Figure
from leaderboard.masking import Check
from leaderboard.ranking import APART, ORDERED, RANKED, SANITY
from leaderboard.results import PUBLISHED
from leaderboard.trial_notes import Step

GROUP_TITLES = {
    RANKED: "Ranked",
    ORDERED: "Ordered, not ranked",
    APART: "Not ranked",
    SANITY: "Sanity checks",
    PUBLISHED: "Published numbers",
}

_LISTED = 8
"""Maximum number of phrases that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one evaluation task, with a value for each seed."""

    task: str
    perspective: str
    metric: str
    unit: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One method and configuration, as shown.

    Attributes:
        anchor: Id of the row's details on the page.
        group: One of `GROUP_TITLES`.
        rank: Empty when not ranked; `worst_rank` is the other end of the range of ranks.
        overall: Gain over vanilla in points; has a star if it is significant.
        better: Probability of being better than vanilla.
        equivalent: "yes" if Overall is equivalent to vanilla's, "no" if that is not shown, empty if not compared.
        relative: Mean relative change against vanilla.
        figures: Values in the section's own columns, by key.
        p: Corrected p-value of the difference from vanilla; empty if not compared.
        robustness: Overall without the in-distribution perspective.
        retention: Change of a probe's accuracy on other tasks; empty if the suite measures none.
        tuning_gain: Gain of tuning in clean validation accuracy; empty if the row is not tuned.
        tuning_steps: The state of tuning after each trial.
        verification: The lowest level among its records; empty where nothing was measured.
        checks: The gradient-masking checks for which the row has values.
        summary: Description of the method; empty if the results have none. `paper` is its citation.
        facts: (name, text) pairs: version, source, revision, hyper-parameters, files.
        examples: Attacked texts as the results hold them, by the attack's title.
    """

    anchor: str
    group: str
    rank: str
    worst_rank: str
    method: str
    configuration: str
    overall: Figure
    better: Figure
    equivalent: str
    relative: Figure
    figures: Mapping[str, Figure]
    cost: Figure
    retention: Figure
    seeds: tuple[str, ...]
    verification: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    measurements: tuple[Measurement, ...]
    p: str
    robustness: Figure
    tuning_gain: Figure
    tuning_steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    summary: str
    paper: str
    examples: tuple[tuple[str, list[dict[str, Any]]], ...]

    @property
    def full_name(self) -> str:
        """Join method and configuration on one line."""
        return f"{self.method} ({self.configuration})" if self.configuration else self.method

    @property
    def is_published(self) -> bool:
        """Return whether the numbers are printed in a paper."""
        return self.group == PUBLISHED

    @property
    def flagged(self) -> int:
        """Count the gradient-masking checks that are flagged."""
        return sum(check.outcome == "flagged" for check in self.checks)

    @property
    def decided(self) -> int:
        """Count the gradient-masking checks that passed or are flagged; the others are not applicable."""
        return sum(check.outcome != "open" for check in self.checks)


Cell: TypeAlias = Figure | str
Fields: TypeAlias = Mapping[str, Callable[[Row], Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of the leaderboard in all of its files.

    Attributes:
        key: Name in CSV and JSON, such as ``cost``, ``shift`` or ``shift/tweets/accuracy``.
        title: Name as shown.
        cell: Returns a row's cell: a figure, or a text if `kind` is "rank", "method" or "text".
        unit: Label of the unit, such as ``%``.
        better: "up", "down" or empty.
        definition: One or two sentences, shown on the page over the heading.
        kind: How the page shows the cells; a "score" has its spread, change and seeds below it.
        on_page: Whether the page has the column; `in_tables` likewise for Markdown, LaTeX and the terminal.
        in_terminal: False for a column of the tables for which a terminal is too narrow.
        absent: Text in tables for an empty cell.
        optional: Whether a section leaves the column out if all of its cells are empty.
        csv: Its columns in CSV; by default the text, or the figure and the ends of its interval.
        json: Its keys in JSON; by default the text or the figure.
        metric: Title of the metric, for a column of scores; `perspective` is the title of its perspective.
    """

    key: str
    title: str
    cell: Callable[[Row], Cell]
    unit: str = ""
    better: str = ""
    definition: str = ""
    kind: Literal["rank", "method", "overall", "score", "number", "text"] = "number"
    on_page: bool = True
    in_tables: bool = True
    in_terminal: bool = True
    absent: str = "-"
    optional: bool = False
    csv: Fields | None = None
    json: Fields | None = None
    metric: str = ""
    perspective: str = ""

    @property
    def heading(self) -> str:
        """Join title, unit and the better direction."""
        return " ".join(filter(None, (self.title, self.unit, {"up": "↑", "down": "↓", "": ""}[self.better])))

    @property
    def is_text(self) -> bool:
        """Return whether the cells are texts."""
        return self.kind in ("rank", "method", "text")

    def csv_fields(self) -> Fields:
        """Return the names of the columns in `board.csv`, and a row's values in them."""
        if self.csv is not None:
            return self.csv
        if self.is_text:
            return {self.key: self.cell}
        name = f"{self.key}_{'percent' if self.unit == '%' else self.unit or 'count'}"
        return {
            name: lambda row: self._figure(row).text,
            f"{name}_low": lambda row: self._figure(row).low,
            f"{name}_high": lambda row: self._figure(row).high,
        }

    def json_fields(self) -> Fields:
        """Return a row's keys and values in `board.json`."""
        return {self.key: self.cell} if self.json is None else self.json

    def _figure(self, row: Row) -> Figure:
        cell = self.cell(row)
        return Figure(cell) if isinstance(cell, str) else cell


def _rank_interval(row: Row) -> str:
    return row.rank if row.rank == row.worst_rank else f"{row.rank} ({row.rank} to {row.worst_rank})"


def all_notes(row: Row) -> str:
    """Join the notes of a row and the number of its flagged checks."""
    flags = f"{row.flagged} of {row.decided} gradient-masking checks flagged" if row.flagged else ""
    return joined_notes((*row.notes, flags))


def joined_notes(notes: Iterable[str]) -> str:
    """Join notes by semicolons; some end with the sentence of a record, whose full stop only the last note keeps."""
    *others, last = [*filter(None, notes)] or [""]
    return "; ".join((*(note.removesuffix(".") for note in others), last))


def listed(phrases: Sequence[str]) -> str:
    """Join phrases by semicolons; of many, the first ones and the number of the others."""
    more = [f"and {len(phrases) - _LISTED} more"] if len(phrases) > _LISTED else []
    return "; ".join([*phrases[:_LISTED], *more])


ColumnGroup: TypeAlias = Literal["perspectives", "gains", "tasks", "alternatives"]
"""Field of a section with columns of its own."""

COLUMNS: list[Column | ColumnGroup] = [
    Column(
        "rank", "Rank", _rank_interval, definition=definitions.RANK, kind="rank",
        csv={"rank": lambda row: row.rank, "rank_worst": lambda row: row.worst_rank},
        json={
            "rank": lambda row: int(row.rank) if row.rank else None,
            "rank_worst": lambda row: int(row.worst_rank) if row.worst_rank else None,
        },
    ),
    Column(
        "method", "Method", lambda row: row.full_name, definition=definitions.METHOD, kind="method",
        csv={"method": lambda row: row.method, "configuration": lambda row: row.configuration},
        json={"method": lambda row: row.method, "configuration": lambda row: row.configuration},
    ),
    Column("overall", "Overall", lambda row: row.overall, "points", "up", definitions.OVERALL, kind="overall"),
    Column(
        "p_holm", "p", lambda row: row.p, kind="text", on_page=False, in_tables=False,
        json={"p_holm": lambda row: float(row.p) if row.p else None},
    ),
    Column(
        "better", "P(better)", lambda row: row.better, "%", "up", definitions.BETTER,
        csv={"better_percent": lambda row: row.better.text},
    ),
    Column(
        "equivalent", "Equivalent", lambda row: row.equivalent, definition=definitions.EQUIVALENT, kind="text",
        in_terminal=False,
    ),
    Column(
        "robustness", "Robustness", lambda row: row.robustness, "points", "up", on_page=False, in_tables=False, csv={},
    ),
    "perspectives",
    "gains",
    "tasks",
    "alternatives",
    Column(
        "relative", "Relative", lambda row: row.relative, "%", "up", definitions.RELATIVE,
        csv={"relative_percent": lambda row: row.relative.text}, in_terminal=False,
    ),
    Column(
        "tuning_gain", "Tuning", lambda row: row.tuning_gain, "points", "up", definitions.TUNING_GAIN,
        csv={"tuning_gain_points": lambda row: row.tuning_gain.text}, optional=True,
    ),
    Column(
        "cost", "Cost", lambda row: row.cost, "×", definition=definitions.COST,
        csv={"cost_relative": lambda row: row.cost.text},
    ),
    Column(
        "retention", "Retention", lambda row: row.retention, "points", "up", definitions.RETENTION, optional=True,
    ),
    Column(
        "seeds", "Seeds", lambda row: Figure(str(len(row.seeds) or "")), definition=definitions.SEEDS,
        csv={"seeds": lambda row: " ".join(row.seeds)}, json={"seeds": lambda row: [int(seed) for seed in row.seeds]},
    ),
    Column(
        "verification", "Verification", lambda row: row.verification, definition=definitions.VERIFICATION, kind="text",
        in_terminal=False,
    ),
    Column(
        "masking", "Gradient-masking checks", lambda row: str(row.flagged), kind="text", on_page=False, in_tables=False,
        json={},
        csv={
            "masking_checks": lambda row: str(row.decided) if row.checks else "",
            "masking_flags": lambda row: str(row.flagged) if row.checks else "",
        },
    ),
    Column(
        "notes", "Notes", all_notes, kind="text", on_page=False, in_terminal=False, absent="",
        csv={}, json={"notes": lambda row: list(row.notes)},
    ),
]  # fmt: skip
"""Every column, in the order of all files; the four names are the section's own columns of scores.

A new column is one entry here: `leaderboard.render` writes all columns of this list.
"""
