"""Scores of the leaderboard, on values set by hand."""

import copy

import pytest

from benchmark.schema import card_fingerprint
from leaderboard import load_board
from leaderboard.ranking import detectable, ranking
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


def with_weights(suite, **weights):
    """Give a card's tasks other weights, by their ids."""
    tasks = [{**t, "weight": weights[t["id"]]} if t["id"] in weights else t for t in suite["tasks"]]
    return {**suite, "tasks": tasks}


def test_a_weight_counts_in_the_perspective_its_gain_and_its_relative_change(tmp_path):
    suite = with_weights(card(), tweets=0.25)
    write_card(tmp_path, suite)
    for name, values in (("vanilla", VANILLA), ("better", BETTER)):
        for seed in (0, 1):
            write_records(tmp_path, with_values(records(suite, Method(name), seed), values))
    row = ranked(tmp_path, "better")
    # Shift: (0.75 + 0.57 / 4) / 1.25 = 0.714 against (0.7 + 0.5 / 4) / 1.25 = 0.66.
    # Calibration: (0.03 + 0.05 / 4) / 1.25 = 0.034 against (0.04 + 0.06 / 4) / 1.25 = 0.044.
    assert row.scores.gains["shift"] == pytest.approx(0.054)
    assert row.scores.gains["calibration"] == pytest.approx(0.01)
    assert row.scores.gains["tweets", "shift", "accuracy"] == pytest.approx(0.07)
    assert row.scores.overall.value == pytest.approx((0.08 + 0.054 + 0.10 + 0.01 - 0.06) / 5)
    assert row.scores.relative.value == pytest.approx((0.1 + 0.054 / 0.66 + 0.5 + 0.01 / 0.044 - 0.1) / 5)
    (section,) = load_board(tmp_path).sections
    (better,) = (row for row in section.rows if row.method == "better")
    assert better.figures["shift"].text == "71.40"
    (shift,) = (column for column in section.perspectives if column.key == "shift")
    assert shift.definition.endswith("Mean of: Accuracy on Stores, Tweets (weight 0.25).")


def test_a_weight_counts_in_the_variances_behind_intervals_and_detectable_differences(tmp_path):
    suite = with_weights(card(), tweets=0.25)
    write_card(tmp_path, suite)
    for seed in (0, 1):
        write_records(tmp_path, with_values(records(suite, Method(), seed), VANILLA))
        values = {**VANILLA, ("tweets", "accuracy"): 0.50 + 0.1 * seed}
        found = with_values(records(suite, Method("better"), seed), values)
        for record in found:
            if (record["task"]["id"], record["metric"]["id"]) == ("tweets", "accuracy"):
                count = len(record["replicates"])
                record["replicates"] = [record["value"] + 0.01 * (-1) ** place for place in range(count)]
        write_records(tmp_path, found)
    _, (section,) = read_sections(tmp_path)
    scores = SectionScores(section)
    rows = ranking(scores)
    test = next(row for row in rows if row.scores.row.name == "better").scores.tests["shift"]
    # A fifth of the tweets' differences between seeds, 0 and 0.1, and of the deviations on their resamples, 0.01.
    assert test.between == pytest.approx(0.02**2 / 2)
    assert test.within == pytest.approx(0.002**2)
    plain = next(row for row in rows if row.scores.row.name == "better").scores.tests["overall"]
    assert plain.between == pytest.approx(test.between / 5**2)
    assert detectable(scores, rows)["overall"] == pytest.approx(detectable(scores, rows)["shift"] / 5)


def test_a_weight_of_two_is_the_item_twice_and_equal_weights_are_none(tmp_path):
    def write(name, suite, again=()):
        root = tmp_path / name
        write_card(root, suite)
        for method in (Method(), Method("better", gain=0.04)):
            for seed in method.seeds:
                found = records(card(), method, seed)
                for record in [r for r in found if (r["task"]["id"], r["task"]["perspective"]) in again]:
                    found.append(copy.deepcopy(record))
                    found[-1]["task"]["id"] += "-again"
                for record in found:
                    record["suite"]["fingerprint"] = card_fingerprint(suite)
                write_records(root, found)
        return scores_of(root, "better")

    plain = card()
    twice = {("tweets", "shift"), ("tweets", "calibration")}
    copies = [{**t, "id": f"{t['id']}-again"} for t in plain["tasks"] if (t["id"], t["perspective"]) in twice]
    doubled = write("doubled", {**plain, "tasks": [*plain["tasks"], *copies]}, twice)
    weighted = write("weighted", with_weights(plain, tweets=2))
    for name in ("shift", "calibration", "adversarial"):
        assert weighted.gains[name] == doubled.gains[name]
        assert weighted.tests[name].between == pytest.approx(doubled.tests[name].between)
        assert weighted.tests[name].within == pytest.approx(doubled.tests[name].within)
        assert weighted.tests[name].estimate.low == pytest.approx(doubled.tests[name].estimate.low)
    assert (weighted.overall.value, weighted.relative) == (doubled.overall.value, doubled.relative)

    unweighted = write("plain", plain)
    equal = write("equal", with_weights(plain, **{task["id"]: 0.3 for task in plain["tasks"]}))
    assert (equal.gains, equal.relative) == (unweighted.gains, unweighted.relative)
    assert equal.tests["shift"].within == pytest.approx(unweighted.tests["shift"].within)


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
