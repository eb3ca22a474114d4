"""Scores: values over seeds, and every row's gain over vanilla."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.schema.record import PASS_COSTS
from leaderboard.bootstrap import MORE_DRAWS, VALUE_DRAWS, DataSet, Distribution, Resampling, Score, combined
from leaderboard.intervals import (
    Estimate,
    leaves_out_zero,
    lies_within,
    mean,
    mean_draws,
    over_seeds,
    p_value,
    percentile_interval,
    upper_p_value,
    weighted_mean,
)
from leaderboard.results import PUBLISHED, Item, RowResults, SectionResults, headline

IN_DISTRIBUTION = "in-distribution"

ACCURACY_LOSS = 0.05
"""Smallest loss of in-distribution accuracy against vanilla with which a row is not ranked: 5 points."""

_ROUNDING = 1e-9
"""Differences of means below this are rounding, so that a loss of exactly 5 points is one of 5 points."""

EQUIVALENCE = 0.01
"""Largest difference in Overall from vanilla that is equivalent: 1 point."""

_NO_SEED = Estimate(None, reason="no complete seed shared with vanilla")
_NO_COST = Estimate(None, reason="training passes are not recorded")
_NO_GAIN = Estimate(None, reason="not every perspective has a gain over vanilla")


@dataclass(frozen=True, slots=True)
class Gain:
    """Bootstrap comparison of a score of two rows; a positive difference is better.

    Attributes:
        estimate: The difference with its 95 % interval.
        between: Variance of the difference between seeds.
        within: Variance of the mean difference over resampled examples, without what `between` contains.
        wins: Probability that the first row is better: the share of the draws above 0, draws at 0 counted half.
        p: Two-sided p-value of no difference, not corrected for multiple tests.
        p_bound: Upper bound of `p` for any random numbers of the draws.
        significant: Whether the interval excludes 0, for any random numbers of the draws.
        equivalent: Whether the 90 % interval lies within `EQUIVALENCE`, for any random numbers of the draws.
    """

    estimate: Estimate
    between: float
    within: float
    wins: float
    p: float
    p_bound: float
    significant: bool
    equivalent: bool

    @classmethod
    def of(cls, score: Score, distribution: Distribution) -> "Gain":
        """Test a difference by its bootstrap distribution."""
        draws = distribution.draws
        p, (examples, interaction) = p_value(draws), score.example_variances()
        return cls(
            estimate=Estimate(distribution.value, *percentile_interval(draws)),
            between=score.seed_variance(),
            within=max(examples - interaction, 0.0),
            wins=(np.count_nonzero(draws > 0) + np.count_nonzero(draws >= 0)) / (2 * len(draws)),
            p=p,
            p_bound=upper_p_value(p, len(draws)),
            significant=leaves_out_zero(draws),
            equivalent=lies_within(draws, EQUIVALENCE),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a row with a reference row over their common completed seeds.

    Attributes:
        scores: The two rows' scores by perspective.
        gains: Difference of each perspective, by its name, and of each headline, by its item, signed so that up is
            better.
        overall: Mean of the perspectives' gains.
        relative: Mean of the perspectives' relative changes, signed so that up is better; None where the reference
            is at 0 in one of them.
        tests: The bootstrap comparison of each perspective, and of "overall"; may be empty.
        score: Overall by seed, with its resamples, and its `distribution`; None where `tests` is empty.
        reason: Why `tests` is empty.
    """

    scores: dict[str, tuple[float, float]]
    gains: dict[str | Item, float]
    overall: float
    relative: float | None
    tests: dict[str, Gain]
    score: Score | None = None
    distribution: Distribution | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RowScores:
    """A row's comparison with vanilla over their common completed seeds.

    Attributes:
        overall: Mean gain over the perspectives, signed so that up is better; 0.05 is 5 points better.
        shared: The seeds used for it.
        gains: See `Comparison`. `tests` likewise, empty for vanilla.
        relative: Mean relative change over the perspectives; 0.05 is 5 % better.
        robustness: Overall without the in-distribution perspective.
        cost: Training passes relative to vanilla's over the shared seeds.
        distribution: Bootstrap distribution of Overall, and its `score`; None without an interval.
    """

    row: RowResults
    overall: Estimate
    shared: tuple[int, ...] = ()
    gains: Mapping[str | Item, float] = field(default_factory=dict)
    tests: Mapping[str, Gain] = field(default_factory=dict)
    relative: Estimate = _NO_SEED
    robustness: Estimate = _NO_SEED
    cost: Estimate = _NO_SEED
    distribution: Distribution | None = None
    score: Score | None = None


