"""Two rows against each other: which is better, by how much and how surely, perspective by perspective."""

from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.schema import IntegrityError, UsageError
from leaderboard.bootstrap import Bootstrap, Draws, relative_change
from leaderboard.chance import at_chance
from leaderboard.figures import unit_label
from leaderboard.intervals import leaves_out_zero, mean, percentile_interval
from leaderboard.load import Contest, Entrant
from leaderboard.lookup import Found, one_pair
from leaderboard.rank import places
from leaderboard.scores import complete_seeds, perspective_at, perspectives, sign_of
from leaderboard.significance import p_value
from leaderboard.standings import standings

_ONE_SEED = "one shared seed, so the interval covers examples only; run more seeds for a verdict"


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of the first row against the second.

    Attributes:
        key: "overall", or a perspective.
        unit: label of the unit of the two scores; empty for Overall, which has none of its own.
        better: "up" or "down".
        first: the first row's score in its own unit; None for Overall. `second` is the other's.
        change: relative change of the first against the second, signed so that up is better; for Overall the mean of
            the perspectives' changes. 0.05 is 5 % better; None where the second's score is 0.
        low: lower end of the 95 % paired bootstrap interval of `change`; `high` is the upper end.
        wins: share of the draws in which the first is better.
        p: two-sided bootstrap p-value; of Overall against vanilla, Holm-corrected as on the leaderboard where the row
            is ranked there.
        reason: why there is no change, no interval or no verdict.
        differs: whether the difference is significant at the 5 % level, whatever the random numbers of the draws.
    """

    key: str
    unit: str
    better: str
    first: float | None
    second: float | None
    change: float | None
    low: float | None
    high: float | None
    wins: float | None
    p: float | None
    reason: str
    differs: bool = False

    @property
    def verdict(self) -> str:
        """Say "better" or "worse" where the difference is significant, else "tied"; "unknown" where none can be."""
        if self.low is None or self.high is None or self.reason:
            return "unknown"
        if not self.differs:
            return "tied"
        return "better" if (self.change or 0.0) > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rows of one suite and backbone over the seeds that both completed; Overall comes first.

    `folders` are the results folders of the two rows.
    """

    suite: str
    backbone: str
    first: str
    second: str
    seeds: tuple[int, ...]
    folders: tuple[str, str]
    differences: tuple[Difference, ...]


def compare(
    first: str, second: str, *results: Path, suite: str | None = None, backbone: str | None = None
) -> Comparison:
    """Compare two rows.

    Args:
        first: ``method``, ``method:key=value``, ``method~configuration``, or a record file or a row's folder in any
            results folder.
        second: likewise.
        results: where rows given by name are looked up: both in the first folder that has both, else each in the
            first that has it.
        suite: ``name`` or ``name@version``, where the rows are in several suites.
        backbone: likewise.

    Raises:
        UsageError: no such row, several of them, or rows of different suites or backbones.
        IntegrityError: a record is refused.
    """
    return _compare(*one_pair(first, second, results, suite, backbone))


def _compare(mine: Found, theirs: Found) -> Comparison:
    contest, suite = mine.contest, f"{mine.contest.card['name']}@{mine.contest.card['version']}"
    if mine.contest.fingerprint != theirs.contest.fingerprint:
        raise IntegrityError(f"The two rows come from different states of {suite}; run them again with one of them.")
    a, b = mine.entrant, theirs.entrant
    if None not in (a.revision(), b.revision()) and a.revision() != b.revision():
        raise UsageError(f"{a.full_name} and {b.full_name} started from different revisions of {contest.backbone}.")
    seeds = tuple(sorted(_complete(mine) & _complete(theirs)))
    if not seeds:
        raise UsageError(f"{a.full_name} and {b.full_name} share no complete seed of {suite}; run them with the same.")
    folders = (str(mine.results), str(theirs.results))
    differences = _differences(contest, a, b, seeds)
    if no_verdict := _no_verdict(mine, theirs, seeds):
        differences = tuple(replace(one, reason=one.reason or no_verdict) for one in differences)
    return Comparison(suite, contest.backbone, a.full_name, b.full_name, seeds, folders, differences)


def _complete(found: Found) -> set[int]:
    complete = set(complete_seeds(found.contest, found.entrant))
    return complete if found.seeds is None else complete & set(found.seeds)


def _no_verdict(mine: Found, theirs: Found, seeds: tuple[int, ...]) -> str:
    """Say why no difference between two rows can be called significant; empty where it can."""
    if len(seeds) == 1:
        return _ONE_SEED
    reasons = {found.entrant.full_name: at_chance(found.contest, found.entrant) for found in (mine, theirs)}
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)


def _differences(contest: Contest, a: Entrant, b: Entrant, seeds: tuple[int, ...]) -> tuple[Difference, ...]:
    bootstrap = Bootstrap(contest)
    draws = bootstrap.changes(a, b, seeds)
    single = []
    for number, (name, entries) in enumerate(perspectives(contest).items()):
        mine, theirs = (mean([_known(perspective_at(who, entries, seed)) for seed in seeds]) for who in (a, b))
        metric = contest.card["metrics"][entries[0]["headline"]]
        change = relative_change(mine, theirs, sign_of(contest, entries[0])) if theirs else None
        these = draws if isinstance(draws, str) else draws[number]
        label = (name, unit_label(metric["unit"]), metric["direction"])
        single.append(_difference(label, mine, theirs, change, these))
    known = [difference.change for difference in single if difference.change is not None]
    change = mean(known) if len(known) == len(single) else None
    together = draws if isinstance(draws, str) else bootstrap.overall(a, b, seeds)
    overall = _difference(("overall", "", "up"), None, None, change, together)
    return (_corrected(contest, a, b, overall), *single)


def _corrected(contest: Contest, a: Entrant, b: Entrant, overall: Difference) -> Difference:
    """Overall against vanilla with the leaderboard's p-value and decision, where the row is ranked there."""
    row = next((one for one, other in ((a, b), (b, a)) if other is contest.vanilla() and one is not other), None)
    if row is None or row not in contest.entrants:
        return overall
    place = next(place for place in places(contest, standings(contest)) if place.standing.entrant is row)
    return overall if place.p is None else replace(overall, p=place.p, differs=place.differs)


def _difference(
    label: tuple[str, str, str], first: float | None, second: float | None, change: float | None,
    draws: Draws | str,
) -> Difference:  # fmt: skip
    if change is None:
        draws = "the second row's score is 0, so no relative change is defined"
    elif not isinstance(draws, str) and percentile_interval(draws) is None:
        draws = "the second row is at 0 in too many bootstrap draws, so there is no interval"
    if isinstance(draws, str):
        return Difference(*label, first, second, change, None, None, None, None, draws)
    low, high = percentile_interval(draws) or (0.0, 0.0)
    wins = int((draws > 0).sum()) / len(draws)
    return Difference(*label, first, second, change, low, high, wins, p_value(draws), "", leaves_out_zero(draws))


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("A complete seed has every headline value.")
    return value
