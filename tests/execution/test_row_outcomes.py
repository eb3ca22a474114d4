"""Rows in several processes: the bytes of one process, failures and deaths kept in their row, Ctrl-C, resume."""

import multiprocessing
import os
import platform
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch

from benchmark import run, worker_processes
from benchmark.cli.main import main
from benchmark.execution import method_registry, row_outcomes
from benchmark.execution.cells import cells_of
from benchmark.execution.executors import Local
from benchmark.execution.plan import parse_methods, plan
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.store import Store
from benchmark.schema import TemperError, UsageError
from benchmark.suites import load_suite
from tests.support.command import temper
from tests.support.folders import tree
from tests.support.processes import PROCESSES

PLUGIN = '''
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Unlucky(Method):
    """Raises or dies in its third step, until the file `cured` exists."""

    name: ClassVar[str] = "unlucky"
    dies: bool = False

    def after_step(self, ctx):
        if ctx.step == 3 and not Path(__file__).with_name("cured").exists():
            if self.dies:
                os._exit(9)
            raise ZeroDivisionError("three")
'''

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_one_thread")]


@pytest.fixture()
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "unlucky.py"
    path.write_text(PLUGIN)
    monkeypatch.setattr(method_registry, "_plugins", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    method_registry.registered.cache_clear()
    return path


@pytest.fixture(autouse=True)
def _registry() -> None:
    yield
    method_registry.registered.cache_clear()


def test_finished_rows_are_not_waited_for(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite, "vanilla", seeds=3, out=tmp_path)
    monkeypatch.setattr(time, "sleep", mock.Mock(side_effect=AssertionError))
    again = run(suite, "vanilla", seeds=3, out=tmp_path, jobs=2)
    assert (again.computed, again.reused) == (0, 3 * 8)


def test_a_cell_that_another_process_adds_meanwhile_leaves_none_out(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(load_suite(str(suite)), parse_methods("vanilla"), 1, None, tmp_path, protocol="")
    (row,), runner = planned.rows, Runner(planned.work, planned.store, Quiet())
    runner.run(next(cells_of(row, planned.work, planned.store)))
    # The first list is from before the training was finished, so no later cell has a key.
    stores = iter([Store(tmp_path / "empty")])
    monkeypatch.setattr(row_outcomes, "cells_of", lambda row, work, store: cells_of(row, work, next(stores, store)))
    assert row_outcomes._settled(row, runner) is None
    stores = iter([Store(tmp_path / "empty")])
    outcome = row_outcomes.compute_row(row, runner)
    assert (outcome.computed, outcome.reused) == (7, 1)


@pytest.mark.usefixtures("_preloaded_workers")
def test_two_jobs_write_the_bytes_of_one(suite: Path, tmp_path: Path) -> None:
    # Without a pull, wconsol is vanilla: two rows then share the stages after training.
    methods = "vanilla,wconsol:strength=0.0,sam+roast"
    one = run(suite, methods, out=tmp_path / "one")
    two = run(suite, methods, out=tmp_path / "two", jobs=2)
    assert tree(tmp_path / "one/results") == tree(tmp_path / "two/results")
    assert [f.relative_to(tmp_path / "one") for f in one.files] == [f.relative_to(tmp_path / "two") for f in two.files]
    again = run(suite, methods, out=tmp_path / "two", jobs=2)
    assert (again.computed, again.reused) == (0, 3 * 8)


@pytest.mark.usefixtures("_preloaded_workers")
def test_a_row_that_fails_or_dies_stops_no_other(suite: Path, plugin: Path, tmp_path: Path) -> None:
    methods = "unlucky,unlucky:dies=true,vanilla"
    with pytest.raises(TemperError, match=r"process of unlucky \(dies=True\), seed 0 \(exit code 9\) died; the other"):
        run(suite, methods, out=tmp_path / "out", plugins=[str(plugin)], jobs=2)
    texts = {path.parent.parent.name: path.read_text() for path in (tmp_path / "out/results").rglob("seed-0.jsonl")}
    assert sorted(texts) == ["unlucky", "vanilla"]
    assert "ZeroDivisionError" in texts["unlucky"]
    assert '"failed"' not in texts["vanilla"]

    (tmp_path / "cured").touch()
    report = run(suite, methods, out=tmp_path / "out", jobs=2)
    # Its weights are vanilla's, so only the two trainings are left.
    assert (report.failures, report.computed, report.reused) == ([], 2, 3 * 8 - 2)


@pytest.mark.usefixtures("_preloaded_workers")
def test_a_method_that_changes_during_the_run_is_refused(suite: Path, plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "cured").touch()
    requests = parse_methods("unlucky,unlucky:dies=true", [str(plugin)])
    planned = plan(load_suite(str(suite)), requests, 1, None, tmp_path / "out", protocol="")
    plugin.write_text(PLUGIN.replace("== 3", "== 4"))
    with pytest.raises(TemperError, match=r"source of unlucky on .+ is not that of the start of the run"):
        planned.execute(place=Local(jobs=2))


def test_the_status_names_who_computes_what_and_which_rows_failed(suite: Path, plugin: Path, tmp_path: Path) -> None:
    run(suite, "unlucky", out=tmp_path / "out", plugins=[str(plugin)])
    planned = plan(load_suite(str(suite)), parse_methods("vanilla"), 1, None, tmp_path / "out", protocol="")
    train = next(cells_of(planned.rows[0], planned.work, planned.store))
    with planned.store.work("train", train.spec):
        options = ["--methods", "vanilla,unlucky", "--out", tmp_path / "out"]
        status = temper("status", suite, *options)
    assert status.returncode == 0, status.stderr
    shown = " ".join(status.stdout.split())
    assert "vanilla, seed 0 train running" in shown
    assert f"Running: vanilla, seed 0: train, by process {os.getpid()} on {platform.node()}, since 20" in shown
    assert "Failed: unlucky, seed 0: train: " in shown


def reported(suite: Path, out: Path, place: Path) -> None:
    torch.set_num_threads(1)
    report = run(suite, "vanilla,roast", seeds=2, out=out)
    place.write_text(f"{report.computed} {report.reused}")


def test_two_runs_share_the_work(suite: Path, tmp_path: Path) -> None:
    """Both end with all records, and no stage is computed twice."""
    whole = run(suite, "vanilla,roast", seeds=2, out=tmp_path / "whole")
    places = [tmp_path / "first", tmp_path / "second"]
    processes = [PROCESSES.Process(target=reported, args=(suite, tmp_path / "out", place)) for place in places]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    (first, reused), (second, others) = (map(int, place.read_text().split()) for place in places)
    assert first + reused == second + others == first + second == whole.computed
    assert min(first, second) > 0
    assert tree(tmp_path / "out/results") == tree(tmp_path / "whole/results")
    assert not list((tmp_path / "out/store/attempts").iterdir())


def test_a_run_takes_over_what_a_killed_one_was_computing(suite: Path, tmp_path: Path) -> None:
    run(suite, "vanilla,roast", seeds=2, out=tmp_path / "whole")
    out, places = tmp_path / "out", [tmp_path / "first", tmp_path / "second"]
    processes = [PROCESSES.Process(target=reported, args=(suite, out, place)) for place in places]
    for process in processes:
        process.start()
    deadline = time.monotonic() + 120
    while len(list((out / "store").glob("attempts/*/*/work/spec.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    processes[0].kill()
    for process in processes:
        process.join(300)
    assert [place.exists() for place in places] == [False, True]
    assert tree(out / "results") == tree(tmp_path / "whole/results")
    assert not list((out / "store/attempts").iterdir())


def command(suite: Path, out: Path) -> None:
    """Run two rows at a time as a command of a terminal does: in a process group of its own, with Ctrl-C."""
    os.setsid()
    os.dup2(os.open(out.with_name("stderr"), os.O_WRONLY | os.O_CREAT), 2)
    # A test run that a shell started in the background hands down an ignored SIGINT, the fork server a blocked one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Copies of this process, which has imported the libraries.
    worker_processes.CONTEXT = multiprocessing.get_context("fork")
    sys.argv = ["temper", "run", str(suite), "--methods", "vanilla,roast", "--jobs", "2", "--out", str(out)]
    main()


@pytest.mark.usefixtures("_preloaded_workers")
def test_ctrl_c_stops_all_processes_and_the_same_command_resumes(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = PROCESSES.Process(target=command, args=(suite, out))
    process.start()
    deadline = time.monotonic() + 120
    while not list((out / "store").glob("attempts/train-*/*/work/spec.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    process.join(120)
    told = (tmp_path / "stderr").read_text()
    assert process.exitcode == 130, told
    # The workers were told to stop; the system may take a moment to end the last one.
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    assert "rerun the same command to resume" in " ".join(told.split())
    assert "Traceback" not in told
    again = temper("run", suite, "--methods", "vanilla,roast", "--jobs", "2", "--out", out)
    assert again.returncode == 0, again.stderr
    run(suite, "vanilla,roast", out=tmp_path / "whole")
    assert tree(out / "results") == tree(tmp_path / "whole/results")


def test_no_job_is_refused(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="jobs is 0; it must be at least 1"):
        run(suite, out=tmp_path, jobs=0)
