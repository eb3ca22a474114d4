"""Select the ranked rows, explain the others, and compute ranks as `leaderboard.definitions.RANK` states."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from benchmark.schema import SANITY_CHECKS
from benchmark.schema.errors import counted
from leaderboard.bootstrap import Distribution, pair_scales
from leaderboard.intervals import NORMAL, contradictions, detectable_difference, holm, mean, variance, weighted_mean
from leaderboard.results import PUBLISHED, Item, RowResults, headline
from leaderboard.scores import (
    ACCURACY_LOSS,
    Gain,
    RowScores,
    SectionScores,
    accuracy_and_bound,
    accuracy_items,
    loses_accuracy,
    revisions_differ,
)

RANKED, ORDERED, APART, SANITY = "ranked", "ordered", "apart", "sanity"
"""Groups of rows, next to `leaderboard.results.PUBLISHED`."""

IN_ORDER = (RANKED, ORDERED)
"""Groups of the rows that a section is about: a suite has ranked rows or ordered ones."""

LEVEL = 0.05
"""A difference is significant when its corrected p-value is below this, for any random numbers of the draws."""

ENOUGH_SEEDS = 5
"""Number of seeds below which a ranked suite is said to have few."""

_NAMED = 3
"""Maximum number of values with one cause that a row's note lists individually."""


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A row with its group, its range of ranks where it is ranked, and notes.

    Attributes:
        rank: 1 + the number of significantly better rows.
        worst_rank: The other end of the range of ranks.
        p: p-value of the difference from vanilla in Overall, Holm-corrected over the ranked rows; None if not ranked.
        significant: Whether `p` is below `LEVEL`, for any random numbers of the draws.
        perspectives: Those in which the row differs significantly from vanilla after Holm's correction over all
            ranked rows and perspectives.
    """

    scores: RowScores
    group: str
    notes: tuple[str, ...]
    rank: int | None = None
    worst_rank: int | None = None
    p: float | None = None
    significant: bool = False
    perspectives: frozenset[str] = field(default_factory=frozenset)


class _CorrectedTest(NamedTuple):
    p: float
    significant: bool


def ranking(scores: SectionScores) -> list[RankedRow]:
    """Sort the rows of a section into groups and rank those that may be ranked.

    Returns:
        Ranked or ordered rows first, then rows that are not ranked, sanity checks and published rows. Ranked rows are
        sorted by rank, all others by Overall, both then by name. Where vanilla is at chance, rows are sorted by name
        alone.
    """
    chance, ranked = bool(section_at_chance(scores)), bool(scores.section.card["ranked"])
    rows = [_grouped(scores, row, chance=chance, ranked=ranked) for row in scores.section.rows]
    compared = [row for row in rows if row.group == RANKED]
    others = [row for row in compared if row.scores.row is not scores.vanilla]
    overall = _corrected(scores, others, ["overall"])
    perspectives = _corrected(scores, others, list(scores.perspectives))
    final = [row for row in rows if row.group != RANKED]
    for row, (rank, worst) in zip(compared, _rank_intervals([row.scores for row in compared]), strict=True):
        ranked_row, number = replace(row, rank=rank, worst_rank=worst), row.scores.row.number
        if row.scores.row is not scores.vanilla:
            p, significant = overall[number, "overall"]
            clear = frozenset(name for name in scores.perspectives if perspectives[number, name].significant)
            ranked_row = replace(ranked_row, p=p, significant=significant, perspectives=clear)
        final.append(ranked_row)
    return sorted(final, key=lambda row: _order(row, chance=chance))


def _rank_intervals(rows: Sequence[RowScores]) -> list[tuple[int, int]]:
    distributions = [row.distribution for row in rows if row.distribution is not None]
    return rank_intervals(distributions, pair_scales([row.score for row in rows if row.score is not None]))


def rank_intervals(rows: Sequence[Distribution], scales: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rank rows by the paired distributions of one score, where more is better.

    Args:
        rows: The rows' distributions; position d of every row belongs to the same draw.
        scales: For every two rows, the scale of the example part of their difference, see
            `leaderboard.bootstrap.pair_scales`.

    Returns:
        For each row its rank, 1 + the rows that are better, and its worst rank, rows - the rows it is better than.
    """
    count = len(rows)
    if not count:
        return []
    values = np.array([row.value + row.seeds for row in rows])
    examples = np.array([row.examples for row in rows])
    draws = values.shape[1]
    most, few = contradictions(draws), draws // 10
    better = np.zeros((count, count), dtype=bool)
    for i in range(count):
        # Check a tenth of the draws first: it has enough contradictions to show that most pairs are tied.
        first = values[i, :few] - values[:i, :few]
        first += scales[i, :i, None] * (examples[i, :few] - examples[:i, :few])
        behind, ahead = (first <= 0).sum(axis=1), (first >= 0).sum(axis=1)
        for j in np.flatnonzero((behind <= most) | (ahead <= most)):
            difference = values[i] - values[j] + scales[i, j] * (examples[i] - examples[j])
            better[i, j] = np.count_nonzero(difference <= 0) <= most
            better[j, i] = np.count_nonzero(difference >= 0) <= most
    return [(1 + int(better[:, i].sum()), count - int(better[i].sum())) for i in range(count)]


