"""Paired bootstrap over seeds and examples.

One draw picks, for each data set, one of the stored resamples of its examples and, for each set of seeds, seeds with
replacement. The picks depend on the data set's hash and on the seeds alone. So in one draw every method is scored on
the same resampled examples and seeds, differences between rows are paired, and a new row on the leaderboard changes no
other row's interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.schema import fingerprint
from leaderboard.intervals import Draws

DRAWS = 20_000
"""Number of draws of a section, large enough that other random numbers change no decision (docs/statistics.md)."""


def picks(purpose: str, of: object, choices: int, count: int) -> NDArray[np.intp]:
    """Draw `count` integers below `choices`, always the same for the same purpose and object.

    Only the raw output of the bit generator is used, which numpy promises to keep (NEP 19). Its upper 32 bits are
    scaled to the range, which favours no integer by more than `choices` / 2**32.
    """
    seed = int(fingerprint([purpose, of]).removeprefix("sha256:"), 16)
    raw = np.random.PCG64(seed).random_raw(count) >> np.uint64(32)
    return ((raw * np.uint64(choices)) >> np.uint64(32)).astype(np.intp)


def mean_draws(columns: Sequence[Draws]) -> Draws:
    """Average columns per draw, added in order so that the bits are the same on every machine."""
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    total /= len(columns)
    return total


@dataclass(slots=True)
class Resampling:
    """The picks of a section's draws, each computed once."""

    count: int = DRAWS
    _resamples: dict[tuple[str, int], NDArray[np.intp]] = field(default_factory=dict)
    _seeds: dict[tuple[int, ...], NDArray[np.intp]] = field(default_factory=dict)

    def score(self, replicates: Sequence[Sequence[tuple[str, Sequence[float]]]], seeds: tuple[int, ...]) -> Draws:
        """Draw a perspective's score.

        Args:
            replicates: For each seed, the data hash and the replicates of each of the perspective's metrics.
            seeds: The seeds.

        Returns:
            The mean over metrics of a resampled value, then over resampled seeds, shape (draws,).
        """
        by_seed = [
            mean_draws(
                [np.array(values, dtype=np.float64)[self._resample(data, len(values))] for data, values in metrics]
            )
            for metrics in replicates
        ]
        if len(by_seed) == 1:
            return by_seed[0]
        flat = np.concatenate(by_seed)
        return mean_draws([flat[places] for places in self._resampled_seeds(seeds)])

    def _resample(self, data: str, choices: int) -> NDArray[np.intp]:
        """Pick one of a data set's resamples for each draw."""
        key = (data, choices)
        if key not in self._resamples:
            self._resamples[key] = picks("examples", data, choices, self.count)
        return self._resamples[key]

    def _resampled_seeds(self, seeds: tuple[int, ...]) -> NDArray[np.intp]:
        """Resample the seeds with replacement for each draw; returns positions in the seeds' concatenated draws."""
        if seeds not in self._seeds:
            flat = picks("seeds", list(seeds), len(seeds), self.count * len(seeds))
            by_seed = np.ascontiguousarray(flat.reshape(self.count, len(seeds)).T)
            self._seeds[seeds] = by_seed * self.count + np.arange(self.count)
        return self._seeds[seeds]
