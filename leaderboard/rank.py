"""The one rule by which rows are ranked; `leaderboard.words.RANK` says it in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.load import Contest
from leaderboard.pairwise import Pack
from leaderboard.significance import holm, p_value
from leaderboard.standings import Standing

RANKED, ORDERED, APART, PUBLISHED = "ranked", "ordered", "apart", "published"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a standing is shown: its group, its rank interval where it is ranked, and what to say beside it.

    `p` is the corrected p-value of its difference from vanilla, where it is ranked.
    """

    standing: Standing
    group: str
    best: int | None
    worst: int | None
    notes: tuple[str, ...]
    p: float | None = None


def places(contest: Contest, standings: Sequence[Standing]) -> list[Place]:
    """Sort standings into groups and, within the ranked group, rank them.

    Returns:
        Ranked or ordered rows first, rows shown apart next, published rows last. Ranked rows stand by rank, all
        others by overall score, both then by name.
    """
    ranked = bool(contest.card["ranked"])
    groups = {id(standing): _group(standing, ranked) for standing in standings}
    contenders = [standing for standing in standings if groups[id(standing)] == RANKED]
    ranks = dict(zip(map(id, contenders), rank_intervals([s.draws for s in contenders]), strict=True))
    values = _p_values(contest, contenders)
    found = []
    for standing in standings:
        best, worst = ranks.get(id(standing), (None, None))
        notes = _notes(standing, groups[id(standing)])
        found.append(Place(standing, groups[id(standing)], best, worst, notes, values.get(id(standing))))
    return sorted(found, key=_order)


def _p_values(contest: Contest, contenders: Sequence[Standing]) -> dict[int, float]:
    """Compare ranked rows with vanilla, corrected for how many they are."""
    compared = [standing for standing in contenders if standing.entrant is not contest.vanilla()]
    corrected = holm([p_value(standing.draws) for standing in compared])
    return dict(zip(map(id, compared), corrected, strict=True))


def rank_intervals(draws: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Rank rows by their paired draws of one score, where more is better.

    Args:
        draws: the rows' draws; position d of every row belongs to the same draw.

    Returns:
        For each row its rank, 1 + the rows that are better, and its worst place, rows - the rows it is better than.
    """
    count, packs = len(draws), [Pack.of(row) for row in draws]
    # One look at a pair tells which of the two, if any, is better: both cannot win nearly every draw.
    wins = [[0] * count for _ in range(count)]
    for i, mine in enumerate(packs):
        for j in range(i + 1, count):
            wins[i][j], wins[j][i] = mine.compared(packs[j])
    return [(1 + sum(wins[j][i] for j in range(count)), count - sum(wins[i])) for i in range(count)]


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


def _order(place: Place) -> tuple[int, int, float, str, str, str]:
    overall = place.standing.overall.value
    entrant = place.standing.entrant
    group = (RANKED, ORDERED, APART, PUBLISHED).index(place.group)
    score = float("inf") if overall is None else -overall
    return group, place.best or 0, score, entrant.name, entrant.settings, entrant.paper