def _corrected(
    scores: SectionScores, rows: Sequence[RankedRow], names: Sequence[str]
) -> dict[tuple[int, str], _CorrectedTest]:
    """Correct the tests of rows against vanilla for their number; the keys are (number of the row, name).

    The more tests, the smaller the p-values that decide, and the fewer draws they count. So a row whose draws leave
    open whether a corrected p-value is below `LEVEL` is tested with more draws. From about 1,000 tests on, these are
    too few as well, and nothing is significant.
    """
    by_number = {row.scores.row.number: row.scores for row in rows}
    keys = [(number, name) for number in by_number for name in names]
    finer: dict[int, Mapping[str, Gain]] = {}
    while True:
        tests = [finer.get(number, by_number[number].tests)[name] for number, name in keys]
        corrected, bounds = holm(test.p for test in tests), holm(test.p_bound for test in tests)
        lowest = holm(max(2 * test.p - test.p_bound, 0.0) for test in tests)
        open_rows = {
            number: by_number[number]
            for (number, _), low, bound in zip(keys, lowest, bounds, strict=True)
            if low < LEVEL <= bound and number not in finer
        }
        if not open_rows:
            break
        finer |= {number: scores.finer_tests(row) for number, row in open_rows.items()}
    return {key: _CorrectedTest(p, bound < LEVEL) for key, p, bound in zip(keys, corrected, bounds, strict=True)}


def detectable(scores: SectionScores, rows: Sequence[RankedRow]) -> Mapping[str, float]:
    """Compute the smallest differences from vanilla that a section detects with a power of 80 %.

    The variance of a difference is averaged over the rows that are ranked or ordered. Without any, it is twice the
    variance of vanilla's values between seeds.

    Returns:
        The difference of each perspective and of "overall" as a fraction; empty if vanilla has fewer than two seeds.
    """
    seeds = () if scores.vanilla is None else scores.complete_seeds(scores.vanilla)
    if scores.vanilla is None or len(seeds) < 2:
        return {}
    compared = [row.scores for row in rows if row.group in IN_ORDER and row.scores.tests]
    several = [row for row in compared if len(row.shared) > 1]
    variances: dict[str, float] = {}
    if several:
        for name in (*scores.perspectives, "overall"):
            tests = [row.tests[name] for row in several]
            variances[name] = mean([test.between / len(seeds) + test.within for test in tests])
    else:
        by_seed = {name: dict(scores.points(scores.vanilla, *items)) for name, items in scores.perspectives.items()}
        by_seed["overall"] = {
            seed: mean([sign * by_seed[name][seed] for name, sign in scores.signs.items()]) for seed in seeds
        }
        for name, points in by_seed.items():
            variances[name] = 2 * variance([points[seed] for seed in seeds]) / len(seeds)
    return {name: detectable_difference(variance, len(seeds)) for name, variance in variances.items()}


