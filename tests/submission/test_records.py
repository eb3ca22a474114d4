"""Hostile submissions: records and the suite card. Each is refused with its reason."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.submission.forging import Forgery, assert_refused

Change = Callable[[dict[str, Any]], Any]


def first(record: dict[str, Any]) -> bool:
    return (record["task"]["id"], record["metric"]["id"], record["seed"]) == ("home", "accuracy", 0)


def refused(forgery: Forgery, change: Change, reason: str, only: Callable[..., bool] | None = None) -> None:
    forgery.edit_records(change, only=only)
    forgery.reseal()
    assert_refused(forgery, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(value=0.9375), "home, accuracy: the record says 0.9375, its table gives"),
        (lambda r: r.update(value=abs(r["value"] - 1e-6)), "home, accuracy: the record says"),
        (lambda r: r.update(value=None, status="unavailable", reason="No.", replicates=None), "says None, its table"),
        (lambda r: r.update(value=1.5), "is 1.5; the metric is a fraction"),
        (lambda r: r.update(value=float("nan")), "/value: is nan"),
        (lambda r: r.update(value="0.9"), "/value: is the text '0.9'"),
        (lambda r: r.update(replicates=[x * 0.99 for x in r["replicates"]]), "its replicates are not those"),
        (lambda r: r.update(replicates=r["replicates"][:5]), "its replicates are not those"),
        (
            lambda r: r.update(kind="published", source=dict.fromkeys(("paper", "table", "row", "column"), "x")),
            "belongs to a measured value",
        ),
    ],
)
def test_a_forged_value(forgery: Forgery, change: Change, reason: str) -> None:
    refused(forgery, change, reason, first)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(verification="rerun"), "/verification: is rerun; only `temper verify` may write that."),
        (lambda r: r.update(note="best"), "/note: is an unknown key"),
        (lambda r: r["cost"].update(forward=1), "/cost/forward is 1; the manifest, the tables and the suite give"),
        (lambda r: r["environment"].update(device="TPU"), '/environment/device is "TPU"'),
        (
            lambda r: r.update(value=None, status="failed", reason="Diverged.", replicates=None),
            "the row failed; a submission holds finished rows only.",
        ),
        (lambda r: r["suite"].update(fingerprint="sha256:" + "3" * 64), "the suite card's is"),
    ],
)
def test_a_forged_field_of_every_record(forgery: Forgery, change: Change, reason: str) -> None:
    refused(forgery, change, reason)


def test_records_of_two_sources(forgery: Forgery) -> None:
    source = "sha256:" + "1" * 64
    reason = "of more than one method version, source"
    refused(forgery, lambda r: r["method"].update(source=source), reason, lambda r: r["seed"] == 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda t: "\n".join(t.split("\n")[1:]), "the record is missing."),
        (lambda t: t.split("\n")[0] + "\n" + t, "repeats"),
        (lambda t: '{"seed": 0, ' + t[1:], "/seed: is a duplicate key"),
        (lambda t: t[:-40], "is not JSON"),
        (lambda _: "", "seed 0 has no records."),
    ],
)
def test_a_file_of_records_that_is_edited(forgery: Forgery, text: Callable[[str], str], reason: str) -> None:
    forgery.records().write_text(text(forgery.records().read_text()))
    forgery.reseal()
    assert_refused(forgery, reason)


def test_records_of_the_other_seed(forgery: Forgery) -> None:
    forgery.records(0).write_bytes(forgery.records(1).read_bytes())
    forgery.reseal()
    assert_refused(forgery, "/seed: is seed-1.jsonl, the path of the file says seed-0.jsonl")


# -- the suite card -------------------------------------------------------------------------------------------------


def test_a_suite_of_another_version(forgery: Forgery) -> None:
    (old,) = (forgery.folder / "records").iterdir()
    old.rename(old.with_name("tiny@9"))
    forgery.edit_manifest(lambda m: m["suite"].update(version=9))
    forgery.edit_records(lambda record: record["suite"].update(version=9))
    forgery.recard(lambda card: card.update(version=9))
    assert_refused(forgery, "The submission is of tiny@9, and this is tiny@1.")


def fewer(card: dict[str, Any]) -> None:
    card |= {key: [e for e in card[key] if "foreign" not in e.values()] for key in ("tasks", "overlap")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda card: card["training"].update(data="sha256:" + "2" * 64), "suite.json: /training/data is"),
        (lambda card: card.update(minimum_seeds=1), "suite.json: /minimum_seeds is"),
        (lambda card: card.update(earlier_fingerprints=["sha256:" + "2" * 64]), "of an older schema version"),
        (fewer, "no task foreign under anomaly"),
    ],
)
def test_another_suite_card(forgery: Forgery, change: Change, reason: str) -> None:
    forgery.recard(change)
    assert_refused(forgery, reason)
