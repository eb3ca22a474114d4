"""Validation beyond the golden files: nearest names, odd Python values, and that no input makes it raise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.schema import (
    IntegrityError,
    canonical_json,
    card_fingerprint,
    fingerprint,
    method_slug,
    printable,
    record_line,
    record_path,
    row_key,
    validate_record,
    validate_suite_card,
)
from benchmark.schema.record import RecordModel
from tests.schema.golden_files import edited, golden

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(JSON, st.sampled_from(sorted(RecordModel.__annotations__)))
def test_no_value_anywhere_makes_validation_raise(value, field):
    validate_record(value)
    validate_suite_card(value)
    assert isinstance(validate_record({**golden("measured"), field: value}), list)


@pytest.mark.parametrize(
    ("pointer", "value", "hint"),
    [
        ("/metrics", {}, "Did you mean 'metric'?"),
        ("/method/hyperparameter", {}, "Did you mean 'hyperparameters'?"),
        ("/status", "Failed", "Did you mean 'failed'?"),
        ("/task/perspective", "anomaly-detection", "Did you mean 'anomaly'?"),
    ],
)
def test_near_miss_names_what_was_meant(pointer, value, hint):
    problems = validate_record(edited(golden("measured"), {pointer: value}, []))
    assert [hint in problem.message for problem in problems] == [True]


def test_nothing_is_reported_twice_for_a_record_that_is_an_empty_object():
    pointers = [problem.pointer for problem in validate_record({})]
    assert pointers == [f"/{name}" for name in RecordModel.__annotations__ if name in RecordModel.__required_keys__]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, (0.5, 0.6), b"0.5"])
def test_a_value_json_cannot_hold_is_refused(value):
    with pytest.raises(IntegrityError, match="record /value: "):
        record_line(edited(golden("measured"), {"/value": value}, []))


def test_printable_makes_any_text_a_legal_reason():
    text = "torch said: \x1b[31mNaN\x1b[0m \ud800 \r\n second line\t\u202e"
    failed = {"/value": None, "/replicates": None, "/status": "failed", "/reason": printable(text)}
    assert validate_record(edited(golden("measured"), failed, [])) == []
    assert printable("plain: ä \n\t") == "plain: ä \n\t"


def test_refused_record_lists_all_problems():
    with pytest.raises(IntegrityError) as caught:
        record_line(edited(golden("measured"), {"/seed": -1, "/task/n": 0}, []))
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["record /seed", "record /task/n"]


def test_card_may_state_settings_of_its_metrics():
    card = {**golden("suite"), "settings": {"ece_bins": 10, "resamples": 200}}
    assert validate_suite_card(card) == []
    card["settings"]["bins"] = [10]
    assert [problem.pointer for problem in validate_suite_card(card)] == ["/settings/bins"]


def test_a_weight_in_a_card_is_above_zero_and_changes_its_fingerprint():
    card = golden("suite")
    before = card_fingerprint(card)
    card["tasks"][0]["weight"] = 0.25
    assert validate_suite_card(card) == []
    assert card_fingerprint(card) != before
    card["tasks"][0]["weight"] = 0
    assert [str(problem) for problem in validate_suite_card(card)] == ["/tasks/0/weight: is 0; write a weight above 0."]


def test_a_card_needs_a_task_that_enters_a_score():
    card = golden("suite")
    card["tasks"] = [{**card["tasks"][0], "perspective": "retention"}]
    card["overlap"] = []
    assert [str(problem) for problem in validate_suite_card(card)] == [
        "/tasks: has no task that enters a score; add one."
    ]


def test_protocol_options_are_part_of_the_row_its_folder_and_are_written_one_way():
    record = {**golden("measured"), "protocol": ["ece-index-bug", "padding-attended"]}
    assert validate_record(record) == []
    assert row_key(record) != row_key(golden("measured"))
    folder = "mvp+roast~alpha=0.6,variant=released~ece-index-bug,padding-attended"
    assert record_path(record) == f"tiny@1/{folder}/minilm/seed-0.jsonl"
    assert method_slug("roast", "", ["ece-index-bug"]) == "roast~~ece-index-bug"
    for bad in (["padding-attended", "ece-index-bug"], ["ece-index-bug"] * 2, [], "ece-index-bug", ["../x"]):
        pointers = [problem.pointer for problem in validate_record({**record, "protocol": bad})]
        assert pointers[0].startswith("/protocol")
        assert len(pointers) == 1


def test_a_valid_part_does_not_vouch_for_one_that_python_calls_equal():
    record = golden("measured")
    record["cost"] = {"forward": 1, "backward": 0, "input_backward": 0}
    assert validate_record(record) == []
    for forward, backward in ((True, 0), (1.0, 0), (1, False)):
        record["cost"] = {"forward": forward, "backward": backward, "input_backward": 0}
        assert [problem.pointer for problem in validate_record(record)] == [
            "/cost/backward" if backward is False else "/cost/forward"
        ]


def test_zero_has_one_canonical_form_whatever_its_sign() -> None:
    plus, minus = {"a": [0.0]}, {"a": [-0.0]}
    assert canonical_json(plus) == canonical_json(minus)
    assert fingerprint(plus) == fingerprint(minus)
