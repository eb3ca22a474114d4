"""Gradient-masking checks: signs that a row's accuracy under attack does not measure its robustness.

The thresholds are decisions; `docs/leaderboard.md` gives their reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leaderboard.figures import decimal
from leaderboard.results import PUBLISHED, RowResults, headline
from leaderboard.scores import IN_DISTRIBUTION, SectionScores, accuracy_and_bound, exceeds, loses_accuracy

UNDER_ATTACK = "accuracy_under_attack"
# Allowance for chance, as a share of examples, between accuracies on different examples or under different attacks.
MARGIN = 0.02
# Metric of a check -> the largest share of examples that is not flagged, and what it is a share of.
LIMITS = {
    "zero_gradient_share": (0.05, "examples whose input gradient is zero"),
    "stochastic_share": (0.01, "examples answered differently when asked again"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one row: its description, the two compared numbers in percent, and the outcome.

    `outcome` is "passed", "flagged", or "open" where no value could have been flagged.
    """

    title: str
    value: str
    limit: str
    outcome: str


def checks(scores: SectionScores, row: RowResults) -> tuple[Check, ...]:
    """Run every check for which the row has the values."""
    if row.kind == PUBLISHED:
        return ()
    return (*_above_clean(scores, row), *_from_records(scores, row), *_below_vanilla(scores, row))


def _above_clean(scores: SectionScores, row: RowResults) -> Iterator[Check]:
    """Check that accuracy under attack does not exceed clean accuracy, since an attack can only reduce it."""
    for entry in scores.section.entries():
        if entry["headline"] != UNDER_ATTACK:
            continue
        attacked, (clean, allowed) = _value(scores, row, entry, UNDER_ATTACK), _clean(scores, row, entry)
        if attacked is not None and clean is not None:
            title = f"Accuracy under {entry['title']} is not above the clean accuracy"
            most = min(clean + allowed, 1.0)
            yield Check(
                title, _percent(attacked), f"at most {_percent(most)}", _outcome(flagged=exceeds(attacked, most))
            )


def _below_vanilla(scores: SectionScores, row: RowResults) -> Iterator[Check]:
    """Check for a loss of clean accuracy against vanilla, since a near-constant classifier is trivially robust."""
    if (found := accuracy_and_bound(scores, row)) is not None:
        mine, least = found
        title = "Accuracy in distribution is not far below vanilla's"
        yield Check(title, _percent(mine), f"above {_percent(least)}", _outcome(flagged=loses_accuracy(mine, least)))


def _clean(scores: SectionScores, row: RowResults, attack: Mapping[str, Any]) -> tuple[float | None, float]:
    """Return the accuracy on the attacked examples if a task has exactly these, else in distribution with a margin."""
    attacked = attack["data"]
    same = [e for e in scores.section.entries() if attacked and e["data"] == attacked and e["headline"] == "accuracy"]
    entries = same or scores.section.perspectives().get(IN_DISTRIBUTION, [])
    value = scores.value(row, *map(headline, entries)) if entries else None
    return value, 0.0 if same else MARGIN


def _from_records(scores: SectionScores, row: RowResults) -> Iterator[Check]:
    for entry in scores.section.checks():
        strongest, which = _strongest(scores, row, entry)
        for metric in entry["metrics"]:
            value = _value(scores, row, entry, metric)
            if value is None:
                continue
            if metric in (UNDER_ATTACK, "accuracy") and strongest is not None:
                least = strongest - MARGIN
                where = "under" if metric == UNDER_ATTACK else "on"
                title = f"Accuracy {where} {entry['title']} is not below that under the strongest attack{which}"
                outcome = _outcome(flagged=exceeds(least, value)) if least > 0 else "open"
                yield Check(title, _percent(value), f"at least {_percent(max(least, 0.0))}", outcome)
            elif metric in LIMITS:
                most, what = LIMITS[metric]
                yield Check(
                    f"Share of {what}",
                    _percent(value),
                    f"at most {_percent(most)}",
                    _outcome(flagged=exceeds(value, most)),
                )


def _strongest(scores: SectionScores, row: RowResults, check: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the lowest accuracy under attacks on the check's examples, else under all attacks; and a label."""
    live = [entry for entry in scores.section.entries() if entry["headline"] == UNDER_ATTACK]
    same = [entry for entry in live if check["data"] and entry["data"] == check["data"]]
    values = [_value(scores, row, entry, UNDER_ATTACK) for entry in same or live]
    least = min((value for value in values if value is not None), default=None)
    return least, " on the same examples" if same else ""


def _outcome(*, flagged: bool) -> str:
    return "flagged" if flagged else "passed"


def _value(scores: SectionScores, row: RowResults, entry: Mapping[str, Any], metric: str) -> float | None:
    return scores.value(row, (entry["id"], entry["perspective"], metric))


def _percent(value: float) -> str:
    return f"{decimal(100 * value, 2)} %"