class SectionScores:
    """The scores of a section's rows.

    Attributes:
        section: The section.
        values: All values: a line per row and seed, a column per task, perspective and metric.
        perspectives: The headline items that each perspective averages.
        headlines: The headline items of all perspectives.
        weights: The weight of each item in a mean over the tasks of its perspective.
        signs: 1 for a perspective in which more is better, -1 for one in which less is.
        finer: The picks of `MORE_DRAWS` draws.
    """

    def __init__(self, section: SectionResults) -> None:
        self.section = section
        self.vanilla = section.vanilla()
        self.perspectives = {name: tuple(map(headline, entries)) for name, entries in section.perspectives().items()}
        self.headlines = tuple(item for items in self.perspectives.values() for item in items)
        self.weights = {
            (entry["id"], entry["perspective"], metric): float(entry.get("weight", 1))
            for entry in section.entries()
            for metric in entry["metrics"]
        }
        self.signs = {
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
        self._resampling, self._of_values, self.finer = Resampling(), Resampling(VALUE_DRAWS), Resampling(MORE_DRAWS)
        self._estimates: dict[tuple[int, tuple[Item, ...]], Estimate] = {}
        self._vanilla_scores: dict[tuple[int, ...], dict[str, Score]] = {}

    def points(self, row: RowResults, *items: Item) -> list[tuple[int, float]]:
        """List (seed, weighted mean of the items' values) for the seeds of a row that have all of these values."""
        if items not in self._points:
            weights = self.weights_of(items)
            by_row: dict[int, list[tuple[int, float]]] = defaultdict(list)
            complete = self.values.reindex(columns=pd.MultiIndex.from_tuples(items)).dropna()
            for (number, seed), values in zip(complete.index, complete.to_numpy().tolist(), strict=True):
                by_row[number].append((seed, weighted_mean(values, weights)))
            self._points[items] = by_row
        return self._points[items].get(row.number, [])

    def weights_of(self, items: Iterable[Item]) -> list[float]:
        """List the weights of items; one that the card does not list has 1."""
        return [self.weights.get(item, 1.0) for item in items]

    def estimate(self, row: RowResults, *items: Item) -> Estimate:
        """Average items by weight per seed, then over the seeds that have all of them; otherwise give the reason.

        The 95 % interval is that of the bootstrap over seeds and examples, or, where an item has no replicates, a
        t-interval over seeds. A single seed has none.
        """
        key = (row.number, items)
        if key not in self._estimates:
            points = self.points(row, *items)
            reasons = (self.missing(row, item, seed) for item in items for seed in row.seeds)
            estimate = over_seeds(points, "" if points else next(filter(None, reasons)))
            seeds = tuple(seed for seed, _ in points)
            if len(seeds) > 1 and not self._without_replicates(row, items, seeds):
                draws = self._of_values.distribution(self._score(row, items, seeds)).draws
                low, high = percentile_interval(draws)
                estimate = replace(estimate, low=low, high=high)
            self._estimates[key] = estimate
        return self._estimates[key]

    def value(self, row: RowResults, *items: Item) -> float | None:
        """Average items by weight per seed, then over the seeds that have all of them; None if no seed has."""
        points = self.points(row, *items)
        return mean([value for _, value in points]) if points else None

    def gain(self, compared: "RowScores", metric: str, *items: Item) -> float | None:
        """Compute a row's gain over vanilla in the mean of items of one metric, signed so that up is better.

        The seeds are the shared ones for which both have all items. None without such a seed, and for vanilla.
        """
        if self.vanilla is None or compared.row is self.vanilla:
            return None
        mine, theirs = (dict(self.points(row, *items)) for row in (compared.row, self.vanilla))
        seeds = tuple(seed for seed in compared.shared if seed in mine and seed in theirs)
        if not seeds:
            return None
        sign = -1 if self.section.card["metrics"][metric]["direction"] == "down" else 1
        return sign * (self._mean(compared.row, items, seeds) - self._mean(self.vanilla, items, seeds))

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
        gains: dict[str | Item, float] = {}
        changes = []
        for name, items in self.perspectives.items():
            mine, theirs = (self._mean(one, items, seeds) for one in (row, reference))
            scores[name] = (mine, theirs)
            gains[name] = self.signs[name] * (mine - theirs)
            changes += [gains[name] / abs(theirs)] if theirs != 0 else []
            for item in items:
                gains[item] = self.signs[name] * (
                    self._mean(row, (item,), seeds) - self._mean(reference, (item,), seeds)
                )
        overall = mean([gains[name] for name in self.perspectives])
        relative = mean(changes) if len(changes) == len(self.perspectives) else None
        reasons = (self._without_replicates(one, self.headlines, seeds) for one in (row, reference))
        if reason := next(filter(None, reasons), ""):
            return Comparison(scores, gains, overall, relative, {}, reason=reason)
        return Comparison(scores, gains, overall, relative, *self._tests(row, reference, seeds, self._resampling))

    def finer_tests(self, compared: RowScores) -> Mapping[str, Gain]:
        """Repeat the tests of a row against vanilla with `MORE_DRAWS`; empty if it has none."""
        if self.vanilla is None or not compared.tests:
            return {}
        return self._tests(compared.row, self.vanilla, compared.shared, self.finer)[0]

    def _tests(
        self, row: RowResults, reference: RowResults, seeds: tuple[int, ...], resampling: Resampling
    ) -> tuple[dict[str, Gain], Score, Distribution]:
        """Test the difference of two rows per perspective and in Overall; return Overall's score and draws, too."""
        own, others = self._scores(row, seeds), self._scores(reference, seeds)
        differences = {name: combined((own[name], others[name]), (s, -s)) for name, s in self.signs.items()}
        distributions = {name: resampling.distribution(score) for name, score in differences.items()}
        score = combined(list(differences.values()), [1 / len(differences)] * len(differences))
        # Reuse the perspectives' draws, because Overall is linear in them.
        examples = mean_draws([distribution.examples for distribution in distributions.values()])
        distribution = resampling.distribution(score, examples)
        tests = {name: Gain.of(differences[name], distributions[name]) for name in differences}
        tests["overall"] = Gain.of(score, distribution)
        return tests, score, distribution

    def row_scores(self, row: RowResults) -> RowScores:
        """Compare a row with vanilla over the seeds that both have completed."""
        if row.kind == PUBLISHED:
            reason = Estimate(None, reason="a published number is not compared with measured ones")
            return RowScores(row=row, overall=reason, relative=reason, cost=reason)
        seeds = self._shared_seeds(row)
        if self.vanilla is None or not seeds:
            return RowScores(row=row, overall=_NO_SEED, robustness=_NO_GAIN)
        mine, theirs = _passes(row, seeds), _passes(self.vanilla, seeds)
        cost = Estimate(mine / theirs) if mine is not None and theirs else _NO_COST
        if row is self.vanilla:
            zero, nothing = Estimate(0.0), np.zeros(self._resampling.count)
            return RowScores(
                row=row,
                overall=zero,
                shared=seeds,
                relative=zero,
                robustness=zero,
                cost=cost,
                distribution=Distribution(0.0, nothing, nothing, 0.0),
                score=Score(seeds, np.zeros(len(seeds)), {}),
            )
        comparison = self.compare(row, self.vanilla, seeds)
        test = comparison.tests.get("overall")
        overall = Estimate(comparison.overall, reason=comparison.reason) if test is None else test.estimate
        others = [comparison.gains[name] for name in self.perspectives if name != IN_DISTRIBUTION]
        return RowScores(
            row=row,
            overall=overall,
            shared=seeds,
            gains=comparison.gains,
            tests=comparison.tests,
            relative=self._relative(comparison),
            robustness=Estimate(mean(others)) if others else _NO_GAIN,
            cost=cost,
            distribution=comparison.distribution,
            score=comparison.score,
        )

    def _relative(self, comparison: Comparison) -> Estimate:
        """Return the mean relative change, or the perspective in which vanilla is at 0."""
        if comparison.relative is not None:
            return Estimate(comparison.relative)
        name = next(name for name, (_, theirs) in comparison.scores.items() if theirs == 0)
        return Estimate(None, reason=f"vanilla's {name} score is 0, so no relative change is defined")

    def _shared_seeds(self, row: RowResults) -> tuple[int, ...]:
        """List the seeds complete in a row and in vanilla; none if they started from different weights."""
        if self.vanilla is None or revisions_differ(row, self.vanilla):
            return ()
        theirs = set(self.complete_seeds(self.vanilla))
        return tuple(seed for seed in self.complete_seeds(row) if seed in theirs)

    def _mean(self, row: RowResults, items: tuple[Item, ...], seeds: tuple[int, ...]) -> float:
        return mean([value for seed, value in self.points(row, *items) if seed in seeds])

    def _without_replicates(self, row: RowResults, items: Iterable[Item], seeds: Iterable[int]) -> str:
        """Name the first item without replicates; empty if all have them."""
        for item in items:
            if any((row.number, seed, item) not in self._replicates for seed in seeds):
                return f"{item[2]} of {item[0]} has no replicates for {row.full_name}, so there is no interval"
        return ""

    def _scores(self, row: RowResults, seeds: tuple[int, ...]) -> dict[str, Score]:
        """Return every perspective's score; cache vanilla's, which every row is compared with."""
        if row is self.vanilla and seeds in self._vanilla_scores:
            return self._vanilla_scores[seeds]
        scores = {name: self._score(row, items, seeds) for name, items in self.perspectives.items()}
        if row is self.vanilla:
            self._vanilla_scores[seeds] = scores
        return scores

    def _score(self, row: RowResults, items: tuple[Item, ...], seeds: tuple[int, ...]) -> Score:
        """Average items by their weights with their resamples, seed by seed."""
        points = dict(self.points(row, *items))
        resampled: dict[DataSet, NDArray[np.float64]] = {}
        weights = self.weights_of(items)
        for item, weight in zip(items, weights, strict=True):
            # Use the records' data hash, because the card may have none.
            stored = [self._replicates[row.number, seed, item] for seed in seeds]
            blocks: dict[DataSet, NDArray[np.float64]] = {}
            for place, (data, replicates) in enumerate(stored):
                block = blocks.setdefault((data, len(replicates)), np.zeros((len(seeds), len(replicates))))
                block[place] = replicates
                block[place] -= block[place].mean()
            for key, block in blocks.items():
                share = block * weight / math.fsum(weights)
                resampled[key] = resampled[key] + share if key in resampled else share
        return Score(seeds, np.array([points[seed] for seed in seeds]), resampled)


def revisions_differ(one: RowResults, other: RowResults) -> bool:
    """Return whether two rows are known to have started from different weights."""
    return None not in (one.revision, other.revision) and one.revision != other.revision


def accuracy_items(section: SectionResults) -> tuple[Item, ...]:
    """List the in-distribution items of the card, if their metric is accuracy; otherwise none."""
    entries = section.perspectives().get(IN_DISTRIBUTION, [])
    accuracy = all(entry["headline"] == "accuracy" for entry in entries)
    return tuple(map(headline, entries)) if accuracy else ()


def accuracy_and_bound(scores: SectionScores, row: RowResults) -> tuple[float, float] | None:
    """Compute a row's in-distribution accuracy and the one that it must exceed: vanilla's less `ACCURACY_LOSS`.

    None if the suite does not measure such an accuracy, or one of the two rows lacks it.
    """
    items = accuracy_items(scores.section)
    if scores.vanilla is None or not items:
        return None
    vanilla, mine = (scores.value(one, *items) for one in (scores.vanilla, row))
    return None if vanilla is None or mine is None else (mine, max(vanilla - ACCURACY_LOSS, 0.0))


def loses_accuracy(accuracy: float, bound: float) -> bool:
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
    return mean([sum(weight * row.costs[seed][name] for name, weight in PASS_COSTS.items()) for seed in seeds])
