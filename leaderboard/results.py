"""Read a results folder into one table of values, and group it by suite version and backbone."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from benchmark.schema import (
    MASKING,
    PERSPECTIVES,
    RETENTION,
    SANITY_CHECKS,
    UNSCORED,
    VERIFICATIONS,
    Card,
    DroppedItem,
    LocatedRecord,
    SuiteFolder,
    file_fingerprint,
    published_files,
    read_published,
    read_results,
    suite_name,
)
from leaderboard.trial_notes import Tuning, row_tuning

Item: TypeAlias = tuple[str, str, str]
"""Item of a suite card: (task, perspective, metric)."""

MEASURED, PUBLISHED = "measured", "published"


class ResultRecord(NamedTuple):
    """One record of a results folder, as a line of the table that `load_results` returns."""

    suite: str
    version: int
    backbone: str
    kind: str
    method: str
    configuration: str
    protocol: str
    paper: str
    seed: int
    task: str
    perspective: str
    metric: str
    direction: str
    value: float
    status: str
    reason: str | None
    examples: int | None
    data: str | None
    replicates: list[float] | None
    verification: str
    method_version: str | None
    method_source: str | None
    hyperparameters: dict[str, Any]
    backbone_source: str | None
    backbone_revision: str | None
    cost: dict[str, int] | None
    environment: dict[str, str]
    source: dict[str, str] | None
    table: str | None
    file: str
    line: int
    tuned: bool


def load_results(path: str | Path, published: str | Path | None = None) -> pd.DataFrame:
    """Read a results folder as one table with a line per record, such as ``leaderboard/results``.

    Args:
        path: The results folder, which holds ``<suite>@<version>/<method>/<backbone>/seed-<n>.jsonl``.
        published: A folder of numbers printed in papers, such as ``leaderboard/published``.

    Returns:
        A data frame with these columns, without the records of tuned rows whose trials changed after they were run and
        those that the suite card does not list:

        - ``suite``, ``version``, ``backbone``: the section that the record belongs to
        - ``method``, ``configuration``, ``protocol``: the row; the last two are empty for the defaults
        - ``seed``: -1 for a published number
        - ``task``, ``perspective``, ``metric``, ``direction``: what was measured, and whether "up" or "down" is better
        - ``value``: in the metric's own unit, a fraction from 0 to 1; NaN where ``status`` is not "ok", see ``reason``
        - ``examples``, ``data``, ``replicates``: number and hash of the examples, and the metric on their resamples
        - ``kind``, ``paper``, ``source``: "measured" or "published", and where a published number is printed
        - ``verification``, ``table``: how far the value was checked, and the hash of the table it was scored from
        - ``method_version``, ``method_source``, ``hyperparameters``, ``backbone_source``, ``backbone_revision``,
          ``cost``, ``environment``: details of the run
        - ``file``, ``line``: the record's place below the results folder
        - ``tuned``: whether tuning selected the settings

    Raises:
        UsageError: A folder does not exist.
        IntegrityError: A record or card is invalid. The message lists every problem with file, line and pointer.
    """
    suites = read_results(Path(path), None if published is None else Path(published))
    return _frame([_result(located) for suite in suites for located in suite.records])


def _frame(results: list[ResultRecord]) -> pd.DataFrame:
    # Use the object type, so that null in a record stays None.
    frame = pd.DataFrame(results, columns=list(ResultRecord._fields), dtype=object)
    return frame.astype({"version": int, "seed": int, "value": float, "line": int})


def _result(located: LocatedRecord) -> ResultRecord:
    record = located.record
    suite, method, backbone, source = record["suite"], record["method"], record["backbone"], record["source"]
    task, metric, value = record["task"], record["metric"], record["value"]
    return ResultRecord(
        suite=suite["name"],
        version=suite["version"],
        backbone=backbone["name"],
        kind=record["kind"],
        method=method["name"],
        configuration=method["configuration"],
        protocol=",".join(record.get("protocol", ())),
        paper=source["paper"] if source else "",
        seed=-1 if record["seed"] is None else record["seed"],
        task=task["id"],
        perspective=task["perspective"],
        metric=metric["id"],
        direction=metric["direction"],
        value=math.nan if value is None else float(value),
        status=record["status"],
        reason=record["reason"],
        examples=task["n"],
        data=task["data"],
        replicates=record["replicates"],
        verification=record["verification"],
        method_version=method["version"],
        method_source=method["source"],
        hyperparameters=method["hyperparameters"],
        backbone_source=backbone["source"],
        backbone_revision=backbone["revision"],
        cost=record["cost"],
        environment=record["environment"],
        source=source,
        table=record["table"],
        file=located.file,
        line=located.line,
        tuned="tuning" in record,
    )


@dataclass(frozen=True, slots=True, eq=False)
class RowResults:
    """A row without scores: a method and configuration on one backbone in one suite, and its sources.

    Attributes:
        number: Position in the section's rows, and the value of the column ``row`` in its table.
        kind: `MEASURED` or `PUBLISHED`.
        protocol: The protocol options under which it was measured, in alphabetical order.
        source: The paper that a published row comes from; empty for a measured one.
        seeds: In ascending order; -1 alone for a published row.
        measured_seeds: The seeds that have a value; a row that was not run has none.
        files: The record files, relative to the results folder.
        verification: The lowest level among the records.
        mixed: Invalid differences between seeds; empty if the seeds belong together.
        costs: Training passes by seed, counted in examples.
        revision: The backbone revision, if a record has one.
        facts: (name, text) pairs on the sources of the row.
        tuned: Whether tuning selected its settings.
        summary: Description of the method, if the results have one.
        paper: Citation of the method, if the results have one.
        examples: Attacked texts by attack, if the results have any.
    """

    number: int
    kind: str
    name: str
    configuration: str
    protocol: tuple[str, ...]
    source: str
    seeds: tuple[int, ...]
    measured_seeds: tuple[int, ...]
    files: tuple[str, ...]
    verification: str
    mixed: tuple[str, ...]
    costs: Mapping[int, Mapping[str, int]]
    revision: str | None
    facts: tuple[tuple[str, str], ...]
    tuning: Tuning
    tuned: bool = False
    summary: str = ""
    paper: str = ""
    examples: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def settings(self) -> str:
        """Join configuration and protocol options on one line."""
        options = f"protocol {', '.join(self.protocol)}" if self.protocol else ""
        return "; ".join(filter(None, (self.configuration, options)))

    @property
    def full_name(self) -> str:
        """Join name and settings on one line."""
        return f"{self.name} ({self.settings})" if self.settings else self.name


@dataclass(frozen=True, slots=True, eq=False)
class SectionResults:
    """All rows of one suite version on one backbone, which are the rows that may be compared with each other.

    Attributes:
        frame: The records as `load_results` gives them, and ``row``, the number of each record's row.
    """

    card: Card
    fingerprint: str
    backbone: str
    rows: tuple[RowResults, ...]
    frame: pd.DataFrame

    @property
    def suite(self) -> str:
        """Return name and version of the suite."""
        return suite_name(self.card)

    def vanilla(self) -> RowResults | None:
        """Return the reference row: vanilla fine-tuning in its default configuration."""
        plain = (row for row in self.rows if row.kind == MEASURED and row.name == "vanilla" and not row.settings)
        return next(plain, None)

    def entries(self) -> list[dict[str, Any]]:
        """List the card's entries that score, by perspective as `PERSPECTIVES` lists them, then as the card does."""
        scoring = [entry for entry in self.card["tasks"] if entry["perspective"] not in UNSCORED]
        return sorted(scoring, key=lambda entry: PERSPECTIVES.index(entry["perspective"]))

    def checks(self) -> list[dict[str, Any]]:
        """List the card's entries that check for gradient masking; they enter no score."""
        return [entry for entry in self.card["tasks"] if entry["perspective"] == MASKING]

    def retention(self) -> list[dict[str, Any]]:
        """List the card's entries that show what fine-tuning forgot; they enter no score."""
        return [entry for entry in self.card["tasks"] if entry["perspective"] == RETENTION]

    def perspectives(self) -> dict[str, list[dict[str, Any]]]:
        """Group the card's entries that score by perspective, in the order of the leaderboard's columns."""
        return {name: list(entries) for name, entries in groupby(self.entries(), key=lambda e: str(e["perspective"]))}

    def metric(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Look up the headline metric of an entry."""
        metric: dict[str, Any] = self.card["metrics"][entry["headline"]]
        return metric


def headline(entry: Mapping[str, Any]) -> Item:
    """Name the item of a card's entry that enters the perspective's score."""
    return entry["id"], entry["perspective"], entry["headline"]


def read_sections(
    results: Path, published: Path | None = None
) -> tuple[tuple[SuiteFolder, ...], tuple[SectionResults, ...]]:
    """Read a results folder and group its records into sections.

    Returns:
        The suites, ranked ones first, then by name, the newest version first; and their sections, by suite and
        backbone. A suite without a record has one section without rows, so that its card is shown.

    Raises:
        UsageError: There is no such folder.
        IntegrityError: A file is invalid; every problem is listed.
    """
    suites = tuple(sorted(read_results(results, published), key=lambda suite: not suite.card["ranked"]))
    return suites, tuple(section for suite in suites for section in _sections(suite))


def _sections(suite: SuiteFolder) -> Iterator[SectionResults]:
    records = [_result(located) for located in suite.records]
    stale = {file.split("/")[2] for file in suite.stale}
    with_tuned = {
        record.backbone
        for located, record in zip(suite.records, records, strict=True)
        if record.tuned or not stale.isdisjoint(located.file.split("/")[2:3])
    }
    tables: dict[tuple[str, bool], dict[tuple[str, ...], list[ResultRecord]]] = {}
    for record in records:
        # Where there are tuned rows, the others have a table of their own. What is never tuned, published numbers and
        # sanity checks, stays with the ranking.
        tunable = record.kind == MEASURED and record.method not in SANITY_CHECKS
        apart = record.backbone in with_tuned and not record.tuned and tunable
        key = (record.kind, record.method, record.configuration, record.protocol, record.paper)
        tables.setdefault((record.backbone, apart), {}).setdefault(key, []).append(record)
    if not tables:
        yield SectionResults(suite.card, suite.fingerprint, "", (), _frame([]).assign(row=0))
    for (backbone, apart), by_key in sorted(tables.items()):
        groups = [by_key[key] for key in sorted(by_key)]
        rows = tuple(_row(number, records, suite) for number, records in enumerate(groups))
        frame = _frame([record for records in groups for record in records])
        numbers = [number for number, records in enumerate(groups) for _ in records]
        card = _table_card(suite.card, tuned=not apart) if backbone in with_tuned else suite.card
        yield SectionResults(card, suite.fingerprint, backbone, rows, frame.assign(row=numbers))


def _table_card(card: Card, *, tuned: bool) -> Card:
    """Return a card with the title of one of two tables. The defaults are not ranked where there are tuned rows."""
    if tuned:
        return {**card, "title": f"{card['title']}: tuned settings"}
    return {**card, "title": f"{card['title']}: default settings", "ranked": False, "not_run": {}}


def _row(number: int, records: list[ResultRecord], suite: SuiteFolder) -> RowResults:
    """Build a row from its records."""
    records = sorted(records, key=attrgetter("seed"))
    first = records[0]
    files = tuple(sorted({record.file for record in records}))
    # Read one record per seed: a file holds one run, so method and backbone are the same in all of them.
    runs = list({record.seed: record for record in reversed(records)}.values())[::-1]
    costs = {record.seed: record.cost for record in reversed(records) if record.cost is not None}
    measured = {record.seed for record in records if not math.isnan(record.value)}
    levels = {record.verification for record in records}
    attachments: dict[str, Any] = {}
    tuning = Tuning()
    if first.kind == MEASURED:
        _, folder, backbone, _ = files[0].split("/")
        about = suite.attachments.methods.get(folder, {})
        attachments = {"summary": about.get("summary", ""), "paper": about.get("paper", "")}
        attachments["examples"] = _attacked_texts(suite, f"{folder}/{backbone}", records)
        if first.tuned:
            trials = suite.attachments.trials.get(f"{folder}/{backbone}", [])
            tuning = row_tuning(first.method, trials, suite.card.get("tuning", {}).get("trials", len(trials)))
    return RowResults(
        number=number,
        kind=first.kind,
        name=first.method,
        configuration=first.configuration,
        protocol=tuple(filter(None, first.protocol.split(","))),
        source=first.paper,
        seeds=tuple(run.seed for run in runs),
        measured_seeds=tuple(run.seed for run in runs if run.seed in measured),
        files=files,
        verification=next(level for level in VERIFICATIONS if level in levels),
        mixed=tuple(_mixed(records)),
        costs=costs,
        revision=next((r.backbone_revision for r in records if r.backbone_revision is not None), None),
        facts=(*_facts(records, runs, costs, files), *tuning.facts),
        tuned=first.tuned,
        tuning=tuning,
        **attachments,
    )


def _mixed(records: list[ResultRecord]) -> Iterator[str]:
    """Yield the properties that differ between seeds but must be equal in an average."""
    for name in ("method_version", "method_source", "hyperparameters", "backbone_revision"):
        values = [value for record in records if (value := getattr(record, name)) is not None]
        if any(value != values[0] for value in values):
            yield {"hyperparameters": "hyper-parameters"}.get(name, f"{name.replace('_', ' ')}s")


def _facts(
    records: list[ResultRecord],
    runs: list[ResultRecord],
    costs: Mapping[int, Mapping[str, int]],
    files: tuple[str, ...],
) -> tuple[tuple[str, str], ...]:
    """Describe the sources of a row; a property that differs between seeds is listed with all values."""
    environments = {tuple(record.environment.items()): record.environment for record in records}
    facts: list[tuple[str, list[Any]]] = [
        ("Method version", [run.method_version for run in runs]),
        ("Method source", [run.method_source for run in runs]),
        ("Backbone", [run.backbone_source for run in runs]),
        ("Backbone revision", [run.backbone_revision for run in runs]),
        ("Hyper-parameters", [_settings(run.hyperparameters) for run in runs]),
        ("Training passes", [_passes(costs[run.seed]) for run in runs if run.seed in costs]),
        ("Environment", [_pairs(environment) for environment in environments.values()]),
        ("Published in", [_printed(record.source) for record in records if record.source]),
        ("Records", list(files)),
    ]
    return tuple((name, "; ".join(texts)) for name, values in facts if (texts := _distinct(values)))


def _distinct(values: list[Any]) -> list[str]:
    """Write values as text, each once, in order of appearance; null and empty texts are left out."""
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values if value not in (None, ""))
    return list(dict.fromkeys(texts))


def _settings(hyperparameters: Mapping[str, Any]) -> str:
    known = {name: value for name, value in hyperparameters.items() if value is not None}
    return _pairs({name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items()})


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in sorted(values.items()))


def _passes(cost: Mapping[str, int]) -> str:
    return f"{cost['forward']} forward, {cost['backward']} backward, {cost['input_backward']} backward to inputs only"


def _printed(source: Mapping[str, str]) -> str:
    return f"{source['paper']}, {source['table']}, row {source['row']}, column {source['column']}"


def _attacked_texts(suite: SuiteFolder, folder: str, records: list[ResultRecord]) -> dict[str, list[dict[str, Any]]]:
    """Return the attacked texts of a row that come from the tables named in its records."""
    tables = {(record.task, record.seed, record.table) for record in records}
    texts = {}
    for attack in sorted({record.task for record in records}):
        examples = suite.attachments.examples.get((folder, attack), [])
        if known := [one for one in examples if (attack, one["seed"], one["table"]) in tables]:
            texts[attack] = known
    return texts


def dropped(suites: Iterable[SuiteFolder], results: Path, published: Path | None = None) -> tuple[DroppedItem, ...]:
    """List all unused content of the folders, with the reasons."""
    drops = [drop for suite in suites for drop in (*suite.dropped, *_unused_attachments(suite))]
    drops += [DroppedItem(path.name, "not in a suite's folder") for path in _visible(results) if path.is_file()]
    known = {suite_name(suite.card) for suite in suites}
    if published is not None:
        strays = [path.name for path in _visible(published) if path not in published_files(published)]
        drops += [DroppedItem(f"published/{name}", "not a file of published numbers") for name in strays]
    for located in read_published(published):
        if (name := suite_name(located.record["suite"])) not in known:
            drops.append(DroppedItem(str(located), f"a published number of {name}, which the results do not hold"))
    return tuple(sorted(drops, key=lambda drop: drop.where))


def _unused_attachments(suite: SuiteFolder) -> Iterator[DroppedItem]:
    """Yield descriptions of rows that do not exist, and attacked texts that are in no record's table."""
    name = suite_name(suite.card)
    stale = set(suite.stale)
    folders = {file.split("/")[1] for file in (*stale, *(located.file for located in suite.records))}
    tables: set[tuple[str, str, int, str]] = set()
    if suite.attachments.examples:
        for located in suite.records:
            record = located.record
            folder = "/".join(located.file.split("/")[1:3])
            tables.add((folder, record["task"]["id"], record["seed"], record["table"]))
    for method in suite.attachments.methods:
        if method not in folders:
            yield DroppedItem(f"{name}/{method}/method.json", "describes a method without records")
    for (folder, attack), examples in suite.attachments.examples.items():
        used = (one for one in examples if f"{name}/{folder}/seed-{one['seed']}.jsonl" not in stale)
        if any((folder, attack, one["seed"], one["table"]) not in tables for one in used):
            where = f"{name}/{folder}/attacks/{attack}.jsonl"
            yield DroppedItem(where, "its examples are not of the table that the row's records were scored from")


def inputs(suites: Iterable[SuiteFolder], published: Path | None = None) -> tuple[tuple[str, str], ...]:
    """List name and hash of every file that was read, by name; those of published numbers below ``published/``."""
    printed = [(f"published/{path.name}", file_fingerprint(path)) for path in published_files(published)]
    return tuple(sorted([*printed, *(file for suite in suites for file in suite.files)]))


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
