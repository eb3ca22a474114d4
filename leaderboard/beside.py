"""What stands beside records: which of it belongs to a row, and which to none."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmark.schema import Dropped, Record, SuiteFolder

# What a suite card lists: (probe, perspective, metric).
Item: TypeAlias = tuple[str, str, str]


def unused_companions(suite: SuiteFolder) -> Iterator[Dropped]:
    """Yield what describes rows that are not there, and attacked texts that no record's table holds."""
    name = f"{suite.card['name']}@{suite.card['version']}"
    places = {tuple(located.file.split("/")[1:3]) for located in suite.records}
    tables = _tables(suite)
    for method in suite.companions.methods:
        if method not in {place[0] for place in places}:
            yield Dropped(f"{name}/{method}/method.json", "describes a method without records")
    for (place, attack), examples in suite.companions.examples.items():
        if any(example["table"] not in tables.get((place, attack, example["seed"]), ()) for example in examples):
            where = f"{name}/{place}/attacks/{attack}.jsonl"
            yield Dropped(where, "its examples are not of the table that the row's records were scored from")


def _tables(suite: SuiteFolder) -> dict[tuple[str, str, int], set[str]]:
    """Hashes of the attack tables that records name, by row folder, probe and seed."""
    found: dict[tuple[str, str, int], set[str]] = {}
    for located in suite.records:
        record = located.record
        if record["table"] is not None:
            place = "/".join(located.file.split("/")[1:3])
            found.setdefault((place, record["probe"]["id"], record["seed"]), set()).add(record["table"])
    return found


def examples_of(
    suite: SuiteFolder, place: str, records: Mapping[Item, Mapping[int, Record]]
) -> dict[str, list[dict[str, Any]]]:
    """Take the attacked texts of a row, as far as they come from the tables that its records name."""
    found = {}
    for attack in sorted({item[0] for item in records}):
        if examples := suite.companions.examples.get((place, attack), []):
            tables = {(seed, r["table"]) for item, rs in records.items() if item[0] == attack for seed, r in rs.items()}
            found[attack] = [example for example in examples if (example["seed"], example["table"]) in tables]
    return {attack: kept for attack, kept in found.items() if kept}