def _order(row: RankedRow, *, chance: bool) -> tuple[int, int, float, str, str, str]:
    overall, results = row.scores.overall.value, row.scores.row
    group = (RANKED, ORDERED, APART, SANITY, PUBLISHED).index(row.group)
    score = math.inf if overall is None else 0.0 if chance else -overall
    return group, row.rank or 0, score, results.name, results.settings, results.source


def _grouped(scores: SectionScores, row: RowResults, *, chance: bool, ranked: bool) -> RankedRow:
    """Score a row and say in which group it is shown, with the reasons."""
    compared = scores.row_scores(row)
    if row.kind == PUBLISHED:
        return RankedRow(compared, PUBLISHED, (f"published: {row.source}",))
    if row.name in SANITY_CHECKS:
        return RankedRow(compared, SANITY, tuple(_blocking(scores, compared)))
    blocking = [*_blocking(scores, compared), *_chance_reasons(scores, row, vanilla_at_chance=chance)]
    if compared.overall.value is None and not blocking:
        blocking.append(compared.overall.reason)
    unranked = list(_unranked(scores, compared))
    group = APART if blocking or (ranked and unranked) else RANKED if ranked else ORDERED
    return RankedRow(compared, group, (*blocking, *unranked, *_remarks(scores, compared)))


def _blocking(scores: SectionScores, compared: RowScores) -> Iterator[str]:
    """Yield the reasons in any suite for which a row can be neither ranked nor ordered."""
    row, vanilla = compared.row, scores.vanilla
    if row.protocol:
        options = ", ".join(row.protocol)
        yield f"measured under protocol options ({options}), which are there to show what they are worth"
    yield from _missing_headlines(scores, row)
    if row.tuning.unequal:
        yield row.tuning.unequal
    if row.mixed:
        yield f"its seeds were run with different {' and '.join(row.mixed)}"
    complete = scores.complete_seeds(row)
    if vanilla is None:
        yield f"there is no vanilla row on {scores.section.backbone} to compare with"
    elif revisions_differ(row, vanilla):
        yield "its backbone revision is not that of the vanilla row"
    elif complete and not compared.shared:
        yield f"vanilla has no complete run with seed {', '.join(map(str, complete))}"


def _missing_headlines(scores: SectionScores, row: RowResults) -> Iterator[str]:
    """Yield the missing headline values of a row; many values with one cause are only counted."""
    reasons = [scores.missing(row, item, seed) for item in scores.headlines for seed in row.seeds]
    by_cause: dict[str, list[str]] = {}
    for reason in filter(None, reasons):
        by_cause.setdefault(reason.partition(": ")[2], []).append(reason)
    for cause, same in by_cause.items():
        if len(same) <= _NAMED:
            yield from same
        elif len(same) < len(reasons):
            yield f"without {len(same)} of {len(reasons)} headline values: {cause}"
        else:
            yield f"no results yet: {cause}"


def _chance_reasons(scores: SectionScores, row: RowResults, *, vanilla_at_chance: bool) -> Iterator[str]:
    """Yield the reason if a row or vanilla is at chance, since a constant classifier survives every attack."""
    if sentence := at_chance(scores, row):
        yield sentence
    elif vanilla_at_chance:
        yield "vanilla, the reference, is at chance"


