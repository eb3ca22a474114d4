"""The leaderboard in memory: all texts shown in its files."""

import gc
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.schema import DroppedItem, suite_name
from benchmark.schema.errors import counted
from benchmark.schema.trial import Trial
from leaderboard import definitions
from leaderboard.columns import COLUMNS, GROUP_TITLES, Column, ColumnGroup, Measurement, Row, listed
from leaderboard.figures import Figure, cost_figure, decimal, metric_figure, points_figure, share_figure, unit_label
from leaderboard.intervals import Estimate
from leaderboard.masking import checks
from leaderboard.ranking import ENOUGH_SEEDS, RankedRow, detectable, ranking, section_at_chance
from leaderboard.results import PUBLISHED, Item, RowResults, SectionResults, dropped, headline, inputs, read_sections
from leaderboard.scores import RowScores, SectionScores
from leaderboard.sensitivity import Sensitivity, sensitivity
from leaderboard.trial_notes import steps, tuning_gain


@dataclass(frozen=True, slots=True)
class Section:
    """One suite version on one backbone; an empty backbone when the suite has no records yet.

    `chance` states that vanilla is at chance, so that no row is ranked; empty otherwise. `rule` is that
    sentence and what to do, or says how the rows are ordered; `finding` says which of them differ from vanilla.
    `detectable` has the smallest difference that the section detects, in points by perspective, and `detectable_rule`
    says it in a sentence. `sensitivity` and `not_run`, which names the methods without a row, are shown below the
    table.
    """

    anchor: str
    suite: str
    backbone: str
    title: str
    note: str
    ranked: bool
    chance: str
    rule: str
    finding: str
    detectable: tuple[tuple[str, str], ...]
    detectable_rule: str
    perspectives: tuple[Column, ...]
    gains: tuple[Column, ...]
    tasks: tuple[Column, ...]
    alternatives: tuple[Column, ...]
    rows: tuple[Row, ...]
    sensitivity: Sensitivity
    not_run: str

    @property
    def heading(self) -> str:
        """Suite title, suite and backbone."""
        where = f"{self.suite}, {self.backbone}" if self.backbone else self.suite
        return f"{self.title} ({where})"

    def columns(self) -> list[Column]:
        """List the columns of the main table; those of evaluation tasks and alternatives have tables of their own."""
        return [c for entry in COLUMNS if entry not in ("tasks", "alternatives") for c in self.own_columns(entry)]

    def own_columns(self, entry: Column | ColumnGroup) -> tuple[Column, ...]:
        """List the columns of this section that an entry of `COLUMNS` expands to."""
        if isinstance(entry, Column):
            left_out = entry.optional and all(entry.cell(row) in ("", Figure("")) for row in self.rows)
            return () if left_out else (entry,)
        return {
            "perspectives": self.perspectives,
            "gains": self.gains,
            "tasks": self.tasks,
            "alternatives": self.alternatives,
        }[entry]

    def gains_of(self, row: Row) -> tuple[Figure, ...]:
        """Return a row's gains over vanilla in the perspectives."""
        return tuple(row.figures[column.key] for column in self.gains)

    def alternative_tables(self) -> Iterator[tuple[str, definitions.Alternatives, list[Column]]]:
        """Yield the tables of alternatives: perspective, heading and rule, and columns."""
        for name, known in definitions.ALTERNATIVES.items():
            if columns := [column for column in self.alternatives if column.key.startswith(f"{name}/")]:
                yield name, known, columns

    @property
    def above(self) -> str:
        """Join the sentences that are shown above the table."""
        return " ".join(filter(None, (self.rule, self.finding, self.detectable_rule)))

    @property
    def below(self) -> tuple[str, ...]:
        """Return the paragraphs that are shown below the table."""
        return tuple(filter(None, (self.sensitivity.text, self.not_run)))

    def groups(self) -> Iterator[tuple[str, str, tuple[Row, ...]]]:
        """Yield the groups that have rows: name, title and rows."""
        for group, title in GROUP_TITLES.items():
            if rows := tuple(row for row in self.rows if row.group == group):
                yield group, title, rows


@dataclass(frozen=True, slots=True)
class Glossary:
    """Descriptions from a suite's card: its training task, evaluation tasks, metrics and overlaps."""

    anchor: str
    suite: str
    fingerprint: str
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Board:
    """All content of the leaderboard. `inputs` are the files read and their hashes."""

    sections: tuple[Section, ...]
    glossaries: tuple[Glossary, ...]
    dropped: tuple[DroppedItem, ...]
    inputs: tuple[tuple[str, str], ...]

    @property
    def ranked(self) -> bool:
        """Return whether any section ranks its rows."""
        return any(section.ranked for section in self.sections)


