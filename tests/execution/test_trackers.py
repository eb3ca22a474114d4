"""Trackers: what each library has saved, no step twice after an interruption, and results that no tracker changes."""

import random
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from benchmark import run
from benchmark.execution.runner import Quiet
from benchmark.execution.trackers import TRACKERS, Points, TrackedRun, make_tracker
from benchmark.schema import TemperError
from tests.support.command import temper
from tests.support.folders import tree

pytestmark = pytest.mark.slow

STEPS = 16
SCORE = "home/accuracy"


class Recorder:
    """Keeps what it gets, draws random numbers, and fails where a test asks for it."""

    errors = (OSError,)
    events: ClassVar[list[tuple]] = []
    failing: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        Recorder.events.clear()

    def _note(self, *event) -> None:
        self.events.append(event)
        random.random(), np.random.rand(), torch.rand(1)
        if event[0] == self.failing:
            raise OSError("no\nroom")

    def open(self, run: TrackedRun) -> None:
        self._note("open", run)

    def log(self, points: Points) -> None:
        self._note("log", *points)

    def score(self, scores: Mapping[str, float]) -> None:
        self._note("score", dict(scores))

    def close(self, *, failed: bool) -> None:
        self._note("close", failed)


@pytest.fixture()
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    monkeypatch.setitem(TRACKERS, "wandb", Recorder)
    monkeypatch.setattr(Recorder, "failing", "")
    return Recorder


