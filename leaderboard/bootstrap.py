"""Paired bootstrap over seeds and examples.

One draw picks, for each data set, one of the stored resamples of its examples and, for each set of seeds, seeds with
replacement. The picks depend on the data set's hash and on the seeds alone. So in one draw every method is scored on
the same resampled examples and seeds, differences between rows are paired, and a new row on the board moves no
other row's interval.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.schema import fingerprint
from leaderboard.intervals import leaves_out_zero
from leaderboard.load import Contest, Entrant, headline
from leaderboard.scores import perspectives, sign_of

DRAWS = 20_000
"""Draws of a section: so many that repeating them with other random numbers moves no decision (docs/statistics.md)."""

Draws: TypeAlias = NDArray[np.float64]
"""One value per draw, shape (draws,)."""


def relative_change(value: float, reference: float, sign: int) -> float:
    """Compare with a reference, signed so that up is better; infinite, or 0 for no change, when that is 0."""
    if reference == 0:
        return 0.0 if value == 0 else sign * value * float("inf")
    return sign * (value - reference) / abs(reference)


def picks(purpose: str, of: object, choices: int, count: int) -> NDArray[np.intp]:
    """Draw `count` integers below `choices`, always the same for the same purpose and object.

    Only the raw output of the bit generator is used, which numpy promises to keep (NEP 19). Its upper 32 bits are
    scaled to the range, which favours no integer by more than `choices` / 2**32.
    """
    seed = int(fingerprint([purpose, of]).removeprefix("sha256:"), 16)
    raw = np.random.PCG64(seed).random_raw(count) >> np.uint64(32)
    return ((raw * np.uint64(choices)) >> np.uint64(32)).astype(np.intp)


@dataclass(slots=True)
class Bootstrap:
    """The draws of one section; those of picks and of the row that all others are compared with are kept."""

    contest: Contest
    count: int = DRAWS
    _examples: dict[tuple[str, int], NDArray[np.intp]] = field(default_factory=dict)
    _seeds: dict[tuple[int, ...], NDArray[np.intp]] = field(default_factory=dict)
    _scores: dict[tuple[Entrant, tuple[int, ...]], list[Draws] | str] = field(default_factory=dict)
    _latest: tuple[tuple[Entrant, Entrant, tuple[int, ...]], list[Draws] | str] | None = None

    def overall(self, entrant: Entrant, vanilla: Entrant, seeds: tuple[int, ...]) -> Draws | str:
        """Draw the overall score of an entrant against vanilla over seeds that both have.

        Returns:
            `count` values, infinite ones where a draw puts vanilla at 0; or why there are none, in words.
        """
        changes = self.changes(entrant, vanilla, seeds)
        if isinstance(changes, str):
            return changes
        with np.errstate(invalid="ignore"):
            overall = _mean(changes)
        # Opposite infinities (vanilla at 0 in two perspectives) cancel to no change.
        return np.where(np.isnan(overall), 0.0, overall)

    def certain(self, entrant: Entrant, vanilla: Entrant, seeds: tuple[int, ...]) -> frozenset[str]:
        """Name the perspectives whose 95 % interval of the relative change against vanilla leaves out 0."""
        changes, names = self.changes(entrant, vanilla, seeds), perspectives(self.contest)
        if isinstance(changes, str):
            return frozenset()
        return frozenset(name for name, draws in zip(names, changes, strict=True) if leaves_out_zero(draws))

    def changes(self, entrant: Entrant, reference: Entrant, seeds: tuple[int, ...]) -> list[Draws] | str:
        """Draw every perspective's relative change against another entrant; or say why there are none."""
        asked = (entrant, reference, seeds)
        # Whoever asks for these asks for what is made of them next; all of them would fill the memory.
        if self._latest is None or self._latest[0] != asked:
            self._latest = asked, self._drawn_changes(*asked)
        return self._latest[1]

    def _drawn_changes(self, entrant: Entrant, reference: Entrant, seeds: tuple[int, ...]) -> list[Draws] | str:
        mine, theirs = self._perspectives(entrant, seeds), self._perspectives(reference, seeds)
        if isinstance(mine, str) or isinstance(theirs, str):
            return mine if isinstance(mine, str) else str(theirs)
        signs = [sign_of(self.contest, entries[0]) for entries in perspectives(self.contest).values()]
        return [_changes(a, b, s) for a, b, s in zip(mine, theirs, signs, strict=True)]

    def _perspectives(self, entrant: Entrant, seeds: tuple[int, ...]) -> list[Draws] | str:
        """Draw every perspective's score of an entrant; a sentence when replicates are missing."""
        key = (entrant, seeds)
        if key not in self._scores:
            scores = next(self._missing(entrant, seeds), "") or [
                self._over_seeds([self._one_seed(entrant, entries, seed) for seed in seeds], seeds)
                for entries in perspectives(self.contest).values()
            ]
            if entrant is not self.contest.vanilla():
                # Every other row is asked for once or twice in a row; all of them would fill the memory.
                self._scores = {k: v for k, v in self._scores.items() if k[0] is self.contest.vanilla()}
            self._scores[key] = scores
        return self._scores[key]

    def _missing(self, entrant: Entrant, seeds: tuple[int, ...]) -> Iterator[str]:
        for entry in self.contest.entries():
            probe, _, metric = item = headline(entry)
            if any(entrant.records[item][seed]["replicates"] is None for seed in seeds):
                yield f"{metric} of {probe} has no replicates for {entrant.full_name}, so there is no interval"

    def _one_seed(self, entrant: Entrant, entries: Sequence[Mapping[str, Any]], seed: int) -> Draws:
        columns = []
        for entry in entries:
            record = entrant.records[headline(entry)][seed]
            # Not the card's: it may declare no hash, and where it does, they are the same.
            data, replicates = record["probe"]["data"], np.array(record["replicates"], dtype=np.float64)
            columns.append(replicates[self._resample(data, len(replicates))])
        return _mean(columns)

    def _resample(self, data: str, choices: int) -> NDArray[np.intp]:
        """Which of a data set's replicates each draw takes."""
        key = (data, choices)
        if key not in self._examples:
            self._examples[key] = picks("examples", data, choices, self.count)
        return self._examples[key]

    def _over_seeds(self, columns: list[Draws], seeds: tuple[int, ...]) -> Draws:
        if len(columns) == 1:
            return columns[0]
        if seeds not in self._seeds:
            flat = picks("seeds", list(seeds), len(seeds), self.count * len(seeds))
            self._seeds[seeds] = flat.reshape(self.count, len(seeds)).T
        stacked, draws = np.stack(columns), np.arange(self.count)
        return _mean([stacked[chosen, draws] for chosen in self._seeds[seeds]])


def _mean(columns: Sequence[Draws]) -> Draws:
    """Average columns draw by draw, added one after the other so that the bits are the same on every machine."""
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total / len(columns)


def _changes(mine: Draws, theirs: Draws, sign: int) -> Draws:
    """Compare draw by draw, as `relative_change` does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = sign * (mine - theirs) / np.abs(theirs)
    return np.where((theirs == 0) & (mine == 0), 0.0, changes)