def load_board(results: Path, published: Path | None = None) -> Board:
    """Compute the leaderboard of a results folder, and of a folder of published records.

    Raises:
        UsageError: There is no such folder.
        IntegrityError: A record or card is invalid; every problem is listed with file, line and pointer.
    """
    with paused_collector():
        suites, sections = read_sections(results, published)
        anchors = distinct(slug(f"{section.suite} {section.backbone}") for section in sections)
        shown = tuple(map(_section, sections, anchors))
    names = [suite_name(suite.card) for suite in suites]
    return Board(
        sections=shown,
        glossaries=tuple(
            Glossary(f"about--{slug(name)}", name, suite.fingerprint, suite.card)
            for name, suite in zip(names, suites, strict=True)
        ),
        dropped=dropped(suites, results, published),
        inputs=inputs(suites, published),
    )


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the garbage collector: records have no cycles, and searching for them takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def slug(text: str) -> str:
    """Turn a name into letters, digits, points and single hyphens; two hyphens join slugs."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-")


def distinct(anchors: Iterable[str]) -> list[str]:
    """Number duplicates, because different names can give the same anchor."""
    taken: dict[str, None] = {}
    for anchor in anchors:
        number, unique = 1, anchor
        while unique in taken:
            number += 1
            unique = f"{anchor}--{number}"
        taken[unique] = None
    return list(taken)


def _section(results: SectionResults, anchor: str) -> Section:
    card, scores = results.card, SectionScores(results)
    chance, rows = section_at_chance(scores), ranking(scores)
    ranked = bool(card["ranked"]) and not chance
    smallest = {} if chance else detectable(scores, rows)
    names = [(row.scores.row.name, row.scores.row.settings, row.scores.row.source) for row in rows]
    anchors = distinct(f"{anchor}--{slug(' '.join(filter(None, name)))}" for name in names)
    shown = tuple(_row(scores, row, row_anchor) for row, row_anchor in zip(rows, anchors, strict=True))
    return Section(
        anchor=anchor,
        suite=results.suite,
        backbone=results.backbone,
        title=card["title"],
        note=card["note"],
        ranked=ranked,
        chance=chance,
        rule=f"{chance} {_next_step(scores)}" if chance else _rule(card["minimum_seeds"], ranked=ranked),
        finding=_finding(scores, rows),
        detectable=tuple((name, decimal(100 * value, 1)) for name, value in smallest.items()),
        detectable_rule=_detectable_rule(scores, smallest),
        perspectives=tuple(_perspective_columns(results)),
        gains=tuple(map(_gain_column, scores.perspectives)),
        tasks=tuple(_task_column(results, entry) for entry in results.entries()),
        alternatives=tuple(_alternative_columns(results, shown)),
        rows=shown,
        sensitivity=Sensitivity() if chance else sensitivity(scores, rows),
        not_run=_not_run(card.get("not_run", {}).get(results.backbone, {}), {row.name for row in results.rows}),
    )


def _not_run(hours: Mapping[str, float | None], present: Collection[str]) -> str:
    """Name the methods without a row, with the estimated time of one; empty if there are none."""
    names = [
        name if time is None else f"{name} ({decimal(time, 1)})"
        for name, time in sorted(hours.items())
        if name not in present
    ]
    return f"{definitions.NOT_RUN} {', '.join(names)}." if names else ""


def _next_step(scores: SectionScores) -> str:
    """Say what to do where vanilla is at chance."""
    tuned = scores.vanilla is not None and scores.vanilla.tuned
    return definitions.LEARN_MORE_TUNED if tuned else definitions.LEARN_MORE


def _rule(seeds: int, *, ranked: bool) -> str:
    """Say how the rows are ordered, and that few seeds are few."""
    if not ranked:
        return definitions.ORDER
    few = f"This suite ranks rows with {seeds} seeds; with fewer than {ENOUGH_SEEDS}, only large differences show."
    return f"{definitions.RANKED} {few}" if seeds < ENOUGH_SEEDS else definitions.RANKED


def _finding(scores: SectionScores, rows: Sequence[RankedRow]) -> str:
    """Say which ranked rows differ significantly from vanilla, where and by how much; empty if none is compared."""
    compared = [row for row in rows if row.p is not None]
    if not compared:
        return ""
    parts, differing = [], 0
    for row in compared:
        differences = {name: row.scores.gains[name] for name in scores.perspectives if name in row.perspectives}
        if row.significant and row.scores.overall.value is not None:
            differences = {"Overall": row.scores.overall.value} | differences
        differing += bool(differences)
        for word in ("better", "worse"):
            shown = [
                f"{name if name == 'Overall' else definitions.PERSPECTIVES[name][0].lower()} "
                f"({decimal(100 * gain, 1, signed=True)})"
                for name, gain in differences.items()
                if (gain > 0) == (word == "better")
            ]
            parts += [f"{row.scores.row.full_name} is {word} in {', '.join(shown)}"] if shown else []
    same = len(compared) - differing
    if not parts:
        return f"No row differs significantly from vanilla ({counted(len(compared), 'row')} compared)."
    return (
        f"Significant differences from vanilla, in points: {listed(parts)}. "
        f"No significant difference: {same} of {len(compared)}."
    )


def _detectable_rule(scores: SectionScores, smallest: Mapping[str, float]) -> str:
    """State the smallest differences that the section detects; empty if they are unknown."""
    if not smallest or scores.vanilla is None:
        return ""
    shown = [
        f"{'Overall' if name == 'overall' else definitions.PERSPECTIVES[name][0].lower()} {decimal(100 * value, 1)}"
        for name, value in smallest.items()
    ]
    seeds = counted(len(scores.complete_seeds(scores.vanilla)), "seed")
    return f"Smallest difference from vanilla that {seeds} detect with 80 % power, in points: {', '.join(shown)}."


def _perspective_columns(results: SectionResults) -> Iterator[Column]:
    """Yield a column per perspective, with its question and the metrics that it averages."""
    for name, entries in results.perspectives().items():
        averaged: dict[str, list[str]] = {}
        for entry in entries:
            weight = f" (weight {entry['weight']:g})" if "weight" in entry else ""
            averaged.setdefault(results.metric(entry)["title"], []).append(f"{entry['title']}{weight}")
        measured = "; ".join(f"{metric} on {', '.join(titles)}" for metric, titles in averaged.items())
        title, question = definitions.PERSPECTIVES[name]
        metric = results.metric(entries[0])
        yield Column(
            key=name,
            title=title,
            cell=partial(_figure, name),
            unit=unit_label(metric["unit"]),
            better=metric["direction"],
            definition=f"{question} {'Mean of: ' if len(entries) > 1 else ''}{measured}.",
            kind="score",
            metric=" or ".join(averaged),
            perspective=title,
        )


def _gain_key(name: str) -> str:
    return f"gain/{name}"


def _gain_column(name: str) -> Column:
    """Describe the column of the gain over vanilla in one perspective."""
    title, key = definitions.PERSPECTIVES[name][0], _gain_key(name)
    return Column(
        key=key,
        title=f"{title} gain",
        cell=partial(_figure, key),
        unit="points",
        better="up",
        definition=definitions.GAIN,
        on_page=False,
        in_tables=False,
        metric="Gain over vanilla",
        perspective=title,
    )


def task_key(entry: Mapping[str, Any]) -> str:
    """Return the key of the column of a card's entry."""
    return "/".join((entry["perspective"], entry["id"], entry["headline"]))


