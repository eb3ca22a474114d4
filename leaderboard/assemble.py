"""From contests and places to the board in memory."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leaderboard import words
from leaderboard.anchors import distinct, slug
from leaderboard.chance import section_at_chance
from leaderboard.columns import perspective_columns, probe_column, unit_of
from leaderboard.examples import Example, example
from leaderboard.facts import facts
from leaderboard.figures import cost_figure, decimal, metric_figure, overall_figure, unit_label
from leaderboard.load import Contest, Entrant, dropped, headline, inputs, load
from leaderboard.masking import checks
from leaderboard.rank import PUBLISHED, Place, places
from leaderboard.scores import item_estimate, perspective_estimate, perspectives
from leaderboard.standings import standings
from leaderboard.table import Board, Glossary, Measurement, Row, Section

_LISTED = 8
"""Most rows that a finding names."""


def load_board(results: Path, published: Path | None = None) -> Board:
    """Compute the board of a results folder, and of a folder of published records beside it.

    Raises:
        UsageError: there is no such folder.
        IntegrityError: a record or card is refused; every problem is listed with file, line and pointer.
    """
    with no_collector():
        suites, contests = load(results, published)
        anchors = distinct(slug(f"{_suite_name(c.card)} {c.backbone}") for c in contests)
        sections = tuple(map(_section, contests, anchors))
    return Board(
        sections=sections,
        glossaries=tuple(
            Glossary(f"about--{slug(_suite_name(suite.card))}", _suite_name(suite.card), suite.fingerprint, suite.card)
            for suite in suites
        ),
        dropped=dropped(suites, results, published),
        inputs=inputs(suites, published),
    )


@contextmanager
def no_collector() -> Iterator[None]:
    """Let the garbage collector rest: records have no cycles, and looking for some takes a quarter of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _suite_name(card: Mapping[str, Any]) -> str:
    return f"{card['name']}@{card['version']}"


def _section(contest: Contest, anchor: str) -> Section:
    card, chance = contest.card, section_at_chance(contest)
    ordered = places(contest, standings(contest))
    ranked = bool(card["ranked"]) and not chance
    rows = distinct(f"{anchor}--{slug(_full_name(place))}" for place in ordered)
    return Section(
        anchor=anchor,
        suite=_suite_name(card),
        backbone=contest.backbone,
        title=card["title"],
        note=card["note"],
        ranked=ranked,
        chance=chance,
        rule=chance or (words.RANKED if ranked else words.ORDER),
        finding=_finding(ordered),
        perspectives=perspective_columns(contest),
        probes=tuple(probe_column(contest, entry) for entry in contest.entries()),
        rows=tuple(_row(contest, place, row) for place, row in zip(ordered, rows, strict=True)),
    )


def _full_name(place: Place) -> str:
    entrant = place.standing.entrant
    return " ".join(filter(None, (entrant.name, entrant.settings, entrant.paper)))


def _finding(ordered: Sequence[Place]) -> str:
    """Say which ranked rows differ significantly from vanilla; empty where none is compared with it."""
    compared = [place for place in ordered if place.p is not None]
    differing = [place.standing for place in compared if place.differs]
    better = [one.entrant.full_name for one in differing if (one.overall.value or 0.0) > 0]
    worse = [one.entrant.full_name for one in differing if (one.overall.value or 0.0) < 0]
    if not compared:
        return ""
    rest = f"{len(compared) - len(differing)} of {len(compared)}"
    return (
        f"Significantly better than vanilla (★): {_listed(better)}. Significantly worse (★): {_listed(worse)}. "
        f"No significant difference: {rest}."
    )


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join([*names[:_LISTED], *more]) or "none"


def _row(contest: Contest, place: Place, anchor: str) -> Row:
    standing, entrant = place.standing, place.standing.entrant
    # Vanilla's change against itself is 0 by definition and says nothing.
    changes = {} if entrant is contest.vanilla() else standing.changes
    return Row(
        anchor=anchor,
        group=place.group,
        rank="" if place.best is None else str(place.best),
        worst="" if place.worst is None else str(place.worst),
        method=entrant.name,
        configuration=entrant.settings,
        overall=overall_figure(standing.overall),
        perspectives=tuple(
            metric_figure(
                perspective_estimate(entrant, entries),
                unit_of(contest, entries[0]),
                changes.get(name),
                certain=name in standing.certain,
            )
            for name, entries in perspectives(contest).items()
        ),
        probes=tuple(
            metric_figure(
                item_estimate(entrant, headline(entry)),
                unit_of(contest, entry),
                changes.get(headline(entry)),
            )
            for entry in contest.entries()
        ),
        cost=cost_figure(standing.cost),
        seeds=tuple(str(seed) for seed in entrant.measured_seeds() if seed >= 0),
        verification=_verification(place),
        notes=place.notes,
        facts=facts(entrant),
        measurements=_measurements(contest, entrant),
        p="" if place.p is None else decimal(place.p, 4),
        star="★" if place.differs else "",
        robustness=overall_figure(standing.robustness),
        checks=checks(contest, entrant),
        summary=entrant.about.get("summary", ""),
        paper=entrant.about.get("paper", ""),
        examples=_examples(contest, entrant),
    )


def _verification(place: Place) -> str:
    """The level of a row that has numbers; empty for one that has none."""
    entrant = place.standing.entrant
    if place.group == PUBLISHED:
        return "published"
    return entrant.verification() if entrant.measured_seeds() else ""


def _examples(contest: Contest, entrant: Entrant) -> tuple[tuple[str, tuple[Example, ...]], ...]:
    titles = {entry["id"]: entry["title"] for entry in contest.card["probes"]}
    return tuple((titles[attack], tuple(map(example, found))) for attack, found in entrant.examples.items())


def _measurements(contest: Contest, entrant: Entrant) -> tuple[Measurement, ...]:
    """List every metric the card lists; a published row has only what was printed."""
    found = []
    for entry in (*contest.entries(), *contest.checks()):
        for name in entry["metrics"]:
            item = (entry["id"], entry["perspective"], name)
            if entrant.kind == "published" and item not in entrant.records:
                continue
            metric = contest.card["metrics"][name]
            figure = metric_figure(item_estimate(entrant, item), metric["unit"])
            perspective = words.PERSPECTIVES[entry["perspective"]][0]
            found.append(Measurement(entry["title"], perspective, metric["title"], unit_label(metric["unit"]), figure))
    return tuple(found)
