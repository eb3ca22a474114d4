"""Scores: values over seeds, and every row's relative change against vanilla."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from leaderboard.bootstrap import Resampling, mean_draws
from leaderboard.intervals import Draws, Estimate, leaves_out_zero, mean, over_seeds, percentile_interval
from leaderboard.results import PUBLISHED, Item, RowResults, SectionResults, headline

IN_DISTRIBUTION = "in-distribution"

# Passes through the model that one counted example costs: a full backward costs two forwards, a backward to the
# inputs alone is about one.
_PASSES = {"forward": 1, "backward": 2, "input_backward": 1}

GIVEN_UP = 0.05
"""Smallest loss of in-distribution accuracy against vanilla with which a row is not ranked: 5 points."""

_ROUNDING = 1e-9
"""Differences of means below this are rounding, so that a loss of exactly 5 points is one of 5 points."""

_NO_DRAWS: Draws = np.empty(0)
_NO_SEED = Estimate(None, reason="no complete seed shared with vanilla")
_NO_COST = Estimate(None, reason="training passes are not recorded")
_NO_CHANGE = Estimate(None, reason="not every perspective has a change against vanilla")


def relative_change(values: Draws, references: Draws, sign: int) -> Draws:
    """Compute the relative change, signed so that up is better; with a reference of 0 infinite, or 0 if equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = sign * (values - references) / np.abs(references)
    return np.where((references == 0) & (values == 0), 0.0, changes)


def overall_draws(changes: Sequence[Draws]) -> Draws:
    """Compute Overall, the average of the perspectives' changes, per draw."""
    with np.errstate(invalid="ignore"):
        overall = mean_draws(changes)
    # Opposite infinities (the reference at 0 in two perspectives) cancel to no change.
    return np.where(np.isnan(overall), 0.0, overall)


