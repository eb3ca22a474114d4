"""Scores of the leaderboard, on values set by hand."""

import pytest

from leaderboard import load_board
from leaderboard.ranking import ranking
from leaderboard.results import read_sections
from leaderboard.scores import SectionScores
from tests.leaderboard.synthetic import Method, card, digest, records, write_card, write_records, write_results

VANILLA = {
    ("reviews", "accuracy"): 0.80,
    ("stores", "accuracy"): 0.70,
    ("tweets", "accuracy"): 0.50,
    ("textfooler", "accuracy_under_attack"): 0.20,
    ("reviews", "ece"): 0.04,
    ("tweets", "ece"): 0.06,
    ("questions", "auroc"): 0.60,
}
# In points, and relative: in-distribution +8 (10 %), shift (0.75 + 0.57) / 2 against 0.60: +6 (10 %), adversarial +10
# (50 %), calibration 0.04 against 0.05: +1 (20 %), anomaly -6 (-10 %); together +3.8 (16 %).
BETTER = {
    ("reviews", "accuracy"): 0.88,
    ("stores", "accuracy"): 0.75,
    ("tweets", "accuracy"): 0.57,
    ("textfooler", "accuracy_under_attack"): 0.30,
    ("reviews", "ece"): 0.03,
    ("tweets", "ece"): 0.05,
    ("questions", "auroc"): 0.54,
}


def with_values(found, values):
    for record in found:
        value = values.get((record["task"]["id"], record["metric"]["id"]))
        if value is not None:
            record["value"] = value
            record["replicates"] = [value] * len(record["replicates"])
    return found


def ranked(root, name):
    _, (section,) = read_sections(root)
    return next(row for row in ranking(SectionScores(section)) if row.scores.row.name == name)


def scores_of(root, name):
    return ranked(root, name).scores


@pytest.fixture
def exact(tmp_path):
    suite = card()
    write_card(tmp_path, suite)
    for name, values in (("vanilla", VANILLA), ("better", BETTER)):
        for seed in (0, 1):
            write_records(tmp_path, with_values(records(suite, Method(name, cost=1000), seed), values))
    return tmp_path


def test_overall_is_the_mean_gain_in_points_signed_so_that_up_is_better(exact):
    scores = scores_of(exact, "better")
    assert scores.gains["in-distribution"] == pytest.approx(0.08)
    assert scores.gains["shift"] == pytest.approx(0.06)
    assert scores.gains["adversarial"] == pytest.approx(0.10)
    assert scores.gains["calibration"] == pytest.approx(0.01)
    assert scores.gains["anomaly"] == pytest.approx(-0.06)
    assert scores.overall.value == pytest.approx(0.038)
    assert (scores.overall.low, scores.overall.high) == (pytest.approx(0.038), pytest.approx(0.038))
    assert scores.relative.value == pytest.approx(0.16)


def test_vanilla_is_zero_by_definition(exact):
    row = ranked(exact, "vanilla")
    assert (row.scores.overall.value, row.scores.overall.low) == (0.0, None)
    assert not row.notes


def test_cost_counts_a_backward_twice_and_one_to_inputs_once(exact):
    suite = card()
    dear = Method("dear", changes={"cost": {"forward": 2000, "backward": 1500, "input_backward": 1000}})
    write_results(exact, suite, dear)
    # vanilla: 1000 forward and 1000 backward are 3000 passes; dear: 2000 + 3000 + 1000.
    assert scores_of(exact, "dear").cost.value == pytest.approx(2.0)


def test_vanilla_at_zero_takes_the_relative_change_and_nothing_else(tmp_path):
    suite = card()
    write_card(tmp_path, suite)
    broken = {**VANILLA, ("textfooler", "accuracy_under_attack"): 0.0}
    for name, values in (("vanilla", broken), ("better", BETTER)):
        for seed in (0, 1):
            write_records(tmp_path, with_values(records(suite, Method(name), seed), values))
    row = ranked(tmp_path, "better")
    assert (row.group, row.scores.overall.value) == ("ranked", pytest.approx(0.078))
    assert row.scores.relative.reason == "vanilla's adversarial score is 0, so no relative change is defined"


def test_row_is_compared_over_the_seeds_it_shares_with_vanilla(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method(seeds=(0, 1)), Method("roast", gain=0.05, seeds=(0, 1)))
    before = scores_of(tmp_path, "roast")
    write_records(tmp_path, records(suite, Method("roast", gain=-0.5), 2))
    after = ranked(tmp_path, "roast")
    assert after.scores.shared == (0, 1)
    assert after.scores.overall == before.overall
    assert after.notes[-1] == "vanilla has no complete run with seed 2; not used for Overall and Cost"


