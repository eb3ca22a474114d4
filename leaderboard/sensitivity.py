"""Dependence of a section's order on single tasks, perspectives and seeds, and of its decisions on the draws."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboard import definitions
from leaderboard.bootstrap import DRAWS, Resampling, pair_scales
from leaderboard.columns import listed
from leaderboard.figures import decimal
from leaderboard.intervals import holm, mean, p_value, upper_p_value
from leaderboard.ranking import IN_ORDER, LEVEL, RankedRow, rank_intervals
from leaderboard.results import Item, headline
from leaderboard.scores import RowScores, SectionScores

MOST_ROWS = 50
"""Number of ranked rows above which they are not: pairs of rows grow with its square, and draws take memory."""

_FEWEST_ROWS = 3
"""Number of rows below which there is no order to correlate."""

_DIGITS = 12
"""Decimals of a score that is put in order, so that equal rows tie whatever was left out."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The smallest rank correlation with the order of the table when one part of a kind is left out.

    Attributes:
        kind: "task", "perspective" or "seed".
        without: The part with which the order changes most.
        tau: Kendall's tau-b of the two orders, from -1 to 1.
    """

    kind: str
    without: str
    tau: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Sensitivity of a section.

    Attributes:
        agreements: By kind of what is left out; empty with fewer than three rows.
        draws: Number of draws with which stars and ranks were computed again; 0 if they were not.
        changes: What these draws change, a phrase per row.
    """

    agreements: tuple[Agreement, ...] = ()
    draws: int = 0
    changes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Say it in sentences; empty if there is nothing to say."""
        sentences = []
        if self.agreements:
            parts = (f"{decimal(a.tau, 2)} for a {a.kind} ({a.without})" for a in self.agreements)
            rule = "Kendall's tau-b of the order by Overall when one part is left out, at least"
            sentences.append(f"{rule}: {', '.join(parts)}.")
        if self.draws:
            changed = listed(self.changes) or "no rank and no star of Overall changes"
            sentences.append(f"With {self.draws:,} bootstrap draws instead of {DRAWS:,}, {changed}.")
        return " ".join(sentences)


def sensitivity(scores: SectionScores, rows: Sequence[RankedRow]) -> Sensitivity:
    """Leave out every task, perspective and seed in turn, and decide again with the finer draws of the scores.

    The rows are those in the order by Overall: the ranked ones, or the ordered ones where a suite has no ranks.
    """
    compared = [row for row in rows if row.group in IN_ORDER and row.scores.overall.value is not None]
    ranked = [row for row in compared if row.rank is not None]
    agreements = tuple(_agreements(scores, [row.scores for row in compared]))
    if not 1 < len(ranked) <= MOST_ROWS:
        return Sensitivity(agreements)
    return Sensitivity(agreements, scores.finer.count, tuple(_changes(ranked, scores.finer)))


def _agreements(scores: SectionScores, rows: Sequence[RowScores]) -> Iterator[Agreement]:
    """Yield the smallest correlation of each kind; none for a kind without which a row has no Overall."""
    order = [_overall(scores, row, scores.perspectives) for row in rows]
    if len(rows) < _FEWEST_ROWS or len(set(order)) == 1:
        return
    by_kind: dict[str, list[Agreement]] = {}
    for kind, title, perspectives, left_out in _parts(scores, rows):
        seeds = [tuple(seed for seed in row.shared if seed != left_out) for row in rows]
        kept = [replace(row, shared=shared) for row, shared in zip(rows, seeds, strict=True)]
        other = [_overall(scores, row, perspectives) for row in kept]
        if None not in other:
            by_kind.setdefault(kind, []).append(Agreement(kind, title, _tau(order, other)))
    yield from (min(agreements, key=lambda agreement: agreement.tau) for agreements in by_kind.values())


def _parts(
    scores: SectionScores, rows: Sequence[RowScores]
) -> Iterator[tuple[str, str, Mapping[str, tuple[Item, ...]], int | None]]:
    """Yield kind and title of each part, and what is left without it: items by perspective, and the seed to leave out.

    A task is a column of the table of tasks. A perspective that has no other task is left out with it.
    """
    titles = {name: definitions.PERSPECTIVES[name][0] for name in scores.perspectives}
    for entry in scores.section.entries():
        one = headline(entry)
        left = {name: tuple(item for item in items if item != one) for name, items in scores.perspectives.items()}
        kept = {name: items for name, items in left.items() if items}
        yield "task", f"{titles[entry['perspective']]}: {entry['title']}", kept, None
    for name, title in titles.items():
        yield "perspective", title, {n: items for n, items in scores.perspectives.items() if n != name}, None
    for seed in sorted({seed for row in rows for seed in row.shared}):
        yield "seed", f"seed {seed}", scores.perspectives, seed


def _overall(scores: SectionScores, row: RowScores, perspectives: Mapping[str, tuple[Item, ...]]) -> float | None:
    """Compute Overall from some items of each perspective over a row's shared seeds; None without items or a seed."""
    if not row.shared or not perspectives:
        return None
    if row.row is scores.vanilla:
        return 0.0
    gains = [scores.gain(row, scores.perspectives[name][0][2], *items) for name, items in perspectives.items()]
    known = [gain for gain in gains if gain is not None]
    return round(mean(known), _DIGITS) if len(known) == len(gains) else None


def _tau(order: Sequence[float | None], other: Sequence[float | None]) -> float:
    """Compute Kendall's tau-b; 0 if the other order has nothing but ties."""
    # scipy.stats is slow to load, and most small leaderboards have nothing to correlate.
    from scipy.stats import kendalltau

    tau = float(kendalltau(order, other).statistic)
    return 0.0 if math.isnan(tau) else round(tau, _DIGITS)


def _changes(rows: Sequence[RankedRow], finer: Resampling) -> Iterator[str]:
    """Yield for each ranked row what more draws change: its rank, the other end of its range, or its star."""
    for row, (rank, worst, star) in zip(rows, decisions(rows, finer), strict=True):
        name = row.scores.row.full_name
        if (rank, worst) != (row.rank, row.worst_rank):
            yield f"{name} has rank {_range(rank, worst)} instead of {_range(row.rank, row.worst_rank)}"
        if star != row.significant:
            yield f"{name} {'gains its' if star else 'loses its'} star"


def _range(rank: int | None, worst: int | None) -> str:
    return f"{rank}" if rank == worst else f"{rank} ({rank} to {worst})"


def decisions(rows: Sequence[RankedRow], resampling: Resampling) -> list[tuple[int, int, bool]]:
    """Decide about ranked rows with other draws: rank, worst rank, and whether Overall has a star."""
    known = [row.scores.score for row in rows if row.scores.score is not None]
    distributions = [resampling.distribution(score) for score in known]
    tested = [place for place, row in enumerate(rows) if row.p is not None]
    bounds = holm(upper_p_value(p_value(distributions[place].draws), resampling.count) for place in tested)
    stars = {place for place, bound in zip(tested, bounds, strict=True) if bound < LEVEL}
    ranks = rank_intervals(distributions, pair_scales(known))
    return [(rank, worst, place in stars) for place, (rank, worst) in enumerate(ranks)]
