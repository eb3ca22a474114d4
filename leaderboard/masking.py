"""Masking checks: signs that a row's accuracy under attack says more about the attack than about the model.

The thresholds are decisions; `docs/board.md` gives their reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leaderboard.figures import decimal
from leaderboard.load import Contest, Entrant
from leaderboard.scores import against_vanilla, exceeds, gives_up, item_estimate, perspective_estimate, perspectives

UNDER_ATTACK = "accuracy_under_attack"
# What chance may do, as a share of examples, between accuracies on different examples or under different attacks.
MARGIN = 0.02
# Metric of a masking check -> the largest share of examples that is not flagged, and what it is a share of.
LIMITS = {
    "zero_gradient_share": (0.05, "examples whose input gradient is zero"),
    "stochastic_share": (0.01, "examples answered differently when asked again"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one row: what was compared, the two numbers in percent, and what came of it.

    `outcome` is "passed", "flagged", or "open" where no value could have been flagged.
    """

    title: str
    value: str
    limit: str
    outcome: str


def checks(contest: Contest, entrant: Entrant) -> tuple[Check, ...]:
    """Run every check for which the row has the values."""
    if entrant.kind == "published":
        return ()
    return (*_above_clean(contest, entrant), *_from_records(contest, entrant), *_below_vanilla(contest, entrant))


def _above_clean(contest: Contest, entrant: Entrant) -> Iterator[Check]:
    """An attack can only take accuracy away."""
    for entry in contest.entries():
        if entry["headline"] != UNDER_ATTACK:
            continue
        attacked, (clean, allowed) = _value(entrant, entry, UNDER_ATTACK), _clean(contest, entrant, entry)
        if attacked is not None and clean is not None:
            title = f"Accuracy under {entry['title']} is not above the clean accuracy"
            most = min(clean + allowed, 1.0)
            yield Check(
                title, _percent(attacked), f"at most {_percent(most)}", _outcome(flagged=exceeds(attacked, most))
            )


def _below_vanilla(contest: Contest, entrant: Entrant) -> Iterator[Check]:
    """A near-constant classifier is trivially robust."""
    if (found := against_vanilla(contest, entrant)) is not None:
        mine, least = found
        title = "Accuracy in distribution is not far below vanilla's"
        yield Check(title, _percent(mine), f"above {_percent(least)}", _outcome(flagged=gives_up(mine, least)))


def _clean(contest: Contest, entrant: Entrant, attack: Mapping[str, Any]) -> tuple[float | None, float]:
    """Accuracy on the attacked examples where a probe has just these, otherwise in distribution with a margin."""
    attacked = attack["data"]
    same = [e for e in contest.entries() if attacked and e["data"] == attacked and e["headline"] == "accuracy"]
    entries = same or perspectives(contest).get("in-distribution", [])
    value = perspective_estimate(entrant, entries).value if entries else None
    return value, 0.0 if same else MARGIN


def _from_records(contest: Contest, entrant: Entrant) -> Iterator[Check]:
    for entry in contest.checks():
        strongest, which = _strongest(contest, entrant, entry)
        for metric in entry["metrics"]:
            value = _value(entrant, entry, metric)
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


def _strongest(contest: Contest, entrant: Entrant, check: Mapping[str, Any]) -> tuple[float | None, str]:
    """Least accuracy under the attacks on the check's own examples, or under all where none is; and which, in words."""
    live = [entry for entry in contest.entries() if entry["headline"] == UNDER_ATTACK]
    same = [entry for entry in live if check["data"] and entry["data"] == check["data"]]
    values = [_value(entrant, entry, UNDER_ATTACK) for entry in same or live]
    least = min((value for value in values if value is not None), default=None)
    return least, " on the same examples" if same else ""


def _outcome(*, flagged: bool) -> str:
    return "flagged" if flagged else "passed"


def _value(entrant: Entrant, entry: Mapping[str, Any], metric: str) -> float | None:
    return item_estimate(entrant, (entry["id"], entry["perspective"], metric)).value


def _percent(value: float) -> str:
    return f"{decimal(100 * value, 2)} %"
