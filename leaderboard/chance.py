"""Chance: whether a row's in-distribution accuracy is significantly above the share of the largest class.

A constant answer reaches that share, survives every attack and can be well calibrated, so a gain of such a row, or over
such a row, says nothing.
"""

import math

from leaderboard.intervals import NORMAL, mean
from leaderboard.load import Contest, Entrant, headline
from leaderboard.scores import accuracy_entries, largest_class, perspective_at, value_at


def at_chance(contest: Contest, entrant: Entrant) -> str:
    """Say that a row is not significantly more accurate than one answer for every text; empty where it is, or unknown.

    Significantly: the lower end of the 95 % interval over examples and seeds lies above the share of the largest class.
    """
    share, found = largest_class(contest), _accuracy(contest, entrant)
    if share is None or found is None or entrant.kind == "published":
        return ""
    accuracy, low = found
    if low > share:
        return ""
    return (
        f"in-distribution accuracy, {100 * accuracy:.2f} %, is not significantly above the share of the largest class, "
        f"{100 * share:.2f} %"
    )


def section_at_chance(contest: Contest) -> str:
    """Say in a sentence why no row of a section is ranked, where its vanilla is at chance; empty otherwise."""
    vanilla = contest.vanilla()
    reason = "" if vanilla is None else at_chance(contest, vanilla)
    return f"No row is ranked, since vanilla says nothing: its {reason}." if reason else ""


def _accuracy(contest: Contest, entrant: Entrant) -> tuple[float, float] | None:
    """In-distribution accuracy over seeds, and the lower end of its 95 % interval; None where there is no value.

    The interval has a closed form. Ends of a bootstrap over the stored resamples would depend on the few that lie in a
    tail: 5 of 200.
    """
    entries = accuracy_entries(contest)
    values = {seed: perspective_at(entrant, entries, seed) for seed in entrant.seeds}
    known = {seed: value for seed, value in values.items() if value is not None}
    if not entries or not known:
        return None
    accuracy = mean(list(known.values()))
    parts = []
    for entry in entries:
        by_seed = [value for seed in known if (value := value_at(entrant, headline(entry), seed)) is not None]
        parts.append(_below(mean(by_seed), entry["n"]) / len(entries))
    variance = math.fsum((value - accuracy) ** 2 for value in known.values()) / max(len(known) - 1, 1)
    parts.append(NORMAL * math.sqrt(variance / len(known)))
    return accuracy, accuracy - math.hypot(*parts)


def _below(share: float, count: int) -> float:
    """Distance of a share of `count` examples from the lower end of its 95 % interval (Wilson, 1927)."""
    square = NORMAL**2
    centre = share + square / (2 * count)
    half = NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return share - (centre - half) / (1 + square / count)
