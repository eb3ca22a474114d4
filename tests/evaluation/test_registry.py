"""A metric is a function in one file: it is measured and may be listed by a suite, and changes no other suite."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation import metrics
from benchmark.evaluation.metrics import METRICS, Predictions, UndefinedError, labelled_measurements, metric
from benchmark.execution.cards import suite_card
from benchmark.execution.workload import materialise
from benchmark.schema.errors import TemperError
from benchmark.suites import SuiteError, load_suite
from tests.support.tiny_suite import write_tiny_suite

MODULE = '''
"""Margin between the two most probable classes."""

import numpy as np

from benchmark.evaluation.metrics.predictions import Predictions
from benchmark.evaluation.metrics.registry import metric


@metric(
    "margin",
    version=1,
    direction="up",
    unit="score",
    title="Margin",
    description="Mean gap between the two highest logits.",
    table=Predictions,
)
def _margin(predictions: Predictions) -> float:
    ordered = np.sort(predictions.logits, axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).mean())
'''


@pytest.fixture
def margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "margin.py").write_text(MODULE)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(folder)])
    metrics.import_all()
    yield
    del METRICS["margin"]
    del sys.modules["benchmark.evaluation.metrics.margin"]


@pytest.mark.usefixtures("margin")
def test_a_metric_in_a_file_of_its_own_is_measured() -> None:
    logits = np.array([[1.0, 4.0], [2.0, 1.0]])
    found = labelled_measurements(logits, [1, 0], metrics=["margin", "accuracy"], seed_text="s")
    assert found["margin"].value == 2.0
    assert found["margin"].replicates is None
    assert found["accuracy"].value == 1.0


@pytest.mark.usefixtures("margin")
def test_a_suite_reports_a_new_metric_only_where_it_lists_it(tmp_path: Path, tiny_backbone: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone)
    assert "margin" not in suite_card(materialise(load_suite(str(path))))["metrics"]
    path.write_text(path.read_text().replace('id = "away"\n', 'id = "away"\nmetrics = ["accuracy", "margin"]\n'))
    card = suite_card(materialise(load_suite(str(path))))
    assert card["metrics"]["margin"]["title"] == "Margin"
    assert [entry["metrics"] for entry in card["tasks"] if entry["id"] == "away"] == [["accuracy", "margin"]]


@pytest.mark.usefixtures("margin")
def test_a_metric_of_another_table_is_refused(tmp_path: Path, tiny_backbone: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone)
    path.write_text(path.read_text().replace('id = "foreign"\n', 'id = "foreign"\nmetrics = ["auroc", "margin"]\n'))
    with pytest.raises(SuiteError, match="'margin' does not fit perspective 'anomaly'; use auroc"):
        load_suite(str(path))


def test_two_functions_cannot_be_one_metric() -> None:
    register = metric(
        "ece", version=2, direction="down", unit="fraction", title="ECE", description="Another.", table=Predictions
    )
    with pytest.raises(TemperError, match="Two functions have the metric id 'ece'"):
        register(lambda predictions: 0.0)


def test_an_undefined_metric_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def undefined(predictions: Predictions) -> float:
        raise UndefinedError("No reason.")

    register = metric("nothing", version=1, direction="up", unit="score", title="-", description="-", table=Predictions)
    register(undefined)
    try:
        found = labelled_measurements(np.eye(2), [0, 1], metrics=["nothing"], seed_text="s")["nothing"]
    finally:
        del METRICS["nothing"]
    assert (found.value, found.reason) == (None, "No reason.")
