"""Paired bootstrap over seeds and examples, with a stretched seed part (docs/statistics.md).

One draw picks, for each data set, one of the stored resamples of its examples and, for each set of seeds, seeds with
replacement. The picks depend on the data set's hash and on the seeds alone. So in one draw every method is scored on
the same resampled examples and seeds, differences between rows are paired, and a new row on the leaderboard changes no
other row's interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from benchmark.schema import fingerprint
from leaderboard.intervals import Draws, mean, variance

DRAWS = 20_000
"""Number of draws of a section, large enough that other random numbers change no decision (docs/statistics.md)."""

MORE_DRAWS = 10 * DRAWS
"""Number of draws for what `DRAWS` leave open, and for the check that they change no rank and no star."""

VALUE_DRAWS = 4_000
"""Number of draws for the intervals of single values, which decide nothing."""

_DECIMALS = 9
"""Decimals of the example part's scale, so that it does not depend on the order in which a machine adds."""

_DIGITS = 12
"""Decimals of a combined score."""

DataSet: TypeAlias = tuple[str, int]
"""Hash of a data set, and the number of its stored resamples."""


def raw(purpose: str, of: object, count: int) -> NDArray[np.uint64]:
    """Return `count` raw outputs of PCG64, which numpy promises to keep (NEP 19), for a purpose and an object."""
    seed = int(fingerprint([purpose, of]).removeprefix("sha256:"), 16)
    return np.random.PCG64(seed).random_raw(count)


def picks(purpose: str, of: object, choices: int, count: int) -> NDArray[np.intp]:
    """Draw `count` integers below `choices`, always the same for the same purpose and object.

    The upper 32 bits of the raw output are scaled to the range, which favours no integer by more than
    `choices` / 2**32.
    """
    upper = raw(purpose, of, count) >> np.uint64(32)
    return ((upper * np.uint64(choices)) >> np.uint64(32)).astype(np.intp)


