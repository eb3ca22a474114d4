"""The table of all records, and how its records become sections and rows."""

import math

import pytest

from benchmark.schema import UsageError, card_fingerprint
from leaderboard import load_results
from leaderboard.results import ResultRecord, read_sections
from tests.leaderboard.synthetic import Method, card, published, records, write_published, write_records, write_results


def test_every_record_is_a_line(results, tmp_path):
    write_published(tmp_path / "printed", [published(card(), "roast", "A. Author (2020)", "stores", 0.86)])
    frame = load_results(results, tmp_path / "printed")
    assert tuple(frame.columns) == ResultRecord._fields
    suite, count = card(), sum(len(task["metrics"]) for task in card()["tasks"])
    assert len(frame) == 2 * 3 * count + 1
    (record,) = [r for r in records(suite, Method(), 1) if (r["task"]["id"], r["metric"]["id"]) == ("tweets", "ece")]
    chosen = frame[(frame["method"] == "vanilla") & (frame["seed"] == 1) & (frame["task"] == "tweets")]
    (line,) = chosen[chosen["metric"] == "ece"].itertuples()
    assert (line.suite, line.version, line.backbone, line.perspective) == ("toy", 1, "minilm", "calibration")
    assert (line.value, line.direction, line.replicates) == (record["value"], "down", record["replicates"])
    assert (line.kind, line.status, line.examples, line.cost) == ("measured", "ok", 200, record["cost"])
    assert line.file == "toy@1/vanilla/minilm/seed-1.jsonl"
    (printed,) = frame[frame["kind"] == "published"].itertuples()
    assert (printed.seed, printed.paper, printed.value, printed.cost) == (-1, "A. Author (2020)", 0.86, None)


def test_a_missing_value_is_nan_with_its_reason(results):
    found = records(card(), Method("roast"), 0)
    found[0] |= {"value": None, "replicates": None, "status": "failed", "reason": "The loss became infinite."}
    write_records(results, found)
    frame = load_results(results)
    (line,) = frame[frame["status"] != "ok"].itertuples()
    assert math.isnan(line.value)
    assert (line.status, line.reason) == ("failed", "The loss became infinite.")


def test_values_are_numbers_that_pandas_averages(results):
    means = load_results(results).groupby(["method", "metric"])["value"].mean()
    vanilla = [r["value"] for seed in range(3) for r in records(card(), Method(), seed) if r["metric"]["id"] == "auroc"]
    assert means["vanilla", "auroc"] == pytest.approx(sum(vanilla) / 3)


def test_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="There is no folder"):
        load_results(tmp_path / "none")


def test_an_empty_folder_is_an_empty_table(tmp_path):
    frame = load_results(tmp_path)
    assert (len(frame), tuple(frame.columns)) == (0, ResultRecord._fields)


def test_sections_hold_the_rows_of_one_suite_and_backbone(full_results):
    suites, sections = read_sections(full_results)
    assert [suite.card["name"] for suite in suites] == ["toy", "demo"]
    assert [(section.suite, section.backbone) for section in sections] == [
        ("toy@1", "minilm"), ("toy@1", "roberta"), ("demo@1", "minilm"),
    ]  # fmt: skip
    first = sections[0]
    assert first.fingerprint == card_fingerprint(card())
    assert [row.full_name for row in first.rows if row.kind == "measured"] == [
        "recadam", "rift", "roast", "roast (alpha=0.6,variant=released)", "vanilla",
    ]  # fmt: skip
    assert [row.source for row in first.rows if row.kind == "published"] == ["A. Author (2020), No such paper"]
    for row in first.rows:
        records_of_row = first.frame[first.frame["row"] == row.number]
        assert set(records_of_row["method"]) == {row.name}
        assert tuple(sorted(set(records_of_row["seed"]))) == row.seeds


def test_facts_list_what_differs_between_seeds(tmp_path):
    write_results(tmp_path, card(), Method(seeds=(2, 0)))
    other = {"cost": {"forward": 1, "backward": 2, "input_backward": 3}, "environment": {"python": "3.13.0"}}
    write_results(tmp_path, card(), Method(seeds=(1,), changes=other))
    (section,) = read_sections(tmp_path)[1]
    facts = dict(section.rows[0].facts)
    assert facts["Environment"] == "device cpu, python 3.11.7; python 3.13.0"
    assert facts["Training passes"] == (
        "4000 forward, 4000 backward, 0 backward to inputs only; 1 forward, 2 backward, 3 backward to inputs only"
    )
    assert facts["Hyper-parameters"] == "learning_rate 0.0001"