def _task_column(results: SectionResults, entry: Mapping[str, Any]) -> Column:
    """Describe the column of one evaluation task's headline metric under one perspective."""
    metric, key = results.metric(entry), task_key(entry)
    size = f"{entry['n']} examples" if entry["n"] else "examples not available"
    definition = (f"{entry['title']}, {size}.", entry["description"], metric["description"])
    return Column(
        key=key,
        title=entry["title"],
        cell=partial(_figure, key),
        unit=unit_label(metric["unit"]),
        better=metric["direction"],
        definition=" ".join(filter(None, definition)),
        kind="score",
        metric=metric["title"],
        perspective=definitions.PERSPECTIVES[entry["perspective"]][0],
    )


def _alternatives(results: SectionResults) -> dict[str, tuple[str, tuple[Item, ...]]]:
    """Return the metric and the averaged items of each column of alternatives, by its key."""
    items = {}
    for name, entries in results.perspectives().items():
        known = definitions.ALTERNATIVES.get(name)
        for metric in known.metrics if known else ():
            if all(metric in entry["metrics"] for entry in entries):
                items[f"{name}/{metric}"] = (metric, tuple((entry["id"], name, metric) for entry in entries))
    return items


def _alternative_columns(results: SectionResults, rows: Sequence[Row]) -> Iterator[Column]:
    """Describe the columns of alternatives that have values, if a perspective has more than its headline metric."""
    metrics = {key: metric for key, (metric, _) in _alternatives(results).items()}
    valued = [key for key in metrics if any(row.figures[key].text for row in rows)]
    for name, known in definitions.ALTERNATIVES.items():
        keys = [key for key in valued if key.startswith(f"{name}/")]
        for key in keys if len(keys) > 1 else ():
            metric = results.card["metrics"][metrics[key]]
            yield Column(
                key=key,
                title=known.metrics[metrics[key]],
                cell=partial(_figure, key),
                unit=unit_label(metric["unit"]),
                better=metric["direction"],
                definition=metric["description"],
                kind="score",
                metric=metric["title"],
                perspective=definitions.PERSPECTIVES[name][0],
            )


