"""The measures of masking checks: each counts its own sign, and nothing is counted of what cannot be read."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.evaluation.metrics import inspection_measurements, metrics_for
from benchmark.evaluation.parquet import InspectionTable, PredictionTable, read_inspection, write_inspection
from benchmark.schema import IntegrityError, TemperError, UsageError

LOGITS = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.5, 0.0]], np.float32)
LABELS = np.array([0, 1, 1, 0], np.int32)
SLOPES = np.array([0.5, 0.0, 1e-30, 0.1], np.float32)
TABLE = InspectionTable(PredictionTable(("a", "b", "c", "d"), LABELS, LOGITS), LOGITS, SLOPES)
METRICS = metrics_for("masking")


def measured(again=LOGITS, slopes=SLOPES, logits=LOGITS, metrics=METRICS):
    return inspection_measurements(logits, again, slopes, LABELS, metrics=metrics, resamples=5, seed_text="s")


def test_each_sign_is_counted():
    again = LOGITS.copy()
    again[0] = [1.0, 1.5]
    again[3] += 0.25
    found = measured(again)
    assert {name: one.value for name, one in found.items()} == {
        "accuracy": 0.75,
        "zero_gradient_share": 0.25,
        "stochastic_share": 0.25,
    }
    assert len(found["accuracy"].replicates) == 5
    assert measured()["stochastic_share"].value == 0


def test_metrics_keep_their_order_and_others_are_refused():
    assert list(measured(metrics=["stochastic_share", "accuracy"])) == ["stochastic_share", "accuracy"]
    with pytest.raises(UsageError, match="'ece' does not exist for a masking check"):
        measured(metrics=["ece"])


@pytest.mark.parametrize("field", ["logits", "again", "slopes"])
def test_non_finite_values_are_undefined(field):
    values = {"logits": LOGITS.copy(), "again": LOGITS.copy(), "slopes": SLOPES.copy()}
    values[field][1] = np.nan
    assert {one.value for one in measured(**values).values()} == {None}


def test_tables_that_do_not_fit_together_are_refused():
    with pytest.raises(TemperError, match="do not fit together"):
        measured(again=LOGITS[:3])
    for broken in ({"again": LOGITS[:3]}, {"gradients": -SLOPES - 1}, {"gradients": SLOPES[:2]}):
        with pytest.raises(TemperError, match="An inspection of logits"):
            replace(TABLE, **broken)
    with pytest.raises(TemperError, match="needs the labels"):
        replace(TABLE, predictions=replace(TABLE.predictions, labels=None))


def test_a_check_without_examples_says_so():
    found = inspection_measurements(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), [], metrics=METRICS, seed_text="s")
    assert {one.reason for one in found.values()} == {"The check has no examples."}


def test_inspections_round_trip(tmp_path):
    path = tmp_path / "inspected.parquet"
    write_inspection(path, TABLE)
    back = read_inspection(path)
    assert back.predictions.ids == TABLE.predictions.ids
    for mine, theirs in (
        (TABLE.predictions.labels, back.predictions.labels),
        (TABLE.predictions.logits, back.predictions.logits),
        (TABLE.again, back.again),
        (TABLE.gradients, back.gradients),
    ):
        np.testing.assert_array_equal(mine, theirs)
    first = path.read_bytes()
    write_inspection(path, TABLE)
    assert path.read_bytes() == first


def test_other_tables_are_refused(tmp_path):
    path = tmp_path / "inspected.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(IntegrityError, match=r"not a readable inspection table .*inspect again"):
        read_inspection(path)
