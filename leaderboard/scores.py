"""Scores: probe and perspective values of one entrant, over its own seeds or over stated ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leaderboard.intervals import Estimate, mean, over_seeds
from leaderboard.load import Contest, Entrant, Item, headline

# Passes through the model that one counted example costs: a full backward is twice a forward, a backward to the
# inputs alone is about one.
_UNITS = {"forward": 1, "backward": 2, "input_backward": 1}

GIVEN_UP = 0.05
"""Loss of in-distribution accuracy against vanilla from which a row is not ranked: 5 points."""

_ROUNDING = 1e-9
"""Differences of means below this are rounding, so that a loss of exactly 5 points is one of 5 points."""

_NAMED = 3
"""Most values with one cause that a row's note names one by one."""


def value_at(entrant: Entrant, item: Item, seed: int) -> float | None:
    """Read a value; None when there is no record or no value in it."""
    record = entrant.records.get(item, {}).get(seed)
    return None if record is None or record["value"] is None else float(record["value"])


def missing_at(entrant: Entrant, item: Item, seed: int) -> str:
    """Say why an item has no value for a seed; empty when it has one."""
    record = entrant.records.get(item, {}).get(seed)
    probe, perspective, metric = item
    where = f"{metric} of {probe} ({perspective})" + (f", seed {seed}" if seed >= 0 else "")
    if record is None:
        return f"{where}: no record"
    return "" if record["value"] is not None else f"{where}: {record['status']}, {record['reason']}"


def item_estimate(entrant: Entrant, item: Item) -> Estimate:
    """Average one item over the seeds that have it."""
    values = [(seed, value_at(entrant, item, seed)) for seed in entrant.seeds]
    reason = missing_at(entrant, item, entrant.seeds[0])
    return over_seeds([(seed, value) for seed, value in values if value is not None], reason)


def missing_headlines(contest: Contest, entrant: Entrant) -> list[str]:
    """List every headline value that a complete row has and this one has not; many with one cause are counted."""
    reasons = [missing_at(entrant, headline(entry), seed) for entry in contest.entries() for seed in entrant.seeds]
    by_cause: dict[str, list[str]] = {}
    for reason in filter(None, reasons):
        by_cause.setdefault(reason.partition(": ")[2], []).append(reason)
    return [
        sentence
        for cause, same in by_cause.items()
        for sentence in (same if len(same) <= _NAMED else [f"{_share(len(same), len(reasons))}: {cause}"])
    ]


def _share(missing: int, count: int) -> str:
    return f"without {missing} of {count} headline values" if missing < count else "nothing was measured"


def complete_seeds(contest: Contest, entrant: Entrant) -> tuple[int, ...]:
    """List the seeds that have every headline value of the suite."""
    items = [headline(entry) for entry in contest.entries()]
    return tuple(s for s in entrant.seeds if all(value_at(entrant, item, s) is not None for item in items))


def perspectives(contest: Contest) -> dict[str, list[dict[str, Any]]]:
    """Group the card's probe entries by perspective, in the order of the board's columns."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in contest.entries():
        groups.setdefault(entry["perspective"], []).append(entry)
    return groups


def perspective_at(entrant: Entrant, entries: Iterable[Mapping[str, Any]], seed: int) -> float | None:
    """Average a perspective's headline values of one seed; None unless every probe has one."""
    values = [value_at(entrant, headline(entry), seed) for entry in entries]
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None


def perspective_estimate(entrant: Entrant, entries: Sequence[Mapping[str, Any]]) -> Estimate:
    """Average a perspective over the seeds for which every one of its probes has a headline value."""
    values = [(seed, perspective_at(entrant, entries, seed)) for seed in entrant.seeds]
    points = [(seed, value) for seed, value in values if value is not None]
    reasons = (missing_at(entrant, headline(entry), seed) for entry in entries for seed in entrant.seeds)
    return over_seeds(points, "" if points else next(reason for reason in reasons if reason))


def against_vanilla(contest: Contest, entrant: Entrant) -> tuple[float, float] | None:
    """In-distribution accuracy, and the accuracy above which a row must lie: vanilla's less `GIVEN_UP`.

    None where the suite measures no such accuracy, or one of the two rows has none.
    """
    vanilla, entries = contest.vanilla(), accuracy_entries(contest)
    if vanilla is None or not entries:
        return None
    plain, mine = (perspective_estimate(row, entries).value for row in (vanilla, entrant))
    return None if plain is None or mine is None else (mine, max(plain - GIVEN_UP, 0.0))


def gives_up(accuracy: float, bound: float) -> bool:
    """Whether an accuracy is at or below the bound of `against_vanilla`."""
    return bound > 0 and not exceeds(accuracy, bound)


def exceeds(value: float, limit: float) -> bool:
    """Whether a mean is above a limit by more than rounding."""
    return value > limit + _ROUNDING


def accuracy_entries(contest: Contest) -> list[dict[str, Any]]:
    """The in-distribution entries of the card, where their headline is accuracy; else none."""
    entries = perspectives(contest).get("in-distribution", [])
    return entries if all(entry["headline"] == "accuracy" for entry in entries) else []


def largest_class(contest: Contest) -> float | None:
    """Mean share of the most frequent class over the in-distribution tasks: what one answer for every text scores.

    None where the card does not state it for each of them.
    """
    shares = contest.card.get("largest_class", {})
    entries = accuracy_entries(contest)
    if not entries or any(entry["id"] not in shares for entry in entries):
        return None
    return mean([shares[entry["id"]] for entry in entries])


def sign_of(contest: Contest, entry: Mapping[str, Any]) -> int:
    """+1 where more is better, -1 where less is better."""
    return -1 if contest.card["metrics"][entry["headline"]]["direction"] == "down" else 1


def passes(entrant: Entrant, seeds: Sequence[int]) -> float | None:
    """Average a training's cost over seeds, in forward passes of one example; None when a seed does not state it."""
    costs = [entrant.cost(seed) for seed in seeds]
    known = [sum(weight * cost[name] for name, weight in _UNITS.items()) for cost in costs if cost is not None]
    return mean(known) if known and len(known) == len(costs) else None