def _figure(key: str, row: Row) -> Figure:
    """Return a row's figure in one of the section's own columns."""
    return row.figures[key]


def _row(scores: SectionScores, ranked: RankedRow, anchor: str) -> Row:
    section, compared, row = scores.section, ranked.scores, ranked.scores.row
    titles = {entry["id"]: entry["title"] for entry in section.card["tasks"]}
    level = row.verification if row.measured_seeds else ""
    tests = compared.tests if len(compared.shared) > 1 else {}
    test = tests.get("overall")
    return Row(
        anchor=anchor,
        group=ranked.group,
        rank="" if ranked.rank is None else str(ranked.rank),
        worst_rank="" if ranked.worst_rank is None else str(ranked.worst_rank),
        method=row.name,
        configuration=row.settings,
        overall=points_figure(compared.overall, star=ranked.significant),
        better=share_figure(test.wins if test else None),
        equivalent="" if test is None else "yes" if test.equivalent else "no",
        relative=points_figure(compared.relative),
        figures=dict(_figures(scores, ranked)),
        cost=cost_figure(compared.cost),
        retention=_retention(scores, row),
        seeds=tuple(str(seed) for seed in row.measured_seeds if seed >= 0),
        verification="published" if row.kind == PUBLISHED else level,
        notes=(*ranked.notes, *row.tuning.notes),
        facts=row.facts,
        measurements=tuple(_measurements(scores, ranked)),
        p="" if ranked.p is None else decimal(ranked.p, 4),
        robustness=points_figure(compared.robustness),
        tuning_gain=_tuning_gain(row.tuning.trials),
        tuning_steps=tuple(steps(row.tuning.trials)),
        checks=checks(scores, row),
        summary=row.summary,
        paper=row.paper,
        examples=tuple((titles[attack], texts) for attack, texts in row.examples.items()),
    )


def _figures(scores: SectionScores, ranked: RankedRow) -> Iterator[tuple[str, Figure]]:
    """Yield the key of each of the section's own columns, and the row's figure in it."""
    section, compared, row = scores.section, ranked.scores, ranked.scores.row
    for name, entries in section.perspectives().items():
        estimate, unit = scores.estimate(row, *map(headline, entries)), section.metric(entries[0])["unit"]
        significant = name in compared.tests and compared.tests[name].significant
        yield name, metric_figure(estimate, unit, compared.gains.get(name), significant=significant)
    for name in scores.perspectives:
        yield _gain_key(name), _gain(compared, name)
    for entry in section.entries():
        item = headline(entry)
        unit, gain = section.metric(entry)["unit"], compared.gains.get(item)
        yield task_key(entry), metric_figure(scores.estimate(row, item), unit, gain)
    for key, (metric, items) in _alternatives(section).items():
        unit, gain = section.card["metrics"][metric]["unit"], scores.gain(compared, metric, *items)
        yield key, metric_figure(scores.estimate(row, *items), unit, gain)


def _tuning_gain(trials: Sequence[Trial]) -> Figure:
    """Format what tuning gained on the validation part."""
    gain, reason = tuning_gain(trials)
    return Figure("" if gain is None else decimal(100 * gain, 1, signed=True), reason=reason)


def _retention(scores: SectionScores, row: RowResults) -> Figure:
    """Format what a row's probes gained or lost, as the mean over the retention tasks."""
    items = tuple(map(headline, scores.section.retention()))
    return points_figure(scores.estimate(row, *items)) if items else Figure("")


def _gain(compared: RowScores, name: str) -> Figure:
    """Format the gain in one perspective, with its interval if there is one."""
    if (test := compared.tests.get(name)) is not None:
        return points_figure(test.estimate, significant=test.significant)
    gain = compared.gains.get(name, 0.0 if compared.distribution is not None else None)
    return points_figure(Estimate(gain, reason=compared.overall.reason))


def _measurements(scores: SectionScores, ranked: RankedRow) -> Iterator[Measurement]:
    """Yield every metric the card lists; a published row has only the printed ones."""
    section, row = scores.section, ranked.scores.row
    for entry in (*section.entries(), *section.checks(), *section.retention()):
        for name in entry["metrics"]:
            item = (entry["id"], entry["perspective"], name)
            if row.kind == PUBLISHED and not scores.points(row, item):
                continue
            metric = section.card["metrics"][name]
            figure = metric_figure(scores.estimate(row, item), metric["unit"])
            perspective = definitions.PERSPECTIVES[entry["perspective"]][0]
            yield Measurement(entry["title"], perspective, metric["title"], unit_label(metric["unit"]), figure)
