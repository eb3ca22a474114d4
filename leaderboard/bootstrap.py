"""Bootstrap over seeds and examples: thousands of boards that might as well have been measured.

One draw picks, for each data set, one of the stored resamples of its examples and, for each set of seeds, seeds with
replacement. The picks depend on the data set's hash and on the seeds alone. So in one draw every method is scored on
the same resampled examples and seeds, differences between rows are paired, and a new row on the board moves no
other row's interval.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from operator import add, getitem, itemgetter
from typing import Any

from benchmark.schema import fingerprint
from leaderboard.intervals import leaves_out_zero
from leaderboard.load import Contest, Entrant, headline
from leaderboard.scores import perspectives, sign_of

DRAWS = 2000


def relative_change(value: float, reference: float, sign: int) -> float:
    """Compare with a reference, signed so that up is better; infinite, or 0 for no change, when that is 0."""
    if reference == 0:
        return 0.0 if value == 0 else sign * value * float("inf")
    return sign * (value - reference) / abs(reference)


def picks(purpose: str, of: object, choices: int, count: int) -> list[int]:
    """Draw `count` integers below `choices`, always the same for the same purpose and object.

    Only `Random.random` is used: of the standard generator's methods it alone promises the same numbers for ever.
    """
    generator = random.Random(int(fingerprint([purpose, of]).removeprefix("sha256:"), 16))
    return [int(generator.random() * choices) for _ in range(count)]


@dataclass(slots=True)
class Bootstrap:
    """The draws of one contest, each kept once it is made."""

    contest: Contest
    count: int = DRAWS
    _examples: dict[tuple[str, int], Callable[[Sequence[float]], Sequence[float]]] = field(default_factory=dict)
    _seeds: dict[tuple[int, ...], list[list[int]]] = field(default_factory=dict)
    _scores: dict[tuple[Entrant, tuple[int, ...]], list[list[float]] | str] = field(default_factory=dict)
    _latest: tuple[tuple[Entrant, Entrant, tuple[int, ...]], list[list[float]] | str] | None = None

    def overall(self, entrant: Entrant, vanilla: Entrant, seeds: tuple[int, ...]) -> list[float] | str:
        """Draw the overall score of an entrant against vanilla over seeds that both have.

        Returns:
            `count` values, infinite ones where a draw puts vanilla at 0; or why there are none, in words.
        """
        changes = self.changes(entrant, vanilla, seeds)
        if isinstance(changes, str):
            return changes
        # Opposite infinities (vanilla at 0 in two perspectives) cancel to no change.
        return [0.0 if isnan(draw) else draw for draw in _means(changes)]

    def certain(self, entrant: Entrant, vanilla: Entrant, seeds: tuple[int, ...]) -> frozenset[str]:
        """Name the perspectives whose 95 % interval of the relative change against vanilla leaves out 0."""
        changes, names = self.changes(entrant, vanilla, seeds), perspectives(self.contest)
        if isinstance(changes, str):
            return frozenset()
        return frozenset(name for name, draws in zip(names, changes, strict=True) if leaves_out_zero(draws))

    def changes(self, entrant: Entrant, reference: Entrant, seeds: tuple[int, ...]) -> list[list[float]] | str:
        """Draw every perspective's relative change against another entrant; or say why there are none."""
        asked = (entrant, reference, seeds)
        # Whoever asks for these asks for what is made of them next; all of them would fill the memory.
        if self._latest is None or self._latest[0] != asked:
            self._latest = asked, self._drawn_changes(*asked)
        return self._latest[1]

    def _drawn_changes(self, entrant: Entrant, reference: Entrant, seeds: tuple[int, ...]) -> list[list[float]] | str:
        mine, theirs = self._perspectives(entrant, seeds), self._perspectives(reference, seeds)
        if isinstance(mine, str) or isinstance(theirs, str):
            return mine if isinstance(mine, str) else str(theirs)
        signs = [sign_of(self.contest, entries[0]) for entries in perspectives(self.contest).values()]
        return [_changes(a, b, s) for a, b, s in zip(mine, theirs, signs, strict=True)]

    def _perspectives(self, entrant: Entrant, seeds: tuple[int, ...]) -> list[list[float]] | str:
        """Draw every perspective's score of an entrant; a sentence when replicates are missing."""
        key = (entrant, seeds)
        if key not in self._scores:
            self._scores[key] = next(self._missing(entrant, seeds), "") or [
                self._over_seeds([self._one_seed(entrant, entries, seed) for seed in seeds], seeds)
                for entries in perspectives(self.contest).values()
            ]
        return self._scores[key]

    def _missing(self, entrant: Entrant, seeds: tuple[int, ...]) -> Iterator[str]:
        for entry in self.contest.entries():
            probe, _, metric = item = headline(entry)
            if any(entrant.records[item][seed]["replicates"] is None for seed in seeds):
                yield f"{metric} of {probe} has no replicates for {entrant.full_name}, so there is no interval"

    def _one_seed(self, entrant: Entrant, entries: Sequence[Mapping[str, Any]], seed: int) -> list[float]:
        columns = []
        for entry in entries:
            record = entrant.records[headline(entry)][seed]
            # Not the card's: it may declare no hash, and where it does, they are the same.
            data, replicates = record["probe"]["data"], record["replicates"]
            columns.append(self._resample(data, len(replicates))(replicates))
        return list(columns[0]) if len(columns) == 1 else _means(columns)

    def _resample(self, data: str, choices: int) -> Callable[[Sequence[float]], Sequence[float]]:
        """Give the function that picks a data set's draws out of its replicates."""
        key = (data, choices)
        if key not in self._examples:
            self._examples[key] = itemgetter(*picks("examples", data, choices, self.count))
        return self._examples[key]

    def _over_seeds(self, columns: list[list[float]], seeds: tuple[int, ...]) -> list[float]:
        if len(columns) == 1:
            return columns[0]
        if seeds not in self._seeds:
            flat = picks("seeds", list(seeds), len(seeds), self.count * len(seeds))
            self._seeds[seeds] = [flat[place :: len(seeds)] for place in range(len(seeds))]
        rows = list(zip(*columns, strict=True))
        return _means([list(map(getitem, rows, chosen)) for chosen in self._seeds[seeds]])


def _means(columns: Sequence[Sequence[float]]) -> list[float]:
    """Average columns draw by draw. Adding one column after the other gives the same bits everywhere, and fast."""
    totals, size = columns[0], len(columns)
    for column in columns[1:]:
        totals = list(map(add, totals, column))
    return [total / size for total in totals]


def _changes(mine: Sequence[float], theirs: Sequence[float], sign: int) -> list[float]:
    """Compare draw by draw, as `relative_change` does."""
    if 0.0 in theirs:
        return list(map(relative_change, mine, theirs, [sign] * len(mine)))
    return [sign * (value - reference) / abs(reference) for value, reference in zip(mine, theirs, strict=True)]
