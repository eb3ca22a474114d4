"""Migrations: current versions pass, future ones are refused by both numbers, old ones climb step by step."""

import json
import shutil

import pytest

from benchmark.schema import (
    IntegrityError,
    card_fingerprint,
    migrate,
    migrate_card,
    migrations,
    read_records,
    read_results,
    read_suite_card,
    suite_card_text,
)
from tests.schema.golden_files import OLDER, golden

PLACE = "tiny@1/mvp+roast~alpha=0.6,variant=released/minilm/seed-0.jsonl"


def older(name):
    return json.loads((OLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def old_results(tmp_path):
    """A results folder as version 1 wrote it."""
    file = tmp_path / PLACE
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(older("measured")) + "\n", encoding="utf-8")
    shutil.copy(OLDER / "suite.json", tmp_path / "tiny@1" / "suite.json")
    return tmp_path


@pytest.mark.parametrize("name", ["measured", "published", "unavailable"])
def test_a_record_of_version_1_becomes_the_same_record_of_version_2(name, tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(older(name)) + "\n", encoding="utf-8")
    (record,) = read_records(path)
    expected = golden(name)
    # The fingerprint says which card a record was written with, so it stays.
    expected["suite"]["fingerprint"] = older(name)["suite"]["fingerprint"]
    assert record == expected


def test_a_card_of_version_1_becomes_version_2_and_keeps_its_fingerprints():
    card = read_suite_card(OLDER / "suite.json")
    earlier = card.pop("earlier_fingerprints")
    assert card == golden("suite")
    # Version 1 hashed the card with its overlaps, and later without.
    assert earlier == [
        "sha256:0e60b3f1799b4981b0e9ce73fcad036830c208442ea0ba6e28b27079aa643c1e",
        "sha256:e1c04f89792bae78327f274241057e4eda00e4d3a198b1e9d452d9f42407b716",
    ]


def test_results_of_version_1_are_read_beside_their_card(old_results):
    (suite,) = read_results(old_results)
    assert [located.record["value"] for located in suite.records] == [golden("measured")["value"]]
    assert suite.fingerprint == card_fingerprint(golden("suite"))


def test_results_of_version_1_stay_readable_when_the_card_is_rewritten(old_results):
    path = old_results / "tiny@1" / "suite.json"
    path.write_text(suite_card_text(read_suite_card(path)), encoding="utf-8")
    assert '"schema":2' in path.read_text(encoding="utf-8").replace(" ", "")
    (suite,) = read_results(old_results)
    assert len(suite.records) == 1


def test_results_of_version_1_are_refused_beside_another_suites_card(old_results):
    card = older("suite")
    card["minimum_seeds"] = 5
    (old_results / "tiny@1" / "suite.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"/suite/fingerprint: is sha256:e1c0.*run the record again"):
        read_results(old_results)


def test_wording_is_no_part_of_a_cards_identity_and_everything_else_is():
    before = card_fingerprint(golden("suite"))
    reworded, changed = golden("suite"), golden("suite")
    for part in (reworded, reworded["training"], reworded["tasks"][0], reworded["metrics"]["accuracy"]):
        part["title"] = "Another title"
    reworded["note"] = reworded["tasks"][1]["description"] = "Said in other words."
    assert card_fingerprint(reworded) == before
    changed["tasks"][1]["metrics"] = ["accuracy", "queries"]
    assert card_fingerprint(changed) != before


@pytest.mark.parametrize("broken", [{"probes": 3}, {"overlap": [1]}, {"probe": {}}, {}])
def test_a_malformed_value_of_version_1_is_left_for_validation(broken, tmp_path):
    (tmp_path / "suite.json").write_text(json.dumps({"schema": 1, **broken}), encoding="utf-8")
    with pytest.raises(IntegrityError, match="/name"):
        read_suite_card(tmp_path / "suite.json")
    (tmp_path / "old.jsonl").write_text(json.dumps({"schema": 1, **broken}) + "\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match="/kind"):
        read_records(tmp_path / "old.jsonl")


def test_current_version_is_left_alone():
    assert migrate(golden("measured")) == golden("measured")
    assert migrate_card(golden("suite")) == golden("suite")


@pytest.mark.parametrize(("climb", "what"), [(migrate, "record"), (migrate_card, "suite card")])
def test_future_version_is_refused_with_both_versions(climb, what):
    with pytest.raises(IntegrityError, match=f"this {what} has schema 7, this program reads up to 2; upgrade"):
        climb({"schema": 7})


def test_version_without_a_way_up_is_refused():
    with pytest.raises(IntegrityError, match="no migration leads from record schema 0"):
        migrate({"schema": 0})


@pytest.mark.parametrize("schema", [None, True, "1", 1.0])
def test_unreadable_version_is_left_for_validation(schema):
    assert migrate({"schema": schema}) == {"schema": schema}


def test_old_record_climbs_one_version_at_a_time(monkeypatch):
    steps = {
        1: lambda old: {**old, "way": [*old["way"], "1 to 2"]},
        2: lambda old: {**old, "way": [*old["way"], "2 to 3"]},
    }
    monkeypatch.setattr(migrations, "RECORD_MIGRATIONS", steps)
    monkeypatch.setattr(migrations, "RECORD_SCHEMA_VERSION", 3)
    assert migrate({"schema": 1, "way": []}) == {"schema": 3, "way": ["1 to 2", "2 to 3"]}
