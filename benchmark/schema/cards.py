"""What a suite card is: the closed list of what a complete board row holds, and the words that explain it."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import nearest
from benchmark.schema.fields import Choice, Flag, ListOf, MapOf, Maybe, Number, Problem, Scalar, Text, Whole, shape
from benchmark.schema.records import DIRECTIONS, HASH, MASKING, NAME, PERSPECTIVES, SCHEMA

CARD_SCHEMA_VERSION = 1
UNITS = ("fraction", "score", "nats", "count")

Card: TypeAlias = dict[str, Any]

TITLE = Text("a title on one line", r"[^\n\t]+", limit=200)
PROSE = Text("a description", empty=True)

_PROBE = shape(
    id=NAME,
    version=Whole(minimum=1),
    perspective=Choice(PERSPECTIVES),
    title=TITLE,
    description=PROSE,
    data=Maybe(HASH),
    n=Whole(minimum=1),
    metrics=ListOf(NAME, minimum=1),
    headline=NAME,
)
_METRIC = shape(
    version=Whole(minimum=1),
    direction=Choice(DIRECTIONS),
    title=TITLE,
    description=PROSE,
    unit=Choice(UNITS),
)
SUITE_CARD = shape(
    optional=["settings", "largest_class"],
    schema=SCHEMA,
    name=NAME,
    version=Whole(minimum=1),
    title=TITLE,
    note=PROSE,
    ranked=Flag(),
    minimum_seeds=Whole(minimum=1),
    training=shape(title=TITLE, data=HASH, n=Whole(minimum=1), description=PROSE),
    probes=ListOf(_PROBE, minimum=1),
    metrics=MapOf(_METRIC, key=NAME),
    overlap=ListOf(shape(probe=NAME, exact=Whole(), near=Whole(), n=Whole(minimum=1))),
    settings=MapOf(Scalar()),
    largest_class=MapOf(Number(), key=NAME),
)
"""`largest_class`: share of the most frequent class, 0 to 1, of each in-distribution probe whose data was read."""

_COUNTED = frozenset({"overlap", "largest_class"})
"""What a card says of data that may be missing where it was written; it is not part of the card's identity."""


def card_fingerprint(card: Mapping[str, Any]) -> str:
    """Identify a card by all that it says except what can be counted only where the probes' data is."""
    return fingerprint({key: value for key, value in card.items() if key not in _COUNTED})


def fingerprints_of(card: Mapping[str, Any]) -> tuple[str, str]:
    """Give what a record may state of its card: `card_fingerprint`, or, in older records, one with the overlaps."""
    return card_fingerprint(card), fingerprint({key: value for key, value in card.items() if key != "largest_class"})


def card_coherence(card: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what a well-formed card says that cannot be true at once."""
    seen: dict[tuple[str, str], int] = {}
    headlines: dict[str, tuple[str, str]] = {}
    for index, probe in enumerate(card["probes"]):
        pointer = f"/probes/{index}"
        first = seen.setdefault((probe["id"], probe["perspective"]), index)
        if first != index:
            yield Problem(f"{pointer}/id", f"repeats the probe and perspective of /probes/{first}; keep one.")
        yield from _probe_metrics(probe, card["metrics"], pointer)
        yield from _headline_agrees(probe, card["metrics"], headlines, pointer)
    yield from _largest_classes(card)
    yield from _same_data(card["probes"])
    yield from _overlap(card)


def _largest_classes(card: Mapping[str, Any]) -> Iterator[Problem]:
    known = {probe["id"] for probe in card["probes"]}
    for name, share in card.get("largest_class", {}).items():
        if name not in known:
            yield Problem(f"/largest_class/{name}", f"is not a probe of the card. {nearest(name, known)}")
        if not 0 < share <= 1:
            yield Problem(f"/largest_class/{name}", f"is {share}; write a share above 0 and at most 1.")


def _probe_metrics(probe: Mapping[str, Any], metrics: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
    for index, metric in enumerate(probe["metrics"]):
        where = f"{pointer}/metrics/{index}"
        if metric not in metrics:
            yield Problem(where, f"names {metric!r}, which /metrics does not define. {nearest(metric, metrics)}")
        if metric in probe["metrics"][:index]:
            yield Problem(where, f"repeats {metric!r}; keep one.")
    if probe["headline"] not in probe["metrics"]:
        hint = nearest(probe["headline"], probe["metrics"])
        yield Problem(f"{pointer}/headline", f"is not among the probe's metrics. {hint}")


def _headline_agrees(
    probe: Mapping[str, Any], metrics: Mapping[str, Any], headlines: dict[str, tuple[str, str]], pointer: str
) -> Iterator[Problem]:
    """A perspective's score is a mean over its headlines, so these need one direction and one unit."""
    headline = metrics.get(probe["headline"])
    if headline is None or probe["perspective"] == MASKING:
        return
    if headline["direction"] == "none":
        yield Problem(f"{pointer}/headline", "has no better direction; choose a metric with direction up or down.")
    this = (headline["direction"], headline["unit"])
    first = headlines.setdefault(probe["perspective"], this)
    if first != this:
        message = f"is {' in '.join(this)}, other headlines of {probe['perspective']} are {' in '.join(first)}"
        yield Problem(f"{pointer}/headline", f"{message}; a mean needs one direction and one unit.")


def _same_data(probes: list[dict[str, Any]]) -> Iterator[Problem]:
    """A probe that is read under two perspectives is still one set of examples."""
    first: dict[str, int] = {}
    for index, probe in enumerate(probes):
        other = probes[first.setdefault(probe["id"], index)]
        for field in ("version", "data", "n"):
            if probe[field] != other[field]:
                there = f"/probes/{first[probe['id']]}/{field}"
                yield Problem(f"/probes/{index}/{field}", f"differs from {there}; one probe id is one data set.")


def _overlap(card: Mapping[str, Any]) -> Iterator[Problem]:
    known = {probe["id"] for probe in card["probes"]}
    for index, entry in enumerate(card["overlap"]):
        pointer = f"/overlap/{index}"
        if entry["probe"] not in known:
            yield Problem(f"{pointer}/probe", f"is no probe of this suite. {nearest(entry['probe'], known)}")
        for field in ("exact", "near"):
            if entry[field] > entry["n"]:
                yield Problem(f"{pointer}/{field}", f"is {entry[field]} of only {entry['n']} examples; count again.")