@lru_cache(maxsize=16)
def stretches(seeds: tuple[int, ...], count: int) -> Draws:
    """Draw the factors that stretch resampled seed deviations: sqrt(n / chi-squared with n - 1 degrees of freedom).

    sqrt(n / (n - 1)) corrects the variance of resampled seeds. sqrt((n - 1) / chi-squared) turns a normal deviation
    into a t-distributed one, because the variance is estimated from n seeds.
    """
    uniform = ((raw("stretch", list(seeds), count) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    stretched: Draws = np.sqrt(len(seeds) / chdtri(len(seeds) - 1, uniform))
    return stretched


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A score over seeds with its resamples, or a linear combination of such scores over the same seeds.

    Attributes:
        seeds: The seeds.
        values: The score of each seed, shape (seeds,).
        resampled: By data set, the deviation of each resample from the mean of the resamples, shape
            (seeds, resamples). Deviations on different data sets are independent and add up.
    """

    seeds: tuple[int, ...]
    values: NDArray[np.float64]
    resampled: Mapping[DataSet, NDArray[np.float64]]

    @property
    def value(self) -> float:
        """Return the mean over seeds."""
        return mean(self.values.tolist())

    def seed_variance(self) -> float:
        """Estimate the variance between seeds, which contains the interaction of seeds and examples."""
        return variance(self.values.tolist()) if len(self.seeds) > 1 else 0.0

    def example_variances(self) -> tuple[float, float]:
        """Estimate two variances of the mean over seeds: that of the examples, and the interaction within it."""
        total = interaction = 0.0
        for deviations in self.resampled.values():
            average = deviations.mean(axis=0)
            total += float((average**2).mean())
            if len(self.seeds) > 1:
                own = float(((deviations - average) ** 2).sum()) / deviations.shape[1]
                interaction += own / ((len(self.seeds) - 1) * len(self.seeds))
        return total, interaction


def combined(scores: Sequence[Score], weights: Sequence[float]) -> Score:
    """Return a linear combination of scores over the same seeds."""
    values = np.zeros(len(scores[0].seeds))
    resampled: dict[DataSet, NDArray[np.float64]] = {}
    for score, weight in zip(scores, weights, strict=True):
        values = values + weight * score.values
        for data, deviations in score.resampled.items():
            resampled[data] = resampled[data] + weight * deviations if data in resampled else weight * deviations
    # Remove rounding, so that equal rows differ by exactly 0.
    return Score(scores[0].seeds, np.round(values, _DIGITS), resampled)


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Bootstrap distribution of a score.

    Attributes:
        value: The score.
        seeds: Its deviations over resampled seeds, stretched, shape (draws,).
        examples: Its deviations over resampled examples, shape (draws,).
        scale: Factor of `examples`, which removes the interaction that `seeds` contains already.
    """

    value: float
    seeds: Draws
    examples: Draws
    scale: float

    @property
    def draws(self) -> Draws:
        """Return the score in every draw."""
        return self.value + self.seeds + self.scale * self.examples


@dataclass(slots=True)
class Resampling:
    """The picks of a section's draws, each computed once."""

    count: int = DRAWS
    _resamples: dict[DataSet, NDArray[np.intp]] = field(default_factory=dict)
    _weights: dict[tuple[int, ...], list[Draws]] = field(default_factory=dict)

    def distribution(self, score: Score, examples: Draws | None = None) -> Distribution:
        """Draw the distribution of a score; `examples` are its example deviations where they are known."""
        scale = _scale(*score.example_variances())
        known = self.examples(score) if examples is None else examples
        return Distribution(score.value, self._seed_deviations(score), known, scale)

    def examples(self, score: Score) -> Draws:
        """Draw the deviations of a score over resampled examples, the mean over its seeds."""
        total = np.zeros(self.count)
        for data, deviations in score.resampled.items():
            total += deviations.mean(axis=0)[self._resample(data)]
        return total

    def _seed_deviations(self, score: Score) -> Draws:
        """Draw the deviations of a score over stretched resampled seeds; 0 for a single seed."""
        total, centre = np.zeros(self.count), score.value
        if len(score.seeds) > 1:
            for weight, value in zip(self._seed_weights(score.seeds), score.values.tolist(), strict=True):
                total += weight * (value - centre)
        return total

    def _resample(self, data: DataSet) -> NDArray[np.intp]:
        """Pick one of a data set's resamples for each draw."""
        if data not in self._resamples:
            self._resamples[data] = picks("examples", data[0], data[1], self.count)
        return self._resamples[data]

    def _seed_weights(self, seeds: tuple[int, ...]) -> list[Draws]:
        """Return for each seed its share among seeds resampled with replacement, times the stretch, per draw."""
        if seeds not in self._weights:
            flat = picks("seeds", list(seeds), len(seeds), self.count * len(seeds)).reshape(self.count, len(seeds))
            stretch = stretches(seeds, self.count) / len(seeds)
            self._weights[seeds] = [(flat == place).sum(axis=1) * stretch for place in range(len(seeds))]
        return self._weights[seeds]


def pair_scales(scores: Sequence[Score]) -> NDArray[np.float64]:
    """Compute `Distribution.scale` of the difference of every two scores, shape (scores, scores).

    The interactions of scores over different seeds are taken to be independent.
    """
    count, width = len(scores), 0
    places: dict[DataSet, int] = {}
    for data in dict.fromkeys(data for score in scores for data in score.resampled):
        places[data] = width
        width += data[1]
    averages = np.zeros((count, width))
    groups: dict[tuple[int, ...], list[int]] = {score.seeds: [] for score in scores}
    for place, score in enumerate(scores):
        groups[score.seeds].append(place)
        for data, deviations in score.resampled.items():
            averages[place, places[data] : places[data] + data[1]] = deviations.mean(axis=0) / math.sqrt(data[1])
    interactions = np.zeros((count, count))
    for seeds, members in groups.items():
        if len(seeds) > 1:
            own = np.zeros((len(members), len(seeds), width))
            for place, member in enumerate(members):
                for data, deviations in scores[member].resampled.items():
                    spread = (deviations - deviations.mean(axis=0)) / math.sqrt(data[1])
                    own[place, :, places[data] : places[data] + data[1]] = spread
            flat = own.reshape(len(members), -1)
            interactions[np.ix_(members, members)] = flat @ flat.T / (len(seeds) * (len(seeds) - 1))
    total, interaction = _of_differences(averages @ averages.T), _of_differences(interactions)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, np.clip(1 - interaction / total, 0.0, 1.0), 0.0)
    scales: NDArray[np.float64] = np.sqrt(np.round(share, _DECIMALS))
    return scales


def _of_differences(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the squared norms of all differences from the products of all pairs."""
    squares = np.diagonal(products)
    norms: NDArray[np.float64] = squares[:, None] + squares[None, :] - 2 * products
    return norms


def _scale(total: float, interaction: float) -> float:
    return math.sqrt(round(min(max(1 - interaction / total, 0.0), 1.0), _DECIMALS)) if total > 0 else 0.0
