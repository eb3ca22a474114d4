"""What a record is: its field table, its identity and its place in a results folder."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from benchmark.schema.fields import Choice, ListOf, MapOf, Maybe, Number, Scalar, Text, Whole, shape

RECORD_SCHEMA_VERSION = 1

KINDS = ("measured", "published")
# The last one checks whether the others can be believed; it enters no score.
MASKING = "masking"
PERSPECTIVES = ("in-distribution", "shift", "adversarial", "calibration", "anomaly", MASKING)
DIRECTIONS = ("up", "down", "none")
STATUSES = ("ok", "unavailable", "failed")
# From the weakest to the strongest: computed by the submitter, recomputed from the tables, trained again.
VERIFICATIONS = ("self-reported", "rescored", "rerun")

# The cells that make a table to score, and all whose keys a record may name.
SCORED_CELLS = ("predict", "inspect", "attack")
CELLS = ("train", *SCORED_CELLS, "score")

Record: TypeAlias = dict[str, Any]

NAME = Text(
    "a name of letters, digits, '.', '_', '+' and '-' that starts with a letter or a digit",
    r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    limit=80,
)
HASH = Text("sha256: and 64 hexadecimal digits in lower case", r"sha256:[0-9a-f]{64}")
CONFIGURATION = Text("settings such as 'variant=released,alpha=0.6'", r"[^\n\t]*", empty=True, limit=160)
BACKBONE_SOURCE = Text("artifact:NAME, hub:ID or folder:NAME", r"(artifact|hub|folder):\S(.*\S)?", limit=400)
REVISION = Text("sha256: and 64 hexadecimal digits, or the 40 of a commit", r"sha256:[0-9a-f]{64}|[0-9a-f]{40}")
SCHEMA = Whole(minimum=1)
LONGEST_SENTENCE = 4_000
SENTENCE = Text("a sentence", limit=LONGEST_SENTENCE)

RECORD = shape(
    optional=["protocol"],
    schema=SCHEMA,
    kind=Choice(KINDS),
    suite=shape(name=NAME, version=Whole(minimum=1), fingerprint=Maybe(HASH)),
    method=shape(
        name=NAME,
        version=Maybe(Text("a version", limit=80)),
        configuration=CONFIGURATION,
        source=Maybe(HASH),
        hyperparameters=MapOf(Scalar()),
    ),
    backbone=shape(name=NAME, source=Maybe(BACKBONE_SOURCE), revision=Maybe(REVISION)),
    seed=Maybe(Whole()),
    protocol=ListOf(NAME, minimum=1),
    probe=shape(
        id=NAME,
        version=Whole(minimum=1),
        perspective=Choice(PERSPECTIVES),
        data=Maybe(HASH),
        n=Maybe(Whole(minimum=1)),
    ),
    metric=shape(id=NAME, version=Whole(minimum=1), direction=Choice(DIRECTIONS)),
    value=Maybe(Number()),
    status=Choice(STATUSES),
    reason=Maybe(SENTENCE),
    replicates=Maybe(ListOf(Number(), minimum=2)),
    cost=Maybe(shape(forward=Whole(), backward=Whole(), input_backward=Whole())),
    environment=MapOf(Text("a text", empty=True)),
    keys=shape(optional=CELLS, **dict.fromkeys(CELLS, HASH)),
    table=Maybe(HASH),
    verification=Choice(VERIFICATIONS),
    source=Maybe(shape(paper=SENTENCE, table=SENTENCE, row=SENTENCE, column=SENTENCE)),
)


def row_key(record: Mapping[str, Any]) -> tuple[str, str, int, str, str, str, str, str]:
    """Identify the board row: kind, suite, suite version, backbone, method, configuration, protocol options, paper.

    The options are joined by commas, empty for none. The paper is empty for measured records. Two papers that print the
    same cell are two rows.
    """
    suite, method = record["suite"], record["method"]
    paper = record["source"]["paper"] if record["source"] else ""
    return (
        record["kind"], suite["name"], suite["version"], record["backbone"]["name"],
        method["name"], method["configuration"], ",".join(record.get("protocol", ())), paper,
    )  # fmt: skip


def record_key(record: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Identify the measurement: the row's key, seed (-1 for none), probe, perspective and metric.

    Two records with one key contradict or repeat each other; neither can be used.
    """
    seed = -1 if record["seed"] is None else record["seed"]
    return (*row_key(record), seed, record["probe"]["id"], record["probe"]["perspective"], record["metric"]["id"])


def method_slug(name: str, configuration: str, protocol: Iterable[str] = ()) -> str:
    """Name the folder of a method: ``roast``, or ``roast~alpha=0.6``.

    Protocol options are behind a second ``~``: ``roast~~ece-index-bug``. Settings that a folder's name cannot hold, or
    that are long, are written as far as possible, and a hash of them is behind a third ``~``. So no two rows have one
    folder, and no name has more than 255 bytes.
    """
    options = ",".join(protocol)
    written = re.sub("[^A-Za-z0-9._=,+-]", "-", configuration)
    if written == configuration and len(configuration) + len(options) <= _LONGEST_SETTINGS:
        return "~".join((name, configuration, options)).rstrip("~")
    digits = hashlib.sha256(f"{configuration}\n{options}".encode(errors="surrogatepass")).hexdigest()[:12]
    half = _LONGEST_SETTINGS // 2
    return "~".join((name, written[:half], options[:half], digits))


_LONGEST_SETTINGS = 160
"""Most characters of the settings in a folder's name, next to a name of 80 and a hash."""


def record_path(record: Mapping[str, Any]) -> str:
    """Place a record below the results folder: ``<suite>@<version>/<method>/<backbone>/seed-<n>.jsonl``.

    A published record, which has no seed, is in ``published.jsonl``.
    """
    suite, method = record["suite"], record["method"]
    seed = "published" if record["kind"] == "published" else f"seed-{record['seed']}"
    slug = method_slug(method["name"], method["configuration"], record.get("protocol", ()))
    return f"{suite['name']}@{suite['version']}/{slug}/{record['backbone']['name']}/{seed}.jsonl"


def line_order(record: Mapping[str, Any]) -> tuple[int, str, str]:
    """Sort key for the lines of a record file: perspective as listed in `PERSPECTIVES`, probe, metric."""
    probe = record["probe"]
    return PERSPECTIVES.index(probe["perspective"]), probe["id"], record["metric"]["id"]
