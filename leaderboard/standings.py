"""Standings: every entrant against vanilla, and the reasons that keep one out of the ranking."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmark.schema.errors import counted
from leaderboard.bootstrap import Bootstrap, Draws, relative_change
from leaderboard.chance import at_chance, section_at_chance
from leaderboard.intervals import Estimate, mean, percentile_interval
from leaderboard.load import Contest, Entrant, Item, headline
from leaderboard.scores import (
    GIVEN_UP,
    against_vanilla,
    complete_seeds,
    gives_up,
    missing_headlines,
    passes,
    perspective_at,
    perspectives,
    sign_of,
    value_at,
)

_NO_DRAWS: Draws = np.empty(0)
_NO_SEED = Estimate(None, reason="no complete seed shared with vanilla")


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """An entrant and how it compares with vanilla over the seeds that both have completed.

    Attributes:
        overall: mean relative change over the perspectives, signed so that up is better; 0.05 is 5 % better.
        draws: the same for every bootstrap draw; empty when there are none.
        shared: the seeds used for it.
        changes: relative change of each perspective, by its name, and of each headline, by its item.
        certain: the perspectives whose change is not to be put down to chance, each taken alone.
        robustness: the overall score without the perspective of new text of the training's own kind.
        cost: training passes relative to vanilla's over the shared seeds.
        blocking: reasons to show the row apart in every suite.
        short: reasons to show it apart where rows are ranked, and remarks where they are only ordered.
        remarks: what a reader should know and what keeps nothing out.
    """

    entrant: Entrant
    overall: Estimate
    draws: Draws = field(default_factory=lambda: _NO_DRAWS)
    shared: tuple[int, ...] = ()
    changes: dict[str | Item, float] = field(default_factory=dict)
    certain: frozenset[str] = frozenset()
    robustness: Estimate = _NO_SEED
    cost: Estimate = _NO_SEED
    blocking: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def standings(contest: Contest) -> list[Standing]:
    """Compare every entrant of a contest with its vanilla row."""
    bootstrap, vanilla = Bootstrap(contest), contest.vanilla()
    over_chance = not section_at_chance(contest)
    found = []
    for entrant in contest.entrants:
        if entrant.kind == "published":
            reason = "a published number is not compared with measured ones"
            found.append(Standing(entrant, Estimate(None, reason=reason), cost=Estimate(None, reason=reason)))
        else:
            match = _Match(contest, entrant, vanilla, _shared(contest, entrant, vanilla), over_chance)
            found.append(match.standing(bootstrap))
    return found


@dataclass(frozen=True, slots=True)
class _Match:
    """An entrant, vanilla if there is one, the seeds that both have, and whether vanilla is above chance."""

    contest: Contest
    entrant: Entrant
    vanilla: Entrant | None
    shared: tuple[int, ...]
    over_chance: bool

    def standing(self, bootstrap: Bootstrap) -> Standing:
        """Put the comparison together."""
        blocking = [*self._blocking(), *self._at_chance()]
        changes = self._changes()
        overall, draws = self._overall(changes, bootstrap)
        if overall.value is None and not blocking:
            blocking.append(overall.reason)
        short = [overall.reason] if overall.value is not None and overall.reason else []
        needed = self.contest.card["minimum_seeds"]
        if self.shared and len(self.shared) < needed:
            short.append(
                f"{counted(len(self.shared), 'seed')} complete and shared with vanilla; the suite asks for {needed}"
            )
        short += self._given_up()
        return Standing(
            self.entrant, overall, draws, self.shared, changes, self._certain(bootstrap), self._robustness(changes),
            self._cost(), tuple(blocking), tuple(short), tuple(self._remarks()),
        )  # fmt: skip

    def _blocking(self) -> Iterator[str]:
        """Yield why the row can be neither ranked nor ordered, whatever the suite."""
        if self.entrant.protocol:
            options = ", ".join(self.entrant.protocol)
            yield f"measured under protocol options ({options}), which are there to show what they are worth"
        yield from missing_headlines(self.contest, self.entrant)
        if differing := self.entrant.differing():
            yield f"its seeds were run with different {' and '.join(differing)}"
        complete = complete_seeds(self.contest, self.entrant)
        if self.vanilla is None:
            yield f"there is no vanilla row on {self.contest.backbone} to compare with"
        elif _revisions_differ(self.entrant, self.vanilla):
            yield "its backbone revision is not that of the vanilla row"
        elif complete and not self.shared:
            yield f"vanilla has no complete run with seed {', '.join(map(str, complete))}"

    def _given_up(self) -> Iterator[str]:
        """In a mean of relative changes, survived attacks outweigh any loss of accuracy."""
        found = against_vanilla(self.contest, self.entrant)
        if found is not None and gives_up(*found):
            yield (
                f"in-distribution accuracy, {100 * found[0]:.2f} %, is 5 points or more below vanilla's "
                f"({100 * (found[1] + GIVEN_UP):.2f} %)"
            )

    def _at_chance(self) -> Iterator[str]:
        """A constant answer survives every attack, and a gain over it says nothing."""
        if sentence := at_chance(self.contest, self.entrant):
            yield sentence
        elif not self.over_chance:
            yield "vanilla, with which it is compared, is not significantly better than one answer for all"

    def _remarks(self) -> Iterator[str]:
        extra = [seed for seed in complete_seeds(self.contest, self.entrant) if seed not in self.shared]
        if extra and self.shared:
            yield f"vanilla has no complete run with seed {', '.join(map(str, extra))}; not used for Overall and Cost"

    def _changes(self) -> dict[str | Item, float]:
        """Compare means over the shared seeds; a change from 0 is undefined and absent."""
        changes: dict[str | Item, float] = {}
        if self.vanilla is None or not self.shared:
            return changes
        for name, entries in perspectives(self.contest).items():
            sign = sign_of(self.contest, entries[0])
            mine, theirs = (
                mean(_known([perspective_at(who, entries, seed) for seed in self.shared]))
                for who in (self.entrant, self.vanilla)
            )
            if theirs != 0:
                changes[name] = relative_change(mine, theirs, sign)
            for item in map(headline, entries):
                mine, theirs = (
                    mean(_known([value_at(who, item, seed) for seed in self.shared]))
                    for who in (self.entrant, self.vanilla)
                )
                if theirs != 0:
                    changes[item] = relative_change(mine, theirs, sign)
        return changes

    def _overall(self, changes: dict[str | Item, float], bootstrap: Bootstrap) -> tuple[Estimate, Draws]:
        """Average the perspectives' changes, with the bootstrap interval and the draws it was cut from."""
        if self.vanilla is None or not self.shared:
            return _NO_SEED, _NO_DRAWS
        if self.entrant is self.vanilla:
            return Estimate(0.0), np.zeros(bootstrap.count)
        names = list(perspectives(self.contest))
        if undefined := [name for name in names if name not in changes]:
            reason = f"vanilla's {undefined[0]} score is 0, so no relative change is defined"
            return Estimate(None, reason=reason), _NO_DRAWS
        value = mean([changes[name] for name in names])
        draws = bootstrap.overall(self.entrant, self.vanilla, self.shared)
        if isinstance(draws, str):
            return Estimate(value, reason=draws), _NO_DRAWS
        if (interval := percentile_interval(draws)) is None:
            reason = "vanilla is at 0 in too many bootstrap draws, so there is no interval"
            return Estimate(value, reason=reason), _NO_DRAWS
        return Estimate(value, *interval), draws

    def _certain(self, bootstrap: Bootstrap) -> frozenset[str]:
        if self.vanilla is None or not self.shared or self.entrant is self.vanilla:
            return frozenset()
        return bootstrap.certain(self.entrant, self.vanilla, self.shared)

    def _robustness(self, changes: Mapping[str | Item, float]) -> Estimate:
        """Average the changes of all perspectives but the one of new text of the training's own kind."""
        names = [name for name in perspectives(self.contest) if name != "in-distribution"]
        if not names or any(name not in changes for name in names):
            return Estimate(None, reason="not every perspective has a change against vanilla")
        return Estimate(0.0 if self.entrant is self.vanilla else mean([changes[name] for name in names]))

    def _cost(self) -> Estimate:
        if self.vanilla is None or not self.shared:
            return _NO_SEED
        mine, theirs = passes(self.entrant, self.shared), passes(self.vanilla, self.shared)
        if mine is None or not theirs:
            return Estimate(None, reason="training passes are not recorded")
        return Estimate(mine / theirs)


def _shared(contest: Contest, entrant: Entrant, vanilla: Entrant | None) -> tuple[int, ...]:
    """List the seeds complete in both rows; none where the two were trained from different weights."""
    if vanilla is None or _revisions_differ(entrant, vanilla):
        return ()
    theirs = set(complete_seeds(contest, vanilla))
    return tuple(seed for seed in complete_seeds(contest, entrant) if seed in theirs)


def _revisions_differ(entrant: Entrant, vanilla: Entrant) -> bool:
    return None not in (entrant.revision(), vanilla.revision()) and entrant.revision() != vanilla.revision()


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
