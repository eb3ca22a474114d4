"""Hostile submissions: records and the suite card. Each is refused with its reason."""

import json
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
        (
            lambda r: r.update(value=0.9375),
            "home, accuracy: /value is 0.9375; the manifest, the tables and the suite give",
        ),
        (lambda r: r.update(value=abs(r["value"] - 1e-6)), "home, accuracy: /value is"),
        (
            lambda r: r.update(value=None, status="unavailable", reason="No.", replicates=None),
            "home, accuracy: /value is null",
        ),
        (lambda r: r.update(value=1.5), "is 1.5; the metric is a fraction"),
        (lambda r: r.update(value=float("nan")), "/value: is nan"),
        (lambda r: r.update(value="0.9"), "/value: is the text '0.9'"),
        (lambda r: r.update(replicates=[x * 0.99 for x in r["replicates"]]), "home, accuracy: /replicates is ["),
        (lambda r: r.update(replicates=r["replicates"][:5]), "home, accuracy: /replicates is ["),
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
        (lambda r: r.update(verification="rerun"), '/verification is "rerun"; the manifest'),
        (lambda r: r.update(note="best"), "/note: is an unknown key"),
        (lambda r: r["cost"].update(forward=1), "/cost/forward is 1; the manifest, the tables and the suite give"),
        (lambda r: r["environment"].update(device="TPU"), '/environment/device is "TPU"'),
        (
            lambda r: r.update(value=None, status="failed", reason="Diverged.", replicates=None),
            '/status is "failed"; the manifest',
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
        (lambda _: "", "holds no record; restore its content"),
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


def test_another_wording_of_the_suite_card_is_accepted(forgery: Forgery) -> None:
    def change(card: dict[str, Any]) -> None:
        card.update(title="Other", note="Other.")
        card["tasks"][0].update(title="Other", description="Other.")

    forgery.recard(change)
    assert forgery.problems() == []


def test_differences_of_the_suite_card_are_those_of_its_identity(forgery: Forgery) -> None:
    (path,) = forgery.folder.glob("records/*/suite.json")
    task = json.loads(path.read_text())["tasks"][0]
    more = {"n": task["n"] + 1}

    def change(card: dict[str, Any]) -> None:
        card.update(title="Other")
        for entry in (entry for entry in card["tasks"] if entry["id"] == task["id"]):
            entry.update(title="Other", **more)

    forgery.edit_records(lambda r: r["task"].update(more), only=lambda r: r["task"]["id"] == task["id"])
    forgery.recard(change)
    problems = forgery.problems()
    assert problems
    assert all("title" not in problem for problem in problems)
    assert any(f"suite.json: /tasks/{task['id']} ({task['perspective']})/n is {more['n']}" in p for p in problems)


def test_evaluation_tasks_in_another_order(forgery: Forgery) -> None:
    forgery.recard(lambda card: card["tasks"].reverse())
    assert_refused(forgery, "suite.json: /order of tasks is")


def test_records_of_an_earlier_fingerprint(forgery: Forgery) -> None:
    """The card may accept it; the suite here does not."""
    old = "sha256:" + "2" * 64
    forgery.recard(lambda card: card.update(earlier_fingerprints=[old]))
    refused(forgery, lambda r: r["suite"].update(fingerprint=old), f'/suite/fingerprint is "{old}"; the manifest')


def fewer(card: dict[str, Any]) -> None:
    card |= {key: [e for e in card[key] if "foreign" not in e.values()] for key in ("tasks", "overlap")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda card: card["training"].update(data="sha256:" + "2" * 64), "suite.json: /training/data is"),
        (lambda card: card.update(minimum_seeds=1), "suite.json: /minimum_seeds is"),
        (fewer, "no task foreign under anomaly"),
    ],
)
def test_another_suite_card(forgery: Forgery, change: Change, reason: str) -> None:
    forgery.recard(change)
    assert_refused(forgery, reason)
