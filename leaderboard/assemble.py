"""From contests and places to the board in memory."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leaderboard import words
from leaderboard.examples import Example, example
from leaderboard.facts import facts
from leaderboard.figures import cost_figure, decimal, metric_figure, overall_figure, unit_label
from leaderboard.load import Contest, Entrant, dropped, headline, inputs, load
from leaderboard.masking import checks
from leaderboard.rank import PUBLISHED, Place, places
from leaderboard.scores import item_estimate, perspective_estimate, perspectives
from leaderboard.significance import LEVEL
from leaderboard.standings import standings
from leaderboard.table import Board, Column, Glossary, Measurement, Row, Section


def load_board(results: Path, published: Path | None = None) -> Board:
    """Compute the board of a results folder, and of a folder of published records beside it.

    Raises:
        UsageError: there is no such folder.
        IntegrityError: a record or card is refused; every problem is listed with file, line and pointer.
    """
    with no_collector():
        suites, contests = load(results, published)
        sections = tuple(_section(contest, f"s{number}") for number, contest in enumerate(contests, start=1))
    return Board(
        sections=sections,
        glossaries=tuple(
            Glossary(f"g{number}", _suite_name(suite.card), suite.fingerprint, suite.card)
            for number, suite in enumerate(suites, start=1)
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
    card = contest.card
    ordered = places(contest, standings(contest))
    return Section(
        anchor=anchor,
        suite=_suite_name(card),
        backbone=contest.backbone,
        title=card["title"],
        note=card["note"],
        ranked=card["ranked"],
        rule=words.RANKED if card["ranked"] else words.ORDER,
        perspectives=_perspective_columns(contest),
        probes=tuple(_probe_column(contest, entry) for entry in contest.entries()),
        rows=tuple(_row(contest, place, f"{anchor}r{number}") for number, place in enumerate(ordered, start=1)),
    )


def _perspective_columns(contest: Contest) -> tuple[Column, ...]:
    columns = []
    for name, entries in perspectives(contest).items():
        titles = " or ".join(dict.fromkeys(_metric(contest, entry)["title"] for entry in entries))
        probes = ", ".join(entry["title"] for entry in entries)
        definition = f"{titles}, averaged over {probes}." if len(entries) > 1 else f"{titles} on {probes}."
        metric = _metric(contest, entries[0])
        unit, title = unit_label(metric["unit"]), words.PERSPECTIVES[name][0]
        columns.append(Column(name, title, titles, unit, metric["direction"], title, definition))
    return tuple(columns)


def _probe_column(contest: Contest, entry: Mapping[str, Any]) -> Column:
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
                perspective_estimate(entrant, entries), _metric(contest, entries[0])["unit"], changes.get(name)
            )
            for name, entries in perspectives(contest).items()
        ),
        probes=tuple(
            metric_figure(
                item_estimate(entrant, headline(entry)), _metric(contest, entry)["unit"], changes.get(headline(entry))
            )
            for entry in contest.entries()
        ),
        cost=cost_figure(standing.cost),
        seeds=tuple(str(seed) for seed in entrant.measured_seeds() if seed >= 0),
        verification="published" if place.group == PUBLISHED else entrant.verification(),
        notes=place.notes,
        facts=facts(entrant),
        measurements=_measurements(contest, entrant),
        p="" if place.p is None else decimal(place.p, 4),
        star="★" if place.p is not None and place.p < LEVEL else "",
        robustness=overall_figure(standing.robustness),
        checks=checks(contest, entrant),
        summary=entrant.about.get("summary", ""),
        paper=entrant.about.get("paper", ""),
        examples=_examples(contest, entrant),
    )


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
