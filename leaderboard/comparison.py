"""Compare two rows: the better one, the size of the difference and its significance."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from benchmark.schema import IntegrityError, SuiteFolder, UsageError, method_slug, nearest
from benchmark.schema.record import TUNED
from benchmark.schema.results_folder import RECORD_FILE, STALE
from leaderboard.figures import unit_label
from leaderboard.ranking import at_chance, ranking
from leaderboard.results import MEASURED, RowResults, SectionResults, read_sections
from leaderboard.scores import Gain, SectionScores, revisions_differ

_ONE_SEED = "one shared seed, so the interval covers examples only; run more seeds for a verdict"


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """Comparison of one score of two rows.

    Attributes:
        key: "overall", or a perspective.
        unit: Label of the unit of the two scores; empty for Overall, which has none of its own.
        better: "up" or "down".
        first: The first row's score in its own unit; None for Overall. `second` is the other's.
        change: Gain of the first over the second, signed so that up is better; for Overall the mean of the
            perspectives' gains. 0.05 is 5 points better.
        low: Lower end of the 95 % paired bootstrap interval of `change`; `high` is the upper end.
        wins: Share of the draws in which the first is better.
        p: Two-sided bootstrap p-value; of Overall against vanilla, Holm-corrected as on the leaderboard where the row
            is ranked there over the same seeds.
        reason: Why the interval or the verdict is missing.
        differs: Whether the difference is significant at the 5 % level, whatever the random numbers of the draws.
    """

    key: str
    unit: str
    better: str
    first: float | None
    second: float | None
    change: float
    low: float | None = None
    high: float | None = None
    wins: float | None = None
    p: float | None = None
    reason: str = ""
    differs: bool = False

    @property
    def verdict(self) -> str:
        """Return "better" or "worse" if the difference is significant, else "tied"; "unknown" if it cannot be."""
        if self.low is None or self.high is None or self.reason:
            return "unknown"
        if not self.differs:
            return "tied"
        return "better" if self.change > 0 else "worse"


@dataclass(frozen=True, slots=True)
class RowComparison:
    """Comparison of two rows of one suite and backbone over their common seeds; Overall comes first.

    `folders` are the results folders of the two rows.
    """

    suite: str
    backbone: str
    first: str
    second: str
    seeds: tuple[int, ...]
    folders: tuple[str, str]
    differences: tuple[ScoreComparison, ...]


def compare(
    first: str, second: str, *results: Path, suite: str | None = None, backbone: str | None = None
) -> RowComparison:
    """Compare two rows.

    Args:
        first: ``method``, ``method:key=value``, ``method~configuration``, or a record file or a row's folder in any
            results folder.
        second: Likewise.
        results: Where rows given by name are looked up: both in the first folder that has both, else each in the
            first that has it.
        suite: ``name`` or ``name@version``, where the rows are in several suites.
        backbone: Likewise.

    Raises:
        UsageError: There is no such row, or several; or the rows are of different suites or backbones.
        IntegrityError: A record is invalid, or the rows were measured on different data.
    """
    mine, theirs = _pair(first, second, results, suite, backbone)
    section = mine.section
    if section.fingerprint != theirs.section.fingerprint:
        raise IntegrityError(
            f"The two rows come from different states of {section.suite}; run them again with one of them."
        )
    names = (_shown(mine.row), _shown(theirs.row))
    if revisions_differ(mine.row, theirs.row):
        raise UsageError(f"{names[0]} and {names[1]} started from different revisions of {section.backbone}.")
    both = _section_of_two(mine, theirs)
    # The fingerprints do not cover the data of a task whose hash the card does not declare.
    hashes = both.frame.groupby("task")["data"].nunique()
    if tasks := ", ".join(hashes.index[hashes > 1]):
        raise IntegrityError(f"{names[0]} and {names[1]} have different data of {tasks}; measure both on one data set.")
    scores = SectionScores(both)
    one, other = scores.section.rows
    complete = [
        set(scores.complete_seeds(row)) & set(place.seeds or row.seeds)
        for row, place in zip((one, other), (mine, theirs), strict=True)
    ]
    seeds = tuple(sorted(set.intersection(*complete)))
    if not seeds:
        raise UsageError(
            f"{names[0]} and {names[1]} share no complete seed of {section.suite}; run them with the same."
        )
    overall, *single = _differences(scores, one, other, seeds)
    differences = (_as_on_the_leaderboard(mine, theirs, seeds, overall), *single)
    if no_verdict := _no_verdict(scores, seeds):
        differences = tuple(replace(one, reason=one.reason or no_verdict) for one in differences)
    folders = (str(mine.folder), str(theirs.folder))
    return RowComparison(section.suite, section.backbone, *names, seeds, folders, differences)


@dataclass(frozen=True, slots=True)
class _Place:
    """A row, its results folder, and the requested seeds; None for all."""

    section: SectionResults
    row: RowResults
    folder: Path
    seeds: tuple[int, ...] | None

    @property
    def address(self) -> tuple[str, int, str]:
        """Return suite, version and backbone."""
        return self.section.card["name"], self.section.card["version"], self.section.backbone


def _section_of_two(mine: _Place, theirs: _Place) -> SectionResults:
    """Put two rows, possibly of two results folders, into a separate section."""
    records = [
        place.section.frame[place.section.frame["row"] == place.row.number].assign(row=number)
        for number, place in enumerate((mine, theirs))
    ]
    rows = (replace(mine.row, number=0), replace(theirs.row, number=1))
    return replace(mine.section, rows=rows, frame=pd.concat(records))


def _differences(
    scores: SectionScores, one: RowResults, other: RowResults, seeds: tuple[int, ...]
) -> list[ScoreComparison]:
    comparison = scores.compare(one, other, seeds)
    overall = ScoreComparison("overall", "", "up", None, None, comparison.overall)
    differences = [_tested(overall, comparison.tests.get("overall"), comparison.reason)]
    for name, entries in scores.section.perspectives().items():
        metric = scores.section.metric(entries[0])
        label = (name, unit_label(metric["unit"]), metric["direction"])
        plain = ScoreComparison(*label, *comparison.scores[name], comparison.gains[name])
        differences.append(_tested(plain, comparison.tests.get(name), comparison.reason))
    return differences


def _tested(plain: ScoreComparison, test: Gain | None, reason: str) -> ScoreComparison:
    if test is None:
        return replace(plain, reason=reason)
    low, high = test.estimate.low, test.estimate.high
    return replace(plain, low=low, high=high, wins=test.wins, p=test.p, differs=test.significant)


def _as_on_the_leaderboard(
    mine: _Place, theirs: _Place, seeds: tuple[int, ...], overall: ScoreComparison
) -> ScoreComparison:
    """Replace Overall's p-value and decision against vanilla by the leaderboard's if the row is ranked over `seeds`."""
    vanilla = mine.section.vanilla()
    pairs = ((mine.row, theirs.row), (theirs.row, mine.row))
    row = next((one for one, other in pairs if other is vanilla and one is not other), None)
    if row is None or row not in mine.section.rows:
        return overall
    ranked = next(ranked for ranked in ranking(SectionScores(mine.section)) if ranked.scores.row is row)
    if ranked.p is None or ranked.scores.shared != seeds:
        return overall
    return replace(overall, p=ranked.p, differs=ranked.significant)


def _no_verdict(scores: SectionScores, seeds: tuple[int, ...]) -> str:
    """Return why no difference between two rows can be significant; empty if it can be."""
    if len(seeds) == 1:
        return _ONE_SEED
    reasons = [(row, at_chance(scores, row)) for row in scores.section.rows]
    return "; ".join(f"{_shown(row)}: {reason}" for row, reason in reasons if reason)


def _shown(row: RowResults) -> str:
    """Return the name of a row, whether it is tuned or not."""
    return f"{row.full_name} [{TUNED}]" if row.tuned else row.full_name


def _pair(
    first: str, second: str, results: Sequence[Path], suite: str | None, backbone: str | None
) -> tuple[_Place, _Place]:
    """Look up the two rows; `compare` describes the arguments and errors."""
    folders = _Folders(tuple(results), suite, backbone)
    one, other = folders.rows(first), folders.rows(second)
    with_both = [folder for folder in dict.fromkeys(p.folder for p in one) if any(p.folder == folder for p in other)]
    home, there = (with_both[0], with_both[0]) if with_both else (one[0].folder, other[0].folder)
    one, other = [place for place in one if place.folder == home], [place for place in other if place.folder == there]
    pairs = [(a, b) for a in one for b in other if a.address == b.address]
    if len(pairs) == 1:
        return pairs[0]
    shown = [
        ", ".join(sorted({f"{n}@{v} on {b}" for n, v, b in (p.address for p in places)})) for places in (one, other)
    ]
    if pairs:
        raise UsageError(f"{first} and {second} are in {shown[0]}; choose with --suite and --backbone.")
    raise UsageError(
        f"{first} is in {shown[0]}, {second} in {shown[1]}; rows of different suites or backbones do not compare."
    )


@dataclass(slots=True)
class _Folders:
    """Results folders, each read once."""

    default: tuple[Path, ...]
    suite: str | None
    backbone: str | None
    _read: dict[Path, tuple[tuple[SuiteFolder, ...], tuple[SectionResults, ...]]] = field(default_factory=dict)

    def rows(self, text: str) -> list[_Place]:
        """List the rows that match a text, folder by folder."""
        path = Path(text)
        if "/" in text or path.is_file() or path.suffix == ".jsonl":
            return self._at_path(path)
        rows = [
            _Place(section, row, folder, None)
            for folder in self.default
            for section in self._results(folder)[1]
            if self._asks_for(section.suite, section.backbone)
            for row in section.rows
            if row.kind == MEASURED
        ]
        if named := [place for place in rows if _is_named(text, place.row)]:
            return named
        where = " or ".join(map(str, self.default))
        limits = "".join(f" {w} {v}" for w, v in (("of suite", self.suite), ("on", self.backbone)) if v)
        stale = [file for folder in self.default for file in self._stale(folder) if self._is_of(text, file)]
        why = f"{stale[0]}: {STALE}." if stale else nearest(text, {_slug(place.row) for place in rows})
        raise UsageError(f"There is no row {text!r} in {where}{limits}. {why}")

    def _results(self, folder: Path) -> tuple[tuple[SuiteFolder, ...], tuple[SectionResults, ...]]:
        """Read a results folder once."""
        key = folder.resolve()
        if key not in self._read:
            self._read[key] = read_sections(folder)
        return self._read[key]

    def _asks_for(self, suite: str, backbone: str) -> bool:
        """Return whether rows of a suite, as name@version, on a backbone may be named."""
        return self.suite in (None, suite, suite.partition("@")[0]) and self.backbone in (None, backbone)

    def _is_of(self, text: str, file: str) -> bool:
        suite, method, backbone, _ = file.split("/")
        return method == text and self._asks_for(suite, backbone)

    def _stale(self, folder: Path) -> list[str]:
        """List the record files of a folder whose trials changed."""
        return [file for suite in self._results(folder)[0] for file in suite.stale]

    def _at_path(self, path: Path) -> list[_Place]:
        """Find the row of a record file, or of a folder that holds one row's files."""
        # The parents of a relative path end at the working folder, which may be below the suite's.
        parents = path.resolve().parents if path.exists() else ()
        home = next((parent for parent in parents if (parent / "suite.json").is_file()), None)
        if home is None:
            raise UsageError(
                f"{path} is not a record file or a row below a folder with a suite.json; name one, or a method."
            )
        folder = next((one for one in self.default if one.resolve() == home.parent), home.parent)
        below = path.resolve().relative_to(home.parent).as_posix()
        name = RECORD_FILE.fullmatch(path.name)
        seeds = (int(name["seed"]),) if name and name["seed"] else None
        places = [
            _Place(section, row, folder, seeds)
            for section in self._results(folder)[1]
            for row in section.rows
            if row.kind == MEASURED and any(f"{file}/".startswith(f"{below}/") for file in row.files)
        ]
        if not places:
            if any(f"{file}/".startswith(f"{below}/") for file in self._stale(folder)):
                raise UsageError(f"{path} holds no row that is used: {STALE}.")
            raise UsageError(f"{path} holds no measured row; name a record file, a row's folder or a method.")
        return places


def _slug(row: RowResults) -> str:
    return method_slug(row.name, row.configuration, row.protocol, tuned=row.tuned)


def _is_named(text: str, row: RowResults) -> bool:
    """Return whether a text names a row: by folder, ``method~configuration`` or ``method:key=value:key=value``."""
    if text == _slug(row):
        return True
    name, _, settings = text.replace("~", ":", 1).partition(":")
    return (
        name == (f"{row.name}@{TUNED}" if row.tuned else row.name)
        and not row.protocol
        and _settings(settings) == _settings(row.configuration)
    )


def _settings(text: str) -> dict[str, str | float]:
    """Parse settings in any order; numbers compare by value."""
    pairs = (part.partition("=") for part in re.split("[:,]", text) if part)
    return {key: _number(value) for key, _, value in pairs}


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
