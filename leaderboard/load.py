"""From a results folder to contests: who competes in which suite on which backbone, with every record at hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.schema import (
    MASKING,
    PERSPECTIVES,
    VERIFICATIONS,
    Card,
    Dropped,
    Located,
    Record,
    SuiteFolder,
    file_fingerprint,
    published_files,
    read_published,
    read_results,
    suite_of,
)
from leaderboard.beside import Item, examples_of, unused_companions

__all__ = ["Contest", "Entrant", "Item", "dropped", "headline", "load"]

# What has to be one and the same for seeds to be averaged.
_IDENTITY = (
    ("method", "version", "method versions"),
    ("method", "source", "method sources"),
    ("method", "hyperparameters", "hyper-parameters"),
    ("backbone", "revision", "backbone revisions"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """A board row before any arithmetic: a method and configuration on one backbone in one suite.

    Attributes:
        kind: "measured" or "published".
        paper: where a published row comes from; empty for a measured one.
        seeds: in ascending order; -1 alone for a published row.
        records: the record of each item and seed.
        files: the record files, relative to the results folder.
        protocol: the protocol options under which it was measured, in alphabetical order.
        about: ``summary`` and ``paper`` of the method, where the results say them.
        examples: attacked texts by attack, where the results hold any.
    """

    name: str
    configuration: str
    kind: str
    paper: str
    seeds: tuple[int, ...]
    records: Mapping[Item, Mapping[int, Record]]
    files: tuple[str, ...]
    protocol: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def settings(self) -> str:
        """Configuration and protocol options on one line."""
        options = f"protocol {', '.join(self.protocol)}" if self.protocol else ""
        return "; ".join(filter(None, (self.configuration, options)))

    @property
    def full_name(self) -> str:
        """Name and settings on one line."""
        return f"{self.name} ({self.settings})" if self.settings else self.name

    def all_records(self) -> list[Record]:
        """Every record, by item and seed."""
        return [by_seed[seed] for _, by_seed in sorted(self.records.items()) for seed in sorted(by_seed)]

    def measured_seeds(self) -> tuple[int, ...]:
        """List the seeds that have a value: a row whose run never came about has none."""
        valued = {s for found in self.records.values() for s, record in found.items() if record["value"] is not None}
        return tuple(seed for seed in self.seeds if seed in valued)

    def verification(self) -> str:
        """The weakest verification among the records."""
        found = {record["verification"] for record in self.all_records()}
        return next(level for level in VERIFICATIONS if level in found)

    def differing(self) -> tuple[str, ...]:
        """What differs between seeds although it must not; empty when the seeds belong together."""
        found, records = [], self.all_records()
        for part, name, words in _IDENTITY:
            values = [record[part][name] for record in records if record[part][name] is not None]
            if any(value != values[0] for value in values):
                found.append(words)
        return tuple(found)

    def cost(self, seed: int) -> Mapping[str, int] | None:
        """Training passes of one seed, counted in examples; None when no record of it states them."""
        costs = (by_seed[seed]["cost"] for by_seed in self.records.values() if seed in by_seed)
        return next((cost for cost in costs if cost is not None), None)

    def revision(self) -> str | None:
        """The backbone revision that the records state, if any does."""
        stated = (record["backbone"]["revision"] for record in self.all_records())
        return next((revision for revision in stated if revision is not None), None)


@dataclass(frozen=True, slots=True)
class Contest:
    """All entrants of one suite version on one backbone: the rows that may be compared with each other."""

    card: Card
    fingerprint: str
    backbone: str
    entrants: tuple[Entrant, ...]

    def vanilla(self) -> Entrant | None:
        """The row that all others are compared with: plain fine-tuning in its default configuration."""
        plain = (e for e in self.entrants if e.kind == "measured" and e.name == "vanilla" and not e.settings)
        return next(plain, None)

    def entries(self) -> list[dict[str, Any]]:
        """The card's probe entries that score, by perspective as `PERSPECTIVES` lists them, then as the card does."""
        scoring = [entry for entry in self.card["probes"] if entry["perspective"] != MASKING]
        return sorted(scoring, key=lambda entry: PERSPECTIVES.index(entry["perspective"]))

    def checks(self) -> list[dict[str, Any]]:
        """The card's probe entries that check for masking; they enter no score."""
        return [entry for entry in self.card["probes"] if entry["perspective"] == MASKING]


