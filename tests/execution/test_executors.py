"""The texts of executors, and the GPUs of processes."""

from pathlib import Path

import pytest
import torch

from benchmark import run
from benchmark.execution.executors import Local, parse_place, place_of_rows
from benchmark.execution.executors.processes import visible_devices
from benchmark.schema import UsageError


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
