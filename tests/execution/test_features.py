"""Features: stages of the suites that list a metric of them, from weights to records and `temper details`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.evaluation.metrics import feature_measurements
from benchmark.evaluation.parquet import read_features
from benchmark.execution.cells import FEATURES, cells_of
from benchmark.execution.local import run_rows
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import TRAINING_PART, Workload, materialise
from benchmark.suites import load_suite
from tests.support.rows import row_of
from tests.support.tiny_suite import write_tiny_suite

LISTED = 'id = "foreign"\nmetrics = ["auroc", "auroc_knn", "auroc_mahalanobis"]\n'


def work_of(path: Path, *, listed: bool) -> Workload:
    text = path.read_text().replace("epochs = 2", "epochs = 1")
    path.write_text(text.replace('id = "foreign"\n', LISTED) if listed else text)
    return materialise(load_suite(str(path)))


def details(path: Path, out: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["details", str(path), "--out", str(out), *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_suite_that_lists_the_metrics_has_features(tiny_backbone: Path, tmp_path: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone)
    store = Store(tmp_path / "out/store")
    plain = work_of(path, listed=False)
    row = row_of(plain)
    assert not run_rows([row], plain, store, tmp_path / "plain", Quiet()).failures
    before = {cell.label: cell.key for cell in cells_of(row, plain, store)}
    assert not [label for label in before if "features" in label]

    work = work_of(path, listed=True)
    report = run_rows([row], work, store, tmp_path / "out/results", Quiet())
    assert not report.failures
    cells = {cell.label: cell for cell in cells_of(row, work, store)}
    added = [cell.subject for cell in cells.values() if cell.kind == "features"]
    assert added == [TRAINING_PART, "home", "foreign"]
    # Nothing else is computed again, but for the score that now has other metrics.
    changed = [label for label, key in before.items() if cells[label].key != key]
    assert changed == ["vanilla, seed 0: score foreign"]
    assert report.computed == len(added) + len(changed)

    records = [json.loads(line) for line in report.files[0].read_text().splitlines()]
    found = {r["metric"]["id"]: r["value"] for r in records if r["task"]["id"] == "foreign"}
    tables = {
        cell.subject: read_features(store.folder("features", cell.key or "") / FEATURES)
        for cell in cells.values()
        if cell.kind == "features"
    }
    training = tables[TRAINING_PART]
    assert training.labels is not None
    assert training.labels.tolist() == [example.label for example in work.splits.train.examples]
    assert training.ids == tuple(example.id for example in work.splits.train.examples)
    measured = feature_measurements(
        training.features,
        training.labels,
        tables["home"].features,
        tables["foreign"].features,
        metrics=["auroc_knn", "auroc_mahalanobis"],
    )
    assert {name: one.value for name, one in measured.items()} == {k: v for k, v in found.items() if k != "auroc"}
    assert run_rows([row], work, store, tmp_path / "out/results", Quiet()).computed == 0


def test_details_compute_features_once(tiny_backbone: Path, tmp_path: Path) -> None:
    path, out = write_tiny_suite(tmp_path, tiny_backbone), tmp_path / "out"
    work = work_of(path, listed=False)
    for method in ("vanilla", "constant"):
        assert not run_rows([row_of(work, method)], work, Store(out / "store"), out / "results", Quiet()).failures
    text = details(path, out, "--methods", "constant")
    for label in ("vanilla", "constant"):
        assert f"{label}, seed 0: features training part" in text
    shown = [line for line in text.splitlines() if line.startswith(("AUROC, Mahalanobis", "AUROC, k-NN"))]
    # A classifier without a network has no features, so only vanilla has values.
    assert len(shown) == 2
    again = details(path, out, "--methods", "constant")
    assert "features" not in again
    assert [line for line in again.splitlines() if line in shown] == shown


def test_details_leave_out_what_a_model_that_does_not_load_gives(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_tiny_suite(tmp_path, tiny_backbone), tmp_path / "out"
    work = work_of(path, listed=False)
    assert not run_rows([row_of(work)], work, Store(out / "store"), out / "results", Quiet()).failures

    def unreadable(folder: Path) -> None:
        raise ValueError("no such class")

    monkeypatch.setattr("benchmark.execution.runner.load_classifier", unreadable)
    text = details(path, out)
    assert "note: vanilla, seed 0: left out what is computed from features. " in text
    assert "no such class" in text
    assert "AUROC, energy" in text
    assert "k-NN" not in text