def headline(entry: Mapping[str, Any]) -> Item:
    """Name the item of a card's probe entry that enters the perspective's score."""
    return entry["id"], entry["perspective"], entry["headline"]


def load(results: Path, published: Path | None = None) -> tuple[tuple[SuiteFolder, ...], tuple[Contest, ...]]:
    """Read a results folder and group its records.

    Returns:
        The suites, ranked ones first, then by name, the newest version first; and their contests, by suite and
        backbone. A suite without a record has one contest without entrants, so that its card is shown.

    Raises:
        UsageError: there is no such folder.
        IntegrityError: a file is refused; every problem is listed.
    """
    suites = tuple(sorted(read_results(results, published), key=lambda suite: not suite.card["ranked"]))
    return suites, tuple(contest for suite in suites for contest in _contests(suite))


def dropped(suites: Iterable[SuiteFolder], results: Path, published: Path | None = None) -> tuple[Dropped, ...]:
    """Everything in the folders that no row uses, with the reason."""
    found = [drop for suite in suites for drop in (*suite.dropped, *unused_companions(suite))]
    found += [Dropped(path.name, "not in a suite's folder") for path in _visible(results) if path.is_file()]
    known = {f"{suite.card['name']}@{suite.card['version']}" for suite in suites}
    beside = [] if published is None or not published.is_dir() else _visible(published)
    strays = [path.name for path in beside if path not in published_files(published)]
    found += [Dropped(f"published/{name}", "not a file of published numbers") for name in strays]
    for located in read_published(published):
        if (name := suite_of(located.record)) not in known:
            found.append(Dropped(str(located), f"a published number of {name}, which the results do not hold"))
    return tuple(sorted(found, key=lambda drop: drop.where))


def inputs(suites: Iterable[SuiteFolder], published: Path | None = None) -> tuple[tuple[str, str], ...]:
    """Name and hash of every file that was read, by name; those of published numbers below ``published/``."""
    printed = [(f"published/{path.name}", file_fingerprint(path)) for path in published_files(published)]
    return tuple(sorted([*printed, *(file for suite in suites for file in suite.files)]))


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _contests(suite: SuiteFolder) -> list[Contest]:
    by_backbone: dict[str, dict[tuple[str, ...], list[Located]]] = {}
    for located in suite.records:
        record = located.record
        method, source = record["method"], record["source"]
        options, paper = ",".join(record.get("protocol", ())), source["paper"] if source else ""
        key = (record["kind"], method["name"], method["configuration"], options, paper)
        by_backbone.setdefault(record["backbone"]["name"], {}).setdefault(key, []).append(located)
    if not by_backbone:
        return [Contest(suite.card, suite.fingerprint, "", ())]
    return [
        Contest(suite.card, suite.fingerprint, backbone, tuple(_entrant(key, rows[key], suite) for key in sorted(rows)))
        for backbone, rows in sorted(by_backbone.items())
    ]


def _entrant(key: tuple[str, ...], rows: list[Located], suite: SuiteFolder) -> Entrant:
    records: dict[Item, dict[int, Record]] = {}
    seeds: set[int] = set()
    for located in rows:
        record = located.record
        seed = -1 if record["seed"] is None else record["seed"]
        item = (record["probe"]["id"], record["probe"]["perspective"], record["metric"]["id"])
        records.setdefault(item, {})[seed] = record
        seeds.add(seed)
    kind, name, configuration, options, paper = key
    files = tuple(sorted({located.file for located in rows}))
    protocol = tuple(filter(None, options.split(",")))
    if kind == "published":
        return Entrant(name, configuration, kind, paper, tuple(sorted(seeds)), records, files, protocol)
    _, folder, backbone, _ = files[0].split("/")
    return Entrant(
        name, configuration, kind, paper, tuple(sorted(seeds)), records, files, protocol,
        suite.companions.methods.get(folder, {}), examples_of(suite, f"{folder}/{backbone}", records),
    )  # fmt: skip