def _unranked(scores: SectionScores, compared: RowScores) -> Iterator[str]:
    """Yield reasons to exclude a row from the ranks; they are remarks if rows are only ordered."""
    if compared.overall.value is not None and compared.overall.reason:
        yield compared.overall.reason
    needed = scores.section.card["minimum_seeds"]
    if compared.shared and len(compared.shared) < needed:
        seeds = f"{counted(len(compared.shared), 'seed')} complete"
        shared = "" if compared.row is scores.vanilla else " and shared with vanilla"
        yield f"{seeds}{shared}; the suite asks for {needed}"
    # Exclude a row that loses too much accuracy: survived attacks could outweigh the loss.
    accuracies = accuracy_and_bound(scores, compared.row)
    if accuracies is not None and loses_accuracy(*accuracies):
        yield (
            f"in-distribution accuracy, {100 * accuracies[0]:.2f} %, is 5 points or more below vanilla's "
            f"({100 * (accuracies[1] + ACCURACY_LOSS):.2f} %)"
        )


def _remarks(scores: SectionScores, compared: RowScores) -> Iterator[str]:
    extra = [seed for seed in scores.complete_seeds(compared.row) if seed not in compared.shared]
    if extra and compared.shared:
        yield f"vanilla has no complete run with seed {', '.join(map(str, extra))}; not used for Overall and Cost"


def section_at_chance(scores: SectionScores) -> str:
    """Return why no row of a section is ranked if its vanilla is at chance; empty otherwise."""
    reason = "" if scores.vanilla is None else at_chance(scores, scores.vanilla)
    return f"No row is ranked, because vanilla is at chance: its {reason}." if reason else ""


def at_chance(scores: SectionScores, row: RowResults) -> str:
    """Return a sentence if a row is not significantly better than a constant classifier; empty if it is, or unknown.

    A constant classifier scores the share of the largest class, survives every attack and can be well calibrated, so a
    gain of such a row, or over such a row, says nothing. A row is above it where the lower end of the 95 % interval of
    its accuracy is.
    """
    share = _largest_class(scores)
    if share is None or row.kind == PUBLISHED or not (points := scores.points(row, *accuracy_items(scores.section))):
        return ""
    accuracy = mean([value for _, value in points])
    if _lower_end(scores, row, points) > share:
        return ""
    return (
        f"in-distribution accuracy, {100 * accuracy:.2f} %, is not significantly above the share of the largest class, "
        f"{100 * share:.2f} %"
    )


def _largest_class(scores: SectionScores) -> float | None:
    """Average the share of the most frequent class over the in-distribution tasks; None if one is missing."""
    shares, items = scores.section.card.get("largest_class", {}), accuracy_items(scores.section)
    if not items or any(item[0] not in shares for item in items):
        return None
    return weighted_mean([shares[item[0]] for item in items], scores.weights_of(items))


def _lower_end(scores: SectionScores, row: RowResults, points: list[tuple[int, float]]) -> float:
    """Compute the lower end of the 95 % interval of in-distribution accuracy over examples and seeds.

    The interval has a closed form. Ends of a bootstrap over the stored resamples would depend on the few that lie in a
    tail: 5 of 200.
    """
    seeds, items = {seed for seed, _ in points}, accuracy_items(scores.section)
    counts: dict[Item, int] = {headline(entry): entry["n"] for entry in scores.section.entries()}
    weights = scores.weights_of(items)
    accuracy = mean([value for _, value in points])
    parts = []
    for item, weight in zip(items, weights, strict=True):
        share = mean([value for seed, value in scores.points(row, item) if seed in seeds])
        parts.append(_wilson_distance(share, counts[item]) * weight / math.fsum(weights))
    if len(points) > 1:
        between = variance([value for _, value in points])
        parts.append(float(stdtrit(len(points) - 1, 0.975)) * math.sqrt(between / len(points)))
    return accuracy - math.hypot(*parts)


def _wilson_distance(share: float, count: int) -> float:
    """Compute the distance of a share of `count` examples from the lower end of its 95 % interval (Wilson, 1927)."""
    square = NORMAL**2
    centre = share + square / (2 * count)
    half = NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return share - (centre - half) / (1 + square / count)