def overall_score(changes: Sequence[float]) -> float:
    """Compute Overall, the average of the perspectives' changes."""
    return mean(changes)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a row with a reference row over their common completed seeds.

    Attributes:
        scores: The two rows' scores by perspective.
        changes: Relative change of each perspective, by its name, and of each headline, by its item; absent where the
            reference is at 0.
        overall: Mean of the perspectives' changes; None where one is absent.
        draws: The perspectives' changes in every bootstrap draw; may be empty.
        reason: Why `draws` is empty.
    """

    scores: dict[str, tuple[float, float]]
    changes: dict[str | Item, float]
    overall: float | None
    draws: dict[str, Draws]
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RowScores:
    """A row's comparison with vanilla over their common completed seeds.

    Attributes:
        overall: Mean relative change over the perspectives, signed so that up is better; 0.05 is 5 % better.
        draws: The same for every bootstrap draw; may be empty.
        shared: The seeds used for it.
        changes: See `Comparison`.
        significant: The perspectives whose change is significant, each taken alone.
        robustness: Overall without the in-distribution perspective.
        cost: Training passes relative to vanilla's over the shared seeds.
    """

    row: RowResults
    overall: Estimate
    draws: Draws = field(default_factory=lambda: _NO_DRAWS)
    shared: tuple[int, ...] = ()
    changes: Mapping[str | Item, float] = field(default_factory=dict)
    significant: frozenset[str] = frozenset()
    robustness: Estimate = _NO_SEED
    cost: Estimate = _NO_SEED


class SectionScores:
    """The scores of a section's rows.

    Attributes:
        section: The section.
        values: All values: a line per row and seed, a column per task, perspective and metric.
        perspectives: The headline items that each perspective averages.
        headlines: The headline items of all perspectives.
    """

    def __init__(self, section: SectionResults) -> None:
        self.section = section
        self.vanilla = section.vanilla()
        self.perspectives = {name: tuple(map(headline, found)) for name, found in section.perspectives().items()}
        self.headlines = tuple(item for items in self.perspectives.values() for item in items)
        self._signs = {
            name: -1 if section.metric(entries[0])["direction"] == "down" else 1
            for name, entries in section.perspectives().items()
        }
        frame, item = section.frame, ["task", "perspective", "metric"]
        self.values = frame.pivot(index=["row", "seed"], columns=item, values="value").astype(float)
        self._points: dict[tuple[Item, ...], dict[int, list[tuple[int, float]]]] = {}
        missing = frame[frame["value"].isna()]
        self._reasons = dict(zip(_keys(missing), zip(missing["status"], missing["reason"], strict=True), strict=True))
        resampled = frame[frame["replicates"].notna()]
        replicates = zip(resampled["data"], resampled["replicates"], strict=True)
        self._replicates = dict(zip(_keys(resampled), replicates, strict=True))
        self._resampling = Resampling()
        self._vanilla_draws: dict[tuple[int, ...], list[Draws]] = {}

    def points(self, row: RowResults, *items: Item) -> list[tuple[int, float]]:
        """List (seed, mean of the items' values) for the seeds of a row that have all of these values."""
        if items not in self._points:
            by_row: dict[int, list[tuple[int, float]]] = defaultdict(list)
            complete = self.values.reindex(columns=pd.MultiIndex.from_tuples(items)).dropna()
            for (number, seed), values in zip(complete.index, complete.to_numpy().tolist(), strict=True):
                by_row[number].append((seed, mean(values)))
            self._points[items] = by_row
        return self._points[items].get(row.number, [])

    def estimate(self, row: RowResults, *items: Item) -> Estimate:
        """Average items per seed, then over the seeds that have all of them; otherwise give the reason."""
        points = self.points(row, *items)
        reasons = (self.missing(row, item, seed) for item in items for seed in row.seeds)
        return over_seeds(points, "" if points else next(filter(None, reasons)))

    def complete_seeds(self, row: RowResults) -> tuple[int, ...]:
        """List the seeds of a row that have every headline value of the suite."""
        return tuple(seed for seed, _ in self.points(row, *self.headlines))

    def missing(self, row: RowResults, item: Item, seed: int) -> str:
        """Return why an item has no value for a seed; empty if it has one."""
        if any(seed == known for known, _ in self.points(row, item)):
            return ""
        task, perspective, metric = item
        where = f"{metric} of {task} ({perspective})" + (f", seed {seed}" if seed >= 0 else "")
        return f"{where}: {', '.join(self._reasons.get((row.number, seed, item), ('no record',)))}"

    def compare(self, row: RowResults, reference: RowResults, seeds: tuple[int, ...]) -> Comparison:
        """Compare two rows over seeds that both have completed."""
        scores: dict[str, tuple[float, float]] = {}
        changes: dict[str | Item, float] = {}
        for name, items in self.perspectives.items():
            scores[name] = (self._mean(row, items, seeds), self._mean(reference, items, seeds))
            pairs = {name: scores[name]} | {
                item: (self._mean(row, (item,), seeds), self._mean(reference, (item,), seeds)) for item in items
            }
            for key, (mine, theirs) in pairs.items():
                if theirs != 0:
                    changes[key] = self._signs[name] * (mine - theirs) / abs(theirs)
        known = [changes[name] for name in self.perspectives if name in changes]
        overall = overall_score(known) if len(known) == len(self.perspectives) else None
        if reason := self._without_replicates(row, seeds) or self._without_replicates(reference, seeds):
            return Comparison(scores, changes, overall, {}, reason)
        pairs_of_draws = zip(self._draws(row, seeds), self._draws(reference, seeds), strict=True)
        draws = {
            name: relative_change(mine, theirs, self._signs[name])
            for name, (mine, theirs) in zip(self.perspectives, pairs_of_draws, strict=True)
        }
        return Comparison(scores, changes, overall, draws)

    def row_scores(self, row: RowResults) -> RowScores:
        """Compare a row with vanilla over the seeds that both have completed."""
        if row.kind == PUBLISHED:
            reason = Estimate(None, reason="a published number is not compared with measured ones")
            return RowScores(row, reason, cost=reason)
        seeds = self._shared_seeds(row)
        if self.vanilla is None or not seeds:
            return RowScores(row, _NO_SEED, robustness=_NO_CHANGE)
        mine, theirs = _passes(row, seeds), _passes(self.vanilla, seeds)
        cost = Estimate(mine / theirs) if mine is not None and theirs else _NO_COST
        if row is self.vanilla:
            zero = Estimate(0.0)
            return RowScores(row, zero, np.zeros(self._resampling.count), seeds, {}, frozenset(), zero, cost)
        found = self.compare(row, self.vanilla, seeds)
        overall, draws = self._overall(found)
        significant = frozenset(name for name, drawn in found.draws.items() if leaves_out_zero(drawn))
        return RowScores(row, overall, draws, seeds, found.changes, significant, self._robustness(found), cost)

    def _overall(self, found: Comparison) -> tuple[Estimate, Draws]:
        """Compute Overall with its bootstrap interval, and its draws."""
        if found.overall is None:
            undefined = next(name for name in self.perspectives if name not in found.changes)
            reason = f"vanilla's {undefined} score is 0, so no relative change is defined"
            return Estimate(None, reason=reason), _NO_DRAWS
        if found.reason:
            return Estimate(found.overall, reason=found.reason), _NO_DRAWS
        draws = overall_draws(list(found.draws.values()))
        if (interval := percentile_interval(draws)) is None:
            reason = "vanilla is at 0 in too many bootstrap draws, so there is no interval"
            return Estimate(found.overall, reason=reason), _NO_DRAWS
        return Estimate(found.overall, *interval), draws

    def _robustness(self, found: Comparison) -> Estimate:
        names = [name for name in self.perspectives if name != IN_DISTRIBUTION]
        if not names or any(name not in found.changes for name in names):
            return _NO_CHANGE
        return Estimate(overall_score([found.changes[name] for name in names]))

    def _shared_seeds(self, row: RowResults) -> tuple[int, ...]:
        """List the seeds complete in a row and in vanilla; none if they started from different weights."""
        if self.vanilla is None or revisions_differ(row, self.vanilla):
            return ()
        theirs = set(self.complete_seeds(self.vanilla))
        return tuple(seed for seed in self.complete_seeds(row) if seed in theirs)

    def _mean(self, row: RowResults, items: tuple[Item, ...], seeds: tuple[int, ...]) -> float:
        return mean([value for seed, value in self.points(row, *items) if seed in seeds])

    def _without_replicates(self, row: RowResults, seeds: Iterable[int]) -> str:
        for item in self.headlines:
            if any((row.number, seed, item) not in self._replicates for seed in seeds):
                return f"{item[2]} of {item[0]} has no replicates for {row.full_name}, so there is no interval"
        return ""

    def _draws(self, row: RowResults, seeds: tuple[int, ...]) -> list[Draws]:
        """Draw every perspective's score; cache vanilla's, which every row is compared with."""
        if row is self.vanilla and seeds in self._vanilla_draws:
            return self._vanilla_draws[seeds]
        # Use the records' data hash, because the card may have none.
        draws = [
            self._resampling.score(
                [[self._replicates[row.number, seed, item] for item in items] for seed in seeds], seeds
            )
            for items in self.perspectives.values()
        ]
        if row is self.vanilla:
            self._vanilla_draws[seeds] = draws
        return draws


def revisions_differ(one: RowResults, other: RowResults) -> bool:
    """Return whether two rows are known to have started from different weights."""
    return None not in (one.revision, other.revision) and one.revision != other.revision


def accuracy_items(section: SectionResults) -> tuple[Item, ...]:
    """List the in-distribution items of the card, if their metric is accuracy; otherwise none."""
    entries = section.perspectives().get(IN_DISTRIBUTION, [])
    accuracy = all(entry["headline"] == "accuracy" for entry in entries)
    return tuple(map(headline, entries)) if accuracy else ()


def accuracy_and_bound(scores: SectionScores, row: RowResults) -> tuple[float, float] | None:
    """Compute a row's in-distribution accuracy and the one that it must exceed: vanilla's less `GIVEN_UP`.

    None if the suite does not measure such an accuracy, or one of the two rows lacks it.
    """
    items = accuracy_items(scores.section)
    if scores.vanilla is None or not items:
        return None
    vanilla, mine = (scores.estimate(one, *items).value for one in (scores.vanilla, row))
    return None if vanilla is None or mine is None else (mine, max(vanilla - GIVEN_UP, 0.0))


def gives_up(accuracy: float, bound: float) -> bool:
    """Return whether an accuracy is at or below the bound of `accuracy_and_bound`."""
    return bound > 0 and not exceeds(accuracy, bound)


def exceeds(value: float, limit: float) -> bool:
    """Return whether a mean exceeds a limit by more than rounding."""
    return value > limit + _ROUNDING


def _keys(frame: pd.DataFrame) -> list[tuple[int, int, Item]]:
    items = zip(frame["task"], frame["perspective"], frame["metric"], strict=True)
    return list(zip(frame["row"], frame["seed"], items, strict=True))


def _passes(row: RowResults, seeds: Sequence[int]) -> float | None:
    """Average a training's cost over seeds, in forward passes of one example; None if it is missing for a seed."""
    if any(seed not in row.costs for seed in seeds):
        return None
    return mean([sum(weight * row.costs[seed][name] for name, weight in _PASSES.items()) for seed in seeds])
