"""Columns of scores, with definitions out of the suite's card."""

from collections.abc import Mapping
from typing import Any

from leaderboard import words
from leaderboard.figures import unit_label
from leaderboard.load import Contest
from leaderboard.scores import perspectives
from leaderboard.table import Column


def perspective_columns(contest: Contest) -> tuple[Column, ...]:
    """One column a perspective: what it asks, and which metrics of which probes it averages."""
    columns = []
    for name, entries in perspectives(contest).items():
        probes: dict[str, list[str]] = {}
        for entry in entries:
            probes.setdefault(_metric(contest, entry)["title"], []).append(entry["title"])
        titles = " or ".join(probes)
        measured = "; ".join(f"{metric} on {', '.join(found)}" for metric, found in probes.items())
        mean = "Mean of: " if len(entries) > 1 else ""
        metric = _metric(contest, entries[0])
        unit, (title, question) = unit_label(metric["unit"]), words.PERSPECTIVES[name]
        definition = f"{question} {mean}{measured}."
        columns.append(Column(name, title, titles, unit, metric["direction"], title, definition))
    return tuple(columns)


def probe_column(contest: Contest, entry: Mapping[str, Any]) -> Column:
    """The column of one probe's headline metric under one perspective."""
    metric = _metric(contest, entry)
    size = f"{entry['n']} examples" if entry["n"] else "examples not at hand"
    definition = (f"{entry['title']}, {size}.", entry["description"], metric["description"])
    return Column(
        key="/".join((entry["perspective"], entry["id"], entry["headline"])),
        title=entry["title"],
        metric=metric["title"],
        unit=unit_label(metric["unit"]),
        better=metric["direction"],
        perspective=words.PERSPECTIVES[entry["perspective"]][0],
        definition=" ".join(filter(None, definition)),
    )


def _metric(contest: Contest, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Look up the headline metric of a probe entry in the card."""
    metric: dict[str, Any] = contest.card["metrics"][entry["headline"]]
    return metric


def unit_of(contest: Contest, entry: Mapping[str, Any]) -> str:
    """Unit of a probe entry's headline metric."""
    return str(_metric(contest, entry)["unit"])
