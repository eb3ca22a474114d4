"""The texts of executors, what they and the command agree on, and the GPUs of processes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import run
from benchmark.execution import row_outcomes
from benchmark.execution.cells import Row, cells_of
from benchmark.execution.executors import Local, parse_place, place_of_rows
from benchmark.execution.executors.processes import visible_devices
from benchmark.execution.packed_rows import PackedRows
from benchmark.execution.plan import Plan, parse_methods, plan
from benchmark.execution.row_outcomes import Outcome, compute_rows
from benchmark.execution.runner import Quiet, Runner
from benchmark.schema import TemperError, UsageError
from benchmark.suites import load_suite
from tests.support.rows import Notes
from tests.support.tiny_suite import write_tiny_suite


def test_a_text_names_the_place_and_its_settings() -> None:
    assert parse_place("local") == Local(jobs=1) == place_of_rows("local", 1)
    assert parse_place("local:jobs=3") == Local(jobs=3) == place_of_rows("local", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("locale", r"There is no executor 'locale'\. Did you mean 'local'\?"),
        ("local:job=2", r"The executor local has no setting 'job'\. Did you mean 'jobs'\?"),
        ("local:jobs", r"'local:jobs' is not an executor; write local:key=value,key=value"),
        ("local:jobs=1,jobs=2", "each key once"),
        ("local:jobs=0", r"--executor local:jobs=0: .*jobs.*1"),
        ("local:jobs=two", r"--executor local:jobs=two: .*jobs"),
        ("slurm:memory=x,gpus=y", r"slurm:memory=x,gpus=y: (/\w+: is the text '[xy]'; write [^;]+\. ?){2}$"),
        ("slurm:memory=inf", r"--executor slurm:memory=inf: /memory: is the text 'inf'; write a .*number"),
    ],
)
def test_an_invalid_text_is_refused_with_the_nearest_valid_one(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        parse_place(text)
    if text != "locale":
        return
    with pytest.raises(UsageError, match=message):
        run("demo", executor=text, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_jobs_are_for_this_machine() -> None:
    with pytest.raises(UsageError, match="jobs is 0; it must be at least 1"):
        place_of_rows("local", 0)
    with pytest.raises(UsageError, match="--jobs is for this machine; leave it out with --executor ray"):
        place_of_rows("ray", 2)


@pytest.mark.parametrize(
    ("count", "stated", "devices"),
    [
        (0, None, []),
        (1, None, []),
        (3, None, ["0", "1", "2"]),
        (2, "5,3", ["5", "3"]),
        (2, "MIG-a,MIG-b", ["MIG-a", "MIG-b"]),
    ],
)
def test_processes_share_the_visible_gpus(
    count: int, stated: str | None, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if stated is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
    assert visible_devices() == devices


class Elsewhere:
    """An executor that says of every row that another machine has computed it, or is interrupted."""

    slots = 2
    helps = False

    def __init__(self, *, interrupted: bool = False) -> None:
        self.submitted, self.closed, self._interrupted = list[int](), False, interrupted

    def submit(self, rows: Mapping[int, Row]) -> None:
        self.submitted += rows

    def finished(self, seconds: float | None) -> Sequence[tuple[int, Outcome | Exception]]:
        if self._interrupted:
            raise KeyboardInterrupt
        return [(number, Outcome(computed=8)) for number in self.submitted[-1:]]

    def leave(self) -> str:
        return "The rows go on."

    def close(self) -> None:
        self.closed = True


@pytest.fixture()
def planned(tmp_path: Path, tiny_backbone: Path) -> Plan:
    (tmp_path / "suite").mkdir()
    suite = write_tiny_suite(tmp_path / "suite", tiny_backbone)
    return plan(load_suite(str(suite)), parse_methods("vanilla"), 1, None, tmp_path / "out", protocol="")


def test_a_store_that_the_other_machine_does_not_share_is_named(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_outcomes, "POLL_SECONDS", 0.01)
    executor = Elsewhere()
    with pytest.raises(
        TemperError, match=r"vanilla, seed 0 was computed elsewhere, but .*store does not hold it\. The"
    ):
        list(compute_rows(planned.rows, Runner(planned.work, planned.store, Quiet()), executor))
    assert executor.closed
    assert len(executor.submitted) == row_outcomes.UNSEEN + 1


def test_an_interrupted_command_says_what_becomes_of_the_rows(planned: Plan) -> None:
    executor, observer = Elsewhere(interrupted=True), Notes()
    with pytest.raises(KeyboardInterrupt):
        list(compute_rows(planned.rows, Runner(planned.work, planned.store, observer), executor))
    assert observer.notes == ["The rows go on."]
    assert executor.closed


def test_a_row_that_another_process_computes_is_neither_submitted_nor_computed_here(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_outcomes, "POLL_SECONDS", 0.01)
    executor, observer = Elsewhere(interrupted=True), Notes()
    train = next(cells_of(planned.rows[0], planned.work, planned.store))
    outcomes = compute_rows(planned.rows, Runner(planned.work, planned.store, observer), executor)
    sleeps = iter([None, None])

    def sleep(_seconds: float) -> None:
        if next(sleeps, "interrupt") is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr(row_outcomes.time, "sleep", sleep)
    with planned.store.work("train", train.spec), pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert executor.submitted == []
    assert [note.partition(" by process")[0] for note in observer.notes] == ["vanilla, seed 0: train is being computed"]


def test_rows_packed_for_another_precision_are_refused(planned: Plan) -> None:
    packed = PackedRows.of(planned.rows, Runner(planned.work, planned.store, Quiet()))
    (row,), runner = packed.unpack()
    assert (row.label, runner.store.root) == (planned.rows[0].label, planned.store.root)
    with pytest.raises(
        TemperError, match=r"recipe\.precision is auto, which is bf16 where the command was started and"
    ):
        replace(packed, precision="bf16").unpack()
