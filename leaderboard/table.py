"""The board in memory: texts only. Every file is written from this one table, so the numbers are equal everywhere."""

from dataclasses import dataclass
from typing import Any

from benchmark.schema import Dropped
from leaderboard.examples import Example
from leaderboard.figures import Figure
from leaderboard.masking import Check


@dataclass(frozen=True, slots=True)
class Column:
    """A column of scores: a perspective, or one probe's headline under a perspective.

    Attributes:
        key: name in CSV and JSON: ``shift`` or ``shift/tweets/accuracy``.
        title: name as shown.
        metric: title of the metric.
        unit: label of the unit, such as ``%``.
        better: "up" or "down".
        definition: one or two sentences.
    """

    key: str
    title: str
    metric: str
    unit: str
    better: str
    perspective: str
    definition: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one probe, with a value for each seed."""

    probe: str
    perspective: str
    metric: str
    unit: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One method and configuration.

    Attributes:
        anchor: id of the row's details on the page.
        group: "ranked", "ordered", "apart" or "published".
        rank: best place, which is the rank; empty when not ranked. `worst` is the other end of the rank interval.
        perspectives: in the order of the section's perspective columns.
        probes: in the order of the section's probe columns.
        p: corrected p-value of the difference from vanilla; empty where there is none.
        star: "★" where `p` is below `significance.LEVEL`.
        robustness: Overall without the in-distribution perspective.
        verification: the weakest level among its records; empty where nothing was measured.
        checks: the masking checks that could be made.
        summary: what the method is; empty where the results do not say. `paper` is where it is from.
        examples: attacked texts, by the attack's title.
        facts: (name, text) pairs: version, source, revision, hyper-parameters, files.
    """

    anchor: str
    group: str
    rank: str
    worst: str
    method: str
    configuration: str
    overall: Figure
    perspectives: tuple[Figure, ...]
    probes: tuple[Figure, ...]
    cost: Figure
    seeds: tuple[str, ...]
    verification: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    measurements: tuple[Measurement, ...]
    p: str
    star: str
    robustness: Figure
    checks: tuple[Check, ...]
    summary: str
    paper: str
    examples: tuple[tuple[str, tuple[Example, ...]], ...]

    @property
    def flagged(self) -> int:
        """How many masking checks are flagged."""
        return sum(check.outcome == "flagged" for check in self.checks)

    @property
    def decided(self) -> int:
        """How many masking checks passed or are flagged; the rest could not have been flagged."""
        return sum(check.outcome != "open" for check in self.checks)


@dataclass(frozen=True, slots=True)
class Section:
    """One suite version on one backbone; an empty backbone when the suite has no records yet.

    `chance` says in a sentence that vanilla is at chance, so that no row is ranked; empty otherwise. `rule` is that
    sentence, or says how the rows are ordered; `finding` says which of them differ from vanilla.
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
    perspectives: tuple[Column, ...]
    probes: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Glossary:
    """What a suite's card says about its training task, probes, metrics and overlaps."""

    anchor: str
    suite: str
    fingerprint: str
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that is shown. `inputs` are the files read and their hashes."""

    sections: tuple[Section, ...]
    glossaries: tuple[Glossary, ...]
    dropped: tuple[Dropped, ...]
    inputs: tuple[tuple[str, str], ...]

    @property
    def ranked(self) -> bool:
        """Whether any section ranks its rows."""
        return any(section.ranked for section in self.sections)
