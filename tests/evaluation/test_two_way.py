"""Two-way scoring of three-way models, as HANS and QNLI need it, on tables made by hand."""

import math

import numpy as np
import pytest

from benchmark.evaluation.metrics import calibration, labelled_measurements
from benchmark.evaluation.metrics.probabilities import log_softmax

# entailment 0, neutral 1, contradiction 2; HANS knows entailment and not entailment, mapped to 0 and 2.
MERGE = (0, 1, 1)
TABLE = np.log(
    np.array(
        [
            [0.70, 0.20, 0.10],  # entailment: right
            [0.40, 0.35, 0.25],  # not entailment: 0.6 together, though no class alone beats 0.4
            [0.10, 0.80, 0.10],  # not entailment by neutral: right
            [0.20, 0.15, 0.65],  # not entailment by contradiction, but the label is entailment: wrong
        ]
    )
)
LABELS = np.array([0, 2, 2, 0])


def measured(*protocol: str, metrics: tuple[str, ...] = ("accuracy", "ece", "brier", "nll")) -> dict[str, float | None]:
    found = labelled_measurements(TABLE, LABELS, metrics=metrics, merge=MERGE, seed_text="hans", protocol=protocol)
    return {name: measurement.value for name, measurement in found.items()}


def test_probabilities_are_added_up_before_anything_is_scored() -> None:
    values = measured()
    assert values["accuracy"] == 3 / 4
    # Confidences 0.7, 0.6, 0.9, 0.8 in four bins of their own; the last is wrong.
    assert values["ece"] == pytest.approx((0.3 + 0.4 + 0.1 + 0.8) / 4)
    assert values["nll"] == pytest.approx(-math.log(0.7 * 0.6 * 0.9 * 0.2) / 4)
    assert values["brier"] == pytest.approx(2 * (0.3**2 + 0.4**2 + 0.1**2 + 0.8**2) / 4)


def test_neutral_prediction_counts_as_not_entailment() -> None:
    found = labelled_measurements(TABLE[2:3], LABELS[2:3], metrics=["accuracy"], merge=MERGE, seed_text="hans")
    assert found["accuracy"].value == 1
    found = labelled_measurements(TABLE[2:3], LABELS[2:3], metrics=["accuracy"], seed_text="hans")
    assert found["accuracy"].value == 0


def test_merging_after_the_argmax_equals_the_released_code() -> None:
    values = measured("merge-after-argmax")
    # predictions 0, 0, 1 -> 2, 2 against 0, 2, 2, 0
    assert values["accuracy"] == 2 / 4
    assert {name: value for name, value in values.items() if name != "accuracy"} == {
        name: value for name, value in measured().items() if name != "accuracy"
    }


def test_unmerged_ece_equals_the_released_code() -> None:
    values = measured("ece-unmerged")
    # Confidences 0.7 right, 0.4 wrong, 0.8 wrong (neutral for contradiction), 0.65 wrong; 0.7 and 0.65 share a bin.
    assert values["ece"] == pytest.approx((abs(0.7 + 0.65 - 1) + 0.4 + 0.8) / 4)
    assert (values["accuracy"], values["nll"]) == (measured()["accuracy"], measured()["nll"])


def test_replicates_follow_the_option() -> None:
    plain = labelled_measurements(TABLE, LABELS, metrics=["accuracy"], merge=MERGE, seed_text="a", resamples=50)
    after = labelled_measurements(
        TABLE, LABELS, metrics=["accuracy"], merge=MERGE, seed_text="a", resamples=50, protocol=["merge-after-argmax"]
    )
    assert plain["accuracy"].replicates is not None
    assert after["accuracy"].replicates is not None
    assert np.mean(after["accuracy"].replicates) < np.mean(plain["accuracy"].replicates)


def test_the_tuned_ece_in_both_forms_on_merged_classes() -> None:
    random = np.random.default_rng(4)
    logits, labels = random.normal(0, 2, (120, 3)), random.integers(0, 3, 120)
    asked = {"metrics": ["ece_roast"], "merge": MERGE, "seed_text": "x"}
    two_way = np.log(np.stack([np.exp(log_softmax(logits))[:, 0], np.exp(log_softmax(logits))[:, 1:].sum(axis=1)], 1))
    intended = labelled_measurements(logits, labels, **asked)["ece_roast"].value
    released = labelled_measurements(logits, labels, **asked, protocol=["ece-index-bug"])["ece_roast"].value
    unmerged = labelled_measurements(logits, labels, **asked, protocol=["ece-index-bug", "ece-unmerged"])["ece_roast"]
    merged_labels = np.minimum(labels, 1)
    assert intended == calibration.ece_roast(logits, merged_labels, merge=MERGE, seed_text="x")
    assert released == calibration.ece_roast(logits, merged_labels, merge=MERGE, seed_text="x", released=True)
    assert unmerged.value == calibration.ece_roast(logits, labels, seed_text="x", released=True)
    assert len({intended, released, unmerged.value}) == 3
    # At temperature 1 the merged table and its two-way counterpart are one and the same.
    plain = labelled_measurements(logits, labels, metrics=["ece"], merge=MERGE, seed_text="x")["ece"].value
    assert plain == pytest.approx(
        labelled_measurements(two_way, merged_labels, metrics=["ece"], seed_text="x")["ece"].value
    )


def test_options_have_no_effect_without_merging() -> None:
    names = ["accuracy", "ece", "ece_adaptive"]
    plain = labelled_measurements(TABLE, LABELS, metrics=names, seed_text="x")
    options = ["ece-unmerged", "merge-after-argmax"]
    assert labelled_measurements(TABLE, LABELS, metrics=names, seed_text="x", protocol=options) == plain
