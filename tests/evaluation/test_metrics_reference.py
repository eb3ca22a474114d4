"""Calibration metrics against netcal and torchmetrics, whose import takes seconds."""

import numpy as np
import pytest

from benchmark.evaluation.metrics import calibration, fit_temperature
from benchmark.evaluation.metrics.anomaly import aupr, auroc
from benchmark.evaluation.metrics.probabilities import log_softmax

pytestmark = pytest.mark.slow


def task(seed, examples=500, classes=3):
    """Logits whose labels are right more often than chance and less often than they claim."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (examples, classes))
    labels = (logits + random.gumbel(0, 2, logits.shape)).argmax(axis=1)
    return logits, labels


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("bins", [1, 5, 10, 15])
def test_ece_equals_netcal_and_torchmetrics(classes, bins):
    import torch
    from netcal.metrics import ECE
    from torchmetrics.functional.classification import multiclass_calibration_error

    logits, labels = task(classes, classes=classes)
    table = log_softmax(logits)
    confidence, correct = calibration.top_label(table, labels)
    ours = calibration.ece(confidence, correct, bins)
    assert ours == pytest.approx(ECE(bins).measure(confidence, correct.astype(int)), abs=1e-12)
    theirs = multiclass_calibration_error(
        torch.tensor(np.exp(table)), torch.tensor(labels), num_classes=classes, n_bins=bins
    )
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_bin_edges_differ_from_netcal():
    """The only place where the two differ: netcal's bins are closed on the left."""
    from netcal.metrics import ECE

    confidence, correct = np.array([0.5, 0.625, 0.25]), np.array([1, 0, 0])
    ours = calibration.ece(confidence, correct.astype(float), bins=4)
    theirs = ECE(4).measure(confidence, correct)
    assert ours == pytest.approx((0.25 + 0.5 + 0.625) / 3)
    assert theirs == pytest.approx((0.25 + abs(0.5625 - 0.5) * 2) / 3)


def test_adaptive_ece_equals_netcal_when_the_bins_are_full():
    from netcal.metrics import ECE

    logits, labels = task(11, examples=500)
    confidence, correct = calibration.top_label(log_softmax(logits), labels)
    theirs = ECE(10, equal_intervals=False).measure(confidence, correct.astype(int))
    assert calibration.ece_adaptive(confidence, correct, 10) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_equals_netcal_and_torch(classes):
    import torch
    from netcal.scaling import TemperatureScaling

    logits, labels = task(20 + classes, examples=800, classes=classes)
    fitted = fit_temperature(logits, labels)
    scaling = TemperatureScaling()
    probabilities = np.exp(log_softmax(logits))
    scaling.fit(probabilities[:, 1] if classes == 2 else probabilities, labels)
    slope = float(np.ravel(scaling.temperature)[0])
    assert min(abs(fitted - slope), abs(1 / fitted - slope)) < 2e-3
    temperature = torch.tensor(float(fitted), dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits) / temperature, torch.tensor(labels))
    loss.backward()
    assert abs(float(temperature.grad)) < 1e-6
    assert calibration.nll(log_softmax(logits / fitted), labels) == pytest.approx(float(loss.detach()), abs=1e-12)


def test_auroc_and_aupr_equal_torchmetrics():
    import torch
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    random = np.random.default_rng(4)
    inside, outside = random.uniform(0, 0.7, 300), random.uniform(0.2, 1, 200)
    scores, truth = torch.tensor(np.r_[inside, outside]), torch.tensor([0] * 300 + [1] * 200)
    assert auroc(inside, outside) == pytest.approx(float(binary_auroc(scores, truth)), abs=1e-6)
    assert aupr(inside, outside) == pytest.approx(float(binary_average_precision(scores, truth)), abs=1e-6)