class Interrupting(Quiet):
    """Raises KeyboardInterrupt at a step; otherwise keeps the notes."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.notes = at, []

    def advance(self, done: int, total: int) -> None:
        if total == STEPS and done == self.at:
            raise KeyboardInterrupt

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def steps_of(events: list[tuple], name: str) -> list[int]:
    return [step for event in events if event[0] == "log" for step, values in event[1:] if name in values]


def test_a_tracker_changes_no_byte_of_results_and_artifacts(suite, tmp_path, recorder) -> None:
    run(suite, "vanilla", out=tmp_path / "plain")
    run(suite, "vanilla", out=tmp_path / "tracked", track="wandb")
    assert [event[0] for event in recorder.events] == ["open", "log", "log", "score", "close"]
    assert tree(tmp_path / "tracked") == tree(tmp_path / "plain")


def test_an_interrupted_row_continues_its_run_and_sends_no_step_twice(suite, tmp_path, recorder) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(suite, "roast", out=tmp_path, track="wandb", observer=Interrupting(at=11))
    before = list(recorder.events)
    assert [event[0] for event in before] == ["open", "log", "close"]
    run(suite, "roast", out=tmp_path, track="wandb")
    events = before + recorder.events
    assert steps_of(events, "loss") == steps_of(events, "learning_rate") == list(range(1, STEPS + 1))
    assert steps_of(events, "validation_accuracy") == [8, 16]
    first, second = (event[1] for event in events if event[0] == "open")
    assert first == second
    assert (first.name, first.tags["suite"]) == ("roast, seed 0", "tiny@1")
    assert (first.config["recipe.learning_rate"], first.config["hyperparameters.beta"]) == (1e-3, 1.0)
    (scores,) = (event[1] for event in events if event[0] == "score")
    assert {SCORE, "away/ece", "foreign/auroc"} <= set(scores)
    assert [event[1] for event in events if event[0] == "close"] == [True, False]
    run(suite, "roast", out=tmp_path, track="wandb")
    assert recorder.events == []  # nothing is computed, so nothing is sent


@pytest.mark.parametrize("failing", ["open", "log", "score", "close"])
def test_a_tracker_that_fails_is_one_sentence_and_no_loss(suite, tmp_path, recorder, monkeypatch, failing) -> None:
    monkeypatch.setattr(Recorder, "failing", failing)
    observer = Interrupting()
    report = run(suite, "vanilla", out=tmp_path, track="wandb", observer=observer)
    assert (report.computed, report.failures) == (8, [])
    assert observer.notes == ["vanilla, seed 0: tracking stopped, and the row is computed without it. OSError: no room"]
    sent = [event[0] for event in recorder.events]
    assert sent.count(failing) == (2 if failing == "close" else 1)  # after any failure the run is closed, if it can be
    assert sent[-1] == ("open" if failing == "open" else "close")


def test_an_error_of_a_row_ends_its_run_as_failed(suite, tmp_path, recorder) -> None:
    class Broken(Interrupting):
        def end(self, label: str, seconds: float) -> None:
            raise TemperError("stop")

    with pytest.raises(TemperError, match="stop"):
        run(suite, "vanilla", out=tmp_path, track="wandb", observer=Broken())
    assert recorder.events[-1] == ("close", True)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_library_is_a_usage_error_before_training(suite, tmp_path, monkeypatch, name) -> None:
    module = "torch.utils.tensorboard" if name == "tensorboard" else name
    monkeypatch.setitem(import_module("sys").modules, module, None)
    for command in ("run", "tune"):
        done = temper(command, suite, "--out", tmp_path / "out", "--track", name)
        assert done.returncode == 2
        assert f"--track {name}: its library cannot be imported" in done.stderr
        assert f"pip install -c constraints.txt -e '.[{name}]'" in done.stderr
    assert not (tmp_path / "out/store/train").exists()
    assert temper("run", suite, "--track", "comet").returncode == 2


def scalars(folder: Path) -> dict[str, list[int]]:
    """Read the steps of each curve in a folder of event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [point.step for point in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.needs("tensorboard")
def test_tensorboard_files_hold_the_curves_of_rows_in_several_processes(suite, tmp_path) -> None:
    options = ("--methods", "vanilla,roast:beta=0.5", "--jobs", "2", "--track", "tensorboard")
    done = temper("run", suite, "--out", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    folders = sorted((tmp_path / "out/tensorboard/tiny@1").iterdir())
    assert [folder.name.rpartition("-")[0] for folder in folders] == ["roast-beta-0.5-seed-0", "vanilla-seed-0"]
    for folder in folders:
        curves = scalars(folder)
        assert curves["loss"] == curves["learning_rate"] == list(range(1, STEPS + 1))
        assert curves["validation_accuracy"] == [8, 16]
        assert SCORE in curves


@pytest.mark.needs("tensorboard")
def test_a_trial_and_the_row_that_reuses_it_are_one_run(suite, tmp_path) -> None:
    tune = ("tune", suite, "--trials", "2", "--out", tmp_path / "out", "--track", "tensorboard")
    assert temper(*tune).returncode == 0
    assert temper("run", suite, "--out", tmp_path / "out", "--track", "tensorboard").returncode == 0
    curves = [scalars(folder) for folder in (tmp_path / "out/tensorboard/tiny@1").iterdir()]
    assert sorted(SCORE in curve for curve in curves) == [False, True]
    assert all(curve["loss"] == list(range(1, STEPS + 1)) for curve in curves)


def interrupted_run(suite: Path, out: Path, name: str) -> TrackedRun:
    """Run a row in two parts."""
    with pytest.raises(KeyboardInterrupt):
        run(suite, "vanilla", out=out, track=name, observer=Interrupting(at=11))
    run(suite, "vanilla", out=out, track=name)


@pytest.mark.needs("wandb")
def test_wandb_keeps_one_run_without_a_network(suite, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    interrupted_run(suite, tmp_path / "out", "wandb")
    files = sorted((tmp_path / "out/wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert len({file.name for file in files}) == 1
    records = [record for file in files for record in wandb_records(file)]
    points = [{item.nested_key[0] or item.key: item.value_json for item in record.history.item}
              for record in records if record.WhichOneof("record_type") == "history"]  # fmt: skip
    assert [int(point["_step"]) for point in points] == list(range(1, STEPS + 1))
    assert sum("validation_accuracy" in point for point in points) == 2
    summary = {key for record in records for item in record.summary.update for key in (*item.nested_key, item.key)}
    assert SCORE in summary


def wandb_records(file: Path) -> list:
    """Read the records of a file of wandb, which has the format of LevelDB's log after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts, records = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # the end of a block that holds no header
            place += 32768 - place % 32768
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            records.append(Record.FromString(parts))
            parts = b""
    return records


@pytest.mark.needs("mlflow")
def test_mlflow_keeps_one_run_in_a_local_file(suite, tmp_path, monkeypatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    interrupted_run(suite, tmp_path / "out", "mlflow")
    client = MlflowClient(f"sqlite:///{tmp_path / 'out/mlflow.db'}")
    (kept,) = client.search_runs([client.get_experiment_by_name("temper").experiment_id])
    assert (kept.info.run_name, kept.info.status) == ("vanilla, seed 0", "FINISHED")
    assert kept.data.params["recipe.learning_rate"] == "0.001"
    history = client.get_metric_history(kept.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(range(1, STEPS + 1))
    assert len(client.get_metric_history(kept.info.run_id, "validation_accuracy")) == 2
    assert SCORE in kept.data.metrics


@pytest.mark.needs("mlflow")
def test_an_unusable_place_of_mlflow_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://here")
    with pytest.raises(TemperError, match="--track mlflow: nonsense://here cannot be used: "):
        make_tracker("mlflow", tmp_path)
