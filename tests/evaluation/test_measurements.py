"""The measuring functions: what they ask for, what they refuse, and what they leave undefined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.evaluation.metrics import (
    HEADLINES,
    METRICS,
    AttackOutcomes,
    Detection,
    Measurement,
    Predictions,
    anomaly_measurements,
    attack_measurements,
    labelled_measurements,
    metrics_of,
)
from benchmark.evaluation.metrics.replicates import resample_indices
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError, UsageError

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (80, 3))
LABELS = RANDOM.integers(0, 3, 80)


def row(id, outcome, *, similarity=None, changed=1, queries=7, right=True):
    found = outcome in {"flipped", "survived"}
    return AttackRow(
        id=id,
        label=0,
        outcome=outcome,
        queries=queries,
        original="a b c d",
        perturbed="a b c e" if found else None,
        words=4,
        changed=changed if found else 0,
        similarity=similarity,
        reason="ValueError: no" if outcome == "error" else None,
        logits_original=((2.0, 1.0) if right else (1.0, 2.0)),
        logits_final=(1.0, 2.0) if found else None,
    )


ROWS = [
    row("1", "survived", queries=9, changed=2),
    row("2", "flipped", similarity=0.5, queries=5),
    row("3", "flipped", similarity=1.0, changed=2, queries=7),
    row("4", "skipped", queries=1, right=False),
    row("5", "budget", queries=11),
    row("6", "error", right=True),
    row("7", "error", right=False),
    row("8", "survived", queries=8),
]


def test_the_registry_is_complete_and_readable():
    assert {"accuracy", "ece", "auroc", "accuracy_under_attack"} == HEADLINES
    for name, metric in METRICS.items():
        assert metric.id == name
        assert metric.version >= 1
        assert metric.description.endswith(".")
        assert len(metric.title) < 25


def test_all_labelled_metrics_at_once():
    results = labelled_measurements(
        LOGITS, LABELS, metrics=metrics_of(Predictions), seed_text="p", temperature=2.0, validation=(LOGITS, LABELS)
    )
    assert tuple(results) == metrics_of(Predictions)
    assert all(type(result.value) is float and result.reason is None for result in results.values())
    assert {name for name, result in results.items() if result.replicates} == {"accuracy", "ece"}
    assert results["accuracy"].value == (LOGITS.argmax(axis=1) == LABELS).mean()
    halved = labelled_measurements(LOGITS / 2, LABELS, metrics=["ece"], seed_text="p")
    assert results["ece_temperature"].value == halved["ece"].value


def test_replicates_are_the_metric_on_the_shared_resamples():
    results = labelled_measurements(LOGITS, LABELS, metrics=["accuracy", "ece"], seed_text="p", resamples=7)
    for number, rows in enumerate(resample_indices(80, 7, "p")):
        again = labelled_measurements(
            LOGITS[rows], LABELS[rows], metrics=["accuracy", "ece"], seed_text="", resamples=1
        )
        for name in ("accuracy", "ece"):
            assert results[name].replicates[number] == round(again[name].value, 6)


def test_resamples_never_change():
    """Records of different methods are paired through these numbers; a library that draws others must be noticed."""
    first, second = resample_indices(10, 2, "sha256:probe")
    assert first.tolist() == [5, 5, 3, 3, 4, 1, 4, 4, 1, 3]
    assert second.tolist() == [6, 7, 2, 5, 4, 0, 4, 8, 4, 5]


@given(st.floats(0.01, 100))
@settings(deadline=None, max_examples=20)
def test_scaling_logits_keeps_accuracy(scale):
    plain = labelled_measurements(LOGITS, LABELS, metrics=["accuracy"], seed_text="p", resamples=3)
    assert labelled_measurements(LOGITS * scale, LABELS, metrics=["accuracy"], seed_text="p", resamples=3) == plain


def test_merging_comes_before_every_metric():
    merge, labels = (1, 0, 0), np.array([2, 0])
    logits = np.log(np.array([[0.4, 0.3, 0.3], [0.4, 0.1, 0.5]]))
    names = ["accuracy", "brier", "nll", "ece"]
    merged = labelled_measurements(logits, labels, metrics=names, merge=merge, seed_text="p")
    two_way = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    expected = labelled_measurements(two_way, np.array([0, 1]), metrics=names, seed_text="p")
    for name in names:
        assert merged[name].value == pytest.approx(expected[name].value)
    # The most probable of three classes is the first, yet the two others together are more probable.
    assert merged["accuracy"].value == 0.5


def test_undefined_values_have_a_reason():
    empty = labelled_measurements(np.empty((0, 3)), np.empty(0, int), metrics=["ece"], seed_text="p")
    assert empty == {"ece": Measurement(None, None, "The evaluation task has no examples.")}
    broken = LOGITS.copy()
    broken[3, 1] = np.nan
    result = labelled_measurements(broken, LABELS, metrics=["accuracy"], seed_text="p")["accuracy"]
    assert (result.value, result.replicates) == (None, None)
    assert "not finite for 1 of 80" in result.reason
    few = labelled_measurements(LOGITS[:9], LABELS[:9], metrics=["ece_roast", "ece_temperature"], seed_text="p")
    assert "10 examples" in few["ece_roast"].reason
    assert "No temperature" in few["ece_temperature"].reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS[:-1]}, "80 whole numbers"),
        ({"labels": LABELS.astype(float)}, "whole numbers"),
        ({"labels": LABELS - 1}, r"label -1 is not in 0\.\.2"),
        ({"labels": LABELS + 1}, r"label 3 is not in 0\.\.2"),
        ({"merge": (0, 1)}, "2 entries but the model has 3"),
        ({"merge": (0, 0, 0)}, "every number"),
        ({"merge": (0, 2, 2)}, "every number"),
        ({"logits": LOGITS[:, 0]}, r"\(examples, classes\)"),
        ({"logits": LOGITS[:, :1]}, "at least two"),
        ({"logits": LOGITS.astype(str)}, "must be numbers"),
        ({"temperature": 0.0}, "not above 0"),
        ({"settings_bins": 0}, "at least 1"),
        ({"resamples": 0}, "at least 1"),
    ],
)
def test_corrupt_input_is_refused(change, message):
    arguments = {"logits": LOGITS, "labels": LABELS, "metrics": ["accuracy"], "seed_text": "p"} | change
    with pytest.raises(TemperError, match=message):
        labelled_measurements(**arguments)


def test_unknown_metrics_name_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'accuracy'"):
        labelled_measurements(LOGITS, LABELS, metrics=["acuracy"], seed_text="p")
    with pytest.raises(UsageError, match=r"anomaly detection task.*Did you mean 'auroc'"):
        anomaly_measurements(LOGITS, LOGITS, metrics=["aurocs"], seed_text="p")
    with pytest.raises(UsageError, match="an attack"):
        attack_measurements(ROWS, metrics=["accuracy"], seed_text="p")


def test_all_anomaly_metrics_at_once():
    results = anomaly_measurements(
        LOGITS * 3, LOGITS[:50] / 3, metrics=metrics_of(Detection), seed_text="p", resamples=20
    )
    assert tuple(results) == metrics_of(Detection)
    assert {name for name, result in results.items() if result.replicates} == {"auroc"}
    assert results["auroc"].value > 0.8
    assert results["auroc_entropy"].value > 0.8
    assert min(results["auroc"].replicates) < results["auroc"].value < max(results["auroc"].replicates)


def test_anomaly_needs_both_sides():
    nothing = np.empty((0, 3))
    assert "no OOD texts" in anomaly_measurements(LOGITS, nothing, metrics=["auroc"], seed_text="p")["auroc"].reason
    inside = anomaly_measurements(nothing, LOGITS, metrics=["fpr95"], seed_text="p")["fpr95"]
    assert inside == Measurement(None, None, "There are no in-distribution examples.")
    broken = anomaly_measurements(LOGITS, np.full((4, 3), np.inf), metrics=["auroc"], seed_text="p")["auroc"]
    assert "not finite for 4 of 4" in broken.reason
    with pytest.raises(TemperError, match="3 classes and the OOD texts' have 2"):
        anomaly_measurements(LOGITS, LOGITS[:, :2], metrics=["auroc"], seed_text="p")


def test_attack_metrics_by_hand():
    results = attack_measurements(ROWS, metrics=metrics_of(AttackOutcomes), seed_text="p")
    values = {name: result.value for name, result in results.items()}
    assert values == {
        "accuracy_under_attack": 2 / 8,
        "attack_success_rate": 2 / 6,  # 1, 2, 3, 5, 8 and the error that was right
        "queries": (9 + 5 + 7 + 11 + 8) / 5,
        "words_changed": (1 / 4 + 2 / 4) / 2,
        "similarity": 0.75,
        "attack_errors": 2.0,
        "attack_budget": 1.0,
    }
    assert {name for name, result in results.items() if result.replicates} == {"accuracy_under_attack"}
    survived = np.array([r.outcome == "survived" for r in ROWS])
    drawn = [round(float(survived[rows].mean()), 6) for rows in resample_indices(8, 200, "p")]
    assert list(results["accuracy_under_attack"].replicates) == drawn


def test_undefined_attack_metrics():
    assert (
        attack_measurements([], metrics=["queries"], seed_text="p")["queries"].reason == "The attack has no examples."
    )
    wrong = attack_measurements([ROWS[3]], metrics=metrics_of(AttackOutcomes), seed_text="p")
    assert wrong["accuracy_under_attack"].value == 0
    assert "no example right" in wrong["attack_success_rate"].reason
    assert "finished on no example" in wrong["queries"].reason
    assert wrong["words_changed"].reason == wrong["similarity"].reason == "The attack flipped no example."
    unknown = attack_measurements([*ROWS, row("9", "flipped")], metrics=["similarity"], seed_text="p")["similarity"]
    assert unknown.reason == "The attack gave no similarity for 1 of 3 flipped examples."
    with pytest.raises(TemperError, match="duplicate example"):
        attack_measurements([ROWS[0], ROWS[0]], metrics=["queries"], seed_text="p")


def test_an_attack_of_errors_is_not_an_accuracy_of_zero():
    results = attack_measurements([ROWS[5], ROWS[6]], metrics=metrics_of(AttackOutcomes), seed_text="p")
    assert results["accuracy_under_attack"].value is None
    assert "ValueError: no" in results["accuracy_under_attack"].reason
    assert (results["attack_errors"].value, results["attack_budget"].value) == (2, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "won"},
        {"changed": 5},
        {"queries": -1},
        {"reason": "why"},
        {"outcome": "error"},
        {"perturbed": None},
        {"perturbed": None, "logits_final": None},
        {"outcome": "skipped"},
    ],
)
def test_rows_that_contradict_themselves_are_refused(change):
    from dataclasses import replace

    with pytest.raises(TemperError, match="example '2'"):
        replace(ROWS[1], **change)
