"""Migrations: current versions pass, future ones are refused by both numbers, old ones climb step by step."""

import pytest

from benchmark.schema import IntegrityError, migrate, migrate_card, migrations
from tests.schema.golden_files import golden


def test_current_version_is_left_alone():
    assert migrate(golden("measured")) == golden("measured")
    assert migrate_card(golden("suite")) == golden("suite")


@pytest.mark.parametrize(("climb", "what"), [(migrate, "record"), (migrate_card, "suite card")])
def test_future_version_is_refused_with_both_versions(climb, what):
    with pytest.raises(IntegrityError, match=f"this {what} has schema 7, this program reads up to 1; upgrade"):
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
