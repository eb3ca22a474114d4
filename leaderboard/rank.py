"""The one rule by which rows are ranked; `leaderboard.words.RANK` says it in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboard.chance import section_at_chance
from leaderboard.intervals import settled
from leaderboard.load import Contest
from leaderboard.significance import LEVEL, holm, p_value, upper_p_value
from leaderboard.standings import Standing

RANKED, ORDERED, APART, PUBLISHED = "ranked", "ordered", "apart", "published"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a standing is shown: its group, its rank interval where it is ranked, and what to say beside it.

    `p` is the corrected p-value of its difference from vanilla, where it is ranked; `differs` whether it is below the
    level whatever the random numbers of the draws (`upper_p_value`).
    """

    standing: Standing
    group: str
    best: int | None
    worst: int | None
    notes: tuple[str, ...]
    p: float | None = None
    differs: bool = False


def places(contest: Contest, standings: Sequence[Standing]) -> list[Place]:
    """Sort standings into groups and, within the ranked group, rank them.

    Returns:
        Ranked or ordered rows first, rows shown apart next, published rows last. Ranked rows stand by rank, all
        others by overall score, both then by name. Where vanilla is at chance, rows stand by name alone.
    """
    chance = bool(section_at_chance(contest))
    ranked = bool(contest.card["ranked"])
    groups = {id(standing): _group(standing, ranked) for standing in standings}
    contenders = [standing for standing in standings if groups[id(standing)] == RANKED]
    ranks = dict(zip(map(id, contenders), rank_intervals([s.draws for s in contenders]), strict=True))
    values = _p_values(contest, contenders)
    found = []
    for standing in standings:
        best, worst = ranks.get(id(standing), (None, None))
        notes = _notes(standing, groups[id(standing)])
        p, differs = values.get(id(standing), (None, False))
        found.append(Place(standing, groups[id(standing)], best, worst, notes, p, differs))
    return sorted(found, key=lambda place: _order(place, chance=chance))


def _p_values(contest: Contest, contenders: Sequence[Standing]) -> dict[int, tuple[float, bool]]:
    """Compare ranked rows with vanilla, corrected for how many they are: p-value, and whether it is surely small."""
    compared = [standing for standing in contenders if standing.entrant is not contest.vanilla()]
    values = [p_value(standing.draws) for standing in compared]
    bounds = [upper_p_value(p, len(standing.draws)) for p, standing in zip(values, compared, strict=True)]
    pairs = zip(holm(values), holm(bounds), strict=True)
    return {id(standing): (p, most < LEVEL) for standing, (p, most) in zip(compared, pairs, strict=True)}


def rank_intervals(draws: Sequence[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """Rank rows by their paired draws of one score, where more is better.

    Args:
        draws: the rows' draws; position d of every row belongs to the same draw.

    Returns:
        For each row its rank, 1 + the rows that are better, and its worst place, rows - the rows it is better than.
    """
    count = len(draws)
    wins = np.zeros((count, count), dtype=bool)
    low, high = ([float(end(row)) for row in draws] for end in (np.min, np.max))
    for i in range(count):
        for j in range(i + 1, count):
            # Most pairs of a long leaderboard are far apart, and their draws need not be compared.
            if low[i] > high[j] or low[j] > high[i]:
                wins[i, j], wins[j, i] = low[i] > high[j], low[j] > high[i]
                continue
            most = settled(len(draws[i]))
            wins[i, j] = int((draws[i] <= draws[j]).sum()) <= most
            wins[j, i] = int((draws[j] <= draws[i]).sum()) <= most
    return [(1 + int(wins[:, i].sum()), count - int(wins[i].sum())) for i in range(count)]


def _group(standing: Standing, ranked: bool) -> str:
    if standing.entrant.kind == "published":
        return PUBLISHED
    if standing.blocking or (ranked and standing.short):
        return APART
    return RANKED if ranked else ORDERED


def _notes(standing: Standing, group: str) -> tuple[str, ...]:
    if group == PUBLISHED:
        return (f"published: {standing.entrant.paper}",)
    return (*standing.blocking, *standing.short, *standing.remarks)


def _order(place: Place, *, chance: bool) -> tuple[int, int, float, str, str, str]:
    overall = place.standing.overall.value
    entrant = place.standing.entrant
    group = (RANKED, ORDERED, APART, PUBLISHED).index(place.group)
    score = float("inf") if overall is None else 0.0 if chance else -overall
    return group, place.best or 0, score, entrant.name, entrant.settings, entrant.paper
