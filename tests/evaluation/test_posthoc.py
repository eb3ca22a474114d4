"""Post-hoc calibrators of netcal against scikit-learn, hand-made bins, and a fit by scipy."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmark.evaluation.metrics import fit_temperature, labelled_measurements, posthoc
from benchmark.evaluation.metrics.probabilities import log_softmax
from benchmark.schema.errors import UnavailableError

IDS = ["ece_isotonic", "ece_histogram", "ece_beta"]


def task(seed, examples=600, classes=2, scale=3.0):
    """Draw logits that claim `scale` times what the labels bear out, as float32."""
    random = np.random.default_rng([seed, classes])
    logits = random.normal(0, 1.5, (examples, classes))
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return (logits * scale).astype(np.float32).astype(np.float64), labels


def probabilities(logits):
    return np.exp(log_softmax(logits))


@pytest.mark.slow
def test_isotonic_regression_equals_scikit_learn():
    from sklearn.isotonic import IsotonicRegression

    validation, (logits, _) = task(0), task(1)
    reference = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    reference.fit(probabilities(validation[0])[:, 1], validation[1])
    table = posthoc.calibrated("isotonic", validation, probabilities(logits))
    assert_allclose(table[:, 1], reference.predict(probabilities(logits)[:, 1]), atol=1e-12)
    assert_allclose(table.sum(axis=1), 1)


@pytest.mark.slow
@pytest.mark.parametrize("bins", [5, 10])
def test_histogram_binning_gives_the_rate_of_each_bin(bins):
    (held_out, labels), (logits, _) = task(2, scale=0.7), task(3, scale=0.7)
    bin_of = np.minimum((probabilities(held_out)[:, 1] * bins).astype(int), bins - 1)
    rates = [labels[bin_of == b].mean() if (bin_of == b).any() else (b + 0.5) / bins for b in range(bins)]
    asked = np.minimum((probabilities(logits)[:, 1] * bins).astype(int), bins - 1)
    table = posthoc.calibrated("histogram", (held_out, labels), probabilities(logits), bins=bins)
    assert_allclose(table[:, 1], np.array(rates)[asked], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 5])
def test_beta_calibration_has_the_highest_likelihood(seed):
    from scipy.optimize import minimize

    validation, (logits, _) = task(seed), task(6)

    def features(logits):
        table = log_softmax(logits)
        return np.stack([table[:, 1], -table[:, 0], np.ones(len(table))], axis=1)

    def loss(weights):
        return np.logaddexp(0, features(validation[0]) @ weights * (1 - 2 * validation[1])).mean()

    best = minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], tol=1e-12).x
    table = posthoc.calibrated("beta", validation, probabilities(logits))
    assert_allclose(table[:, 1], 1 / (1 + np.exp(-features(logits) @ best)), atol=2e-3)


@pytest.mark.slow
def test_several_classes_are_one_against_the_others():
    from netcal.binning import HistogramBinning, IsotonicRegression

    validation, (logits, _) = task(7, classes=3), task(8, classes=3)
    for kind, calibrator in (("isotonic", IsotonicRegression()), ("histogram", HistogramBinning(10))):
        calibrator.fit(probabilities(validation[0]), validation[1])
        table = posthoc.calibrated(kind, validation, probabilities(logits))
        assert_allclose(table, calibrator.transform(probabilities(logits)), atol=1e-12)


@pytest.mark.slow
def test_a_text_that_no_class_claims_gets_equal_probabilities():
    """All probabilities are below those of the lowest step, whose value is 0."""
    held_out = np.log(0.9 * np.eye(3)[[0, 1, 2] * 4] + 0.05)
    table = posthoc.calibrated("isotonic", (held_out, np.array([0, 1, 2] * 4)), np.full((1, 3), 0.01))
    assert table.tolist() == [[1 / 3, 1 / 3, 1 / 3]]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4])
def test_calibrators_remove_overconfidence(classes, capsys):
    logits, labels = task(9, 3000, classes)
    validation = task(10, 3000, classes)
    values = labelled_measurements(logits, labels, metrics=["ece", *IDS], seed_text="s", validation=validation)
    assert values["ece"].value > 0.1
    assert all(0 <= values[name].value < 0.04 for name in IDS)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_classes_are_merged_after_calibration():
    from benchmark.evaluation.metrics.calibration import ece

    (logits, labels), validation, merge = task(11, classes=3), task(12, classes=3), np.array([0, 1, 1])
    table = posthoc.calibrated("isotonic", validation, probabilities(logits))
    first = table[:, 0]
    by_hand = ece(np.maximum(first, 1 - first), ((first < 0.5) == (labels > 0)).astype(float))
    values = labelled_measurements(
        logits, labels, metrics=["ece_isotonic"], merge=merge.tolist(), seed_text="s", validation=validation
    )
    assert values["ece_isotonic"].value == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [100.0, 1e4])
def test_saturated_logits_can_be_calibrated(scale):
    logits, labels = task(13, scale=scale)
    values = labelled_measurements(logits, labels, metrics=IDS, seed_text="s", validation=task(14, scale=scale))
    assert all(value.value < 0.1 for value in values.values())


def test_logits_times_three_need_three_times_the_temperature():
    logits, labels = task(15)
    assert fit_temperature(logits * 3, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-5)


@pytest.mark.parametrize(
    ("validation", "reason"),
    [
        (None, "no predictions on the validation split"),
        ((np.zeros((0, 2)), []), "no predictions on the validation split"),
        ((np.array([[0.0, np.inf]]), [1]), "not finite"),
        ((np.eye(2), [1, 1]), "no example of class 0"),
    ],
)
def test_without_a_fit_there_is_a_reason_and_no_value(validation, reason):
    logits, labels = task(16, 20)
    for name, found in labelled_measurements(logits, labels, metrics=IDS, seed_text="s", validation=validation).items():
        assert found.value is None, name
        assert reason in found.reason


def test_a_missing_netcal_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "netcal.binning", None)
    logits, labels = task(17, 20)
    with pytest.raises(UnavailableError, match=r"pip install .*'\.\[calibration\]'"):
        labelled_measurements(logits, labels, metrics=["ece_beta"], seed_text="s", validation=(logits, labels))