@pytest.mark.parametrize(("lost", "apart"), [(0.08, True), (0.05, True), (0.04, False)])
def test_a_row_that_gave_up_accuracy_is_shown_apart_whatever_it_gained_under_attack(tmp_path, lost, apart):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = records(suite, Method("roast", gain=0.05), seed)
        for record in found:
            if record["task"]["perspective"] == "in-distribution":
                plain = records(suite, Method(), seed)
                value = next(
                    r["value"] for r in plain if r["task"] == record["task"] and r["metric"] == record["metric"]
                )
                record |= {"value": value - lost}
        write_records(tmp_path, found)
    row = ranked(tmp_path, "roast")
    assert row.scores.overall.value is not None
    assert any("5 points or more below vanilla's" in note for note in row.notes) == apart
    assert row.group == ("apart" if apart else "ranked")
    assert not ranked(tmp_path, "vanilla").notes


def test_many_values_missing_for_one_cause_are_counted_and_not_listed(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = records(suite, Method("roast"), seed)
        for record in found:
            record |= {"value": None, "replicates": None, "status": "unavailable", "reason": "Not run."}
        write_records(tmp_path, found)
    assert ranked(tmp_path, "roast").notes == ("no results yet: unavailable, Not run.",)


def test_missing_and_failed_headlines_block_and_name_task_seed_and_reason(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = records(suite, Method("roast"), seed)
        if seed == 1:
            found = [record for record in found if record["metric"]["id"] != "auroc"]
        if seed == 2:
            attacked = next(record for record in found if record["metric"]["id"] == "accuracy_under_attack")
            attacked |= {"value": None, "replicates": None, "status": "failed", "reason": "The loss became infinite."}
        write_records(tmp_path, found)
    row = ranked(tmp_path, "roast")
    assert row.notes == (
        "accuracy_under_attack of textfooler (adversarial), seed 2: failed, The loss became infinite.",
        "auroc of questions (anomaly), seed 1: no record",
        "1 seed complete and shared with vanilla; the suite asks for 2",
    )
    assert row.scores.shared == (0,)


def test_other_metrics_may_be_missing(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = [record for record in records(suite, Method("roast"), seed) if record["metric"]["id"] != "nll"]
        write_records(tmp_path, found)
    assert ranked(tmp_path, "roast").notes == ()


def test_nothing_is_compared_without_vanilla_or_with_vanilla_of_another_backbone(tmp_path):
    write_results(tmp_path, card(), Method(backbone="other"), Method("roast"))
    _, sections = read_sections(tmp_path)
    (row,) = ranking(SectionScores(next(section for section in sections if section.backbone == "minilm")))
    assert row.scores.overall.value is None
    assert row.notes == ("there is no vanilla row on minilm to compare with",)


def test_vanilla_in_another_configuration_is_no_reference(tmp_path):
    write_results(tmp_path, card(), Method(configuration="epochs=9"), Method("roast"))
    assert ranked(tmp_path, "roast").notes == ("there is no vanilla row on minilm to compare with",)


def test_other_weights_under_the_same_backbone_name_are_not_compared(tmp_path):
    changes = {"backbone": {"name": "minilm", "source": "folder:x", "revision": digest("other weights")}}
    write_results(tmp_path, card(), Method(), Method("roast", changes=changes))
    row = ranked(tmp_path, "roast")
    assert row.scores.overall.value is None
    assert "its backbone revision is not that of the vanilla row" in row.notes


def test_seeds_of_different_sources_do_not_belong_together(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method(), Method("roast", seeds=(0, 1)))
    changed = records(suite, Method("roast"), 2)
    for record in changed:
        record["method"] |= {"source": digest("another plugin"), "hyperparameters": {"learning_rate": 0.1}}
    write_records(tmp_path, changed)
    assert ranked(tmp_path, "roast").notes == ("its seeds were run with different method sources and hyper-parameters",)


def test_missing_replicates_leave_the_value_and_take_the_interval(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = records(suite, Method("roast", gain=0.05), seed)
        for record in found:
            if record["metric"]["id"] == "auroc":
                record["replicates"] = None
        write_records(tmp_path, found)
    row = ranked(tmp_path, "roast")
    assert row.scores.overall.value == pytest.approx(0.03, abs=0.01)
    assert row.scores.overall.low is None
    assert row.notes == ("auroc of questions has no replicates for roast, so there is no interval",)


def test_only_seeds_with_a_value_are_counted_as_seeds_of_a_row(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        found = records(suite, Method("roast"), seed)
        for record in found if seed else []:
            record |= {"value": None, "replicates": None, "status": "unavailable", "reason": "Not run."}
        write_records(tmp_path, found)
    rows = {row.method: row for section in load_board(tmp_path).sections for row in section.rows}
    assert (rows["roast"].seeds, rows["vanilla"].seeds) == (("0",), ("0", "1", "2"))
    count = 3 * len([entry for entry in suite["tasks"] if entry["headline"]])
    assert rows["roast"].notes[0] == f"without {count * 2 // 3} of {count} headline values: unavailable, Not run."
