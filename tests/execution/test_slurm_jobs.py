"""Rows in Slurm jobs on two nodes: the bytes of a local run, jobs that go on alone, queue again or vanish."""

import contextlib
import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from typer.testing import CliRunner

from benchmark import run
from benchmark.cli.app import app
from benchmark.cli.main import main
from benchmark.execution.executors import Slurm, parse_place, slurm_jobs
from benchmark.execution.executors.slurm_jobs import SlurmJobs
from benchmark.execution.plan import parse_methods, plan
from benchmark.execution.runner import Quiet, Runner
from benchmark.schema import TemperError, UsageError
from benchmark.suites import load_suite
from tests.reproduction.conftest import packaged
from tests.support.command import temper, tune_here_and_there
from tests.support.folders import tree
from tests.support.halting import Journal, write_plugin
from tests.support.processes import PROCESSES, REPOSITORY

__all__ = ["packaged"]

pytestmark = pytest.mark.usefixtures("_one_thread")
METHODS = "vanilla,roast"
SCRIPT = REPOSITORY / "scripts" / "slurm_cluster.sh"
on_a_cluster = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, cluster_port: int) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([SCRIPT, "start", folder, str(cluster_port)], check=True, timeout=120)
            yield folder
        finally:
            subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)
    assert job_processes(folder) == []


def job_processes(folder: Path) -> list[str]:
    """List the processes of a cluster's jobs that are running."""
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            name, environment = (process / "comm").read_text().strip(), (process / "environ").read_bytes()
            running += [name] if name in ("slurmstepd", "srun") and bytes(folder) in environment else []
    return running


def await_file(path: Path, pattern: str = "") -> Path:
    """Wait for a file, or for one in a folder."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        files = sorted(path.glob(pattern)) if pattern else [path] * path.exists()
        if files:
            return files[0]
        time.sleep(0.05)
    raise TimeoutError(path)


def submissions(out: Path) -> int:
    return len(list((out / "store/slurm/submitit").glob("*_submission.sh")))


def test_the_settings_are_read() -> None:
    place = parse_place("slurm:partition=gpu,time=120,gpus=1,memory=7.5,rows_per_job=2")
    assert place == Slurm(partition="gpu", time=120, gpus=1, memory=7.5, rows_per_job=2)
    with pytest.raises(UsageError, match=r"no setting 'partion'\. Did you mean 'partition'"):
        parse_place("slurm:partion=gpu")


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("submitit", "submitit is not installed. Run: pip install -c constraints.txt -e '.[slurm]'"),
        ("sbatch", "There is no sbatch on the PATH. Run the command on a machine from which jobs are submitted."),
    ],
)
def test_what_is_missing_is_named(suite: Path, monkeypatch: pytest.MonkeyPatch, absent: str, message: str) -> None:
    real = importlib.util.find_spec
    spec = {"submitit": None}.get(absent, object())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "submitit" else real(name))
    done = temper("run", suite, "--executor", "slurm", "--out", suite.parent / "out", PATH="/nowhere")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_a_job_gets_as_many_rows_as_take_ten_minutes(suite: Path, tmp_path: Path) -> None:
    planned = plan(load_suite(str(suite)), parse_methods("vanilla"), 1, None, tmp_path / "out", protocol="")
    outcomes = planned.store.root / "slurm/outcomes"
    outcomes.mkdir(parents=True)

    def rows_per_job(**settings: int) -> int:
        runner = Runner(planned.work, planned.store, Quiet())
        return SlurmJobs(runner, 9, Slurm(**settings))._rows_per_job()

    assert (rows_per_job(), rows_per_job(rows_per_job=7)) == (4, 7)
    for number, (taken, computed) in enumerate([(50, 8), (60, 8), (70, 8), (1, 0)]):
        plain = {"suite": "tiny@1", "seconds": taken, "computed": computed}
        (outcomes / f"row.{number}.json").write_text(json.dumps(plain))
    # The median is 60 seconds, and the last row was only looked at.
    assert rows_per_job() == 10
    # A job of 5 minutes has time for 4 of them.
    assert rows_per_job(time=5) == 4


def test_a_lost_job_on_a_full_disk_is_reported_as_that(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(load_suite(str(suite)), parse_methods("vanilla"), 1, None, tmp_path / "out", protocol="")
    outcomes = planned.store.root / "slurm/outcomes"
    outcomes.mkdir(parents=True)

    def lost() -> object:
        jobs = SlurmJobs(Runner(planned.work, planned.store, Quiet()), 1, Slurm())
        jobs._running = {0: slurm_jobs._Awaited("row", "12", missing_since=-1e9)}
        ((_, result),) = jobs.finished(0)
        return result

    assert "Slurm job 12 ended without a result" in str(lost())
    assert not list(outcomes.iterdir())
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(slurm_jobs, "replace_file", mock.Mock(side_effect=full))
    with pytest.raises(TemperError, match=r"out failed: No space left on device\. Free space there"):
        lost()


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
def test_two_nodes_write_the_bytes_of_one_process(suite: Path, tmp_path: Path) -> None:
    run(suite, METHODS, seeds=2, out=tmp_path / "one")
    options = ["--methods", METHODS, "--seeds", 2, "--out", tmp_path / "slurm"]
    done = temper("run", suite, *options, "--executor", "slurm:rows_per_job=2,partition=test,time=30")
    assert done.returncode == 0, done.stderr
    assert "4 rows in 2 Slurm jobs" in done.stderr
    assert "Computed 32 stages; 0 reused." in done.stderr
    assert tree(tmp_path / "one/results") == tree(tmp_path / "slurm/results")
    again = run(suite, METHODS, seeds=2, out=tmp_path / "slurm", executor="slurm:partition=none")
    assert (again.computed, again.reused) == (0, 32)
    assert submissions(tmp_path / "slurm") == 1


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
def test_tuning_gives_the_trials_of_one_process(suite: Path, tmp_path: Path) -> None:
    tune_here_and_there(suite, tmp_path / "one", tmp_path / "slurm", "slurm:rows_per_job=2")
    assert submissions(tmp_path / "slurm") == 1


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@pytest.mark.usefixtures("cluster", "packaged")
def test_a_papers_table_is_that_of_one_process(tiny_backbone: Path, tmp_path: Path) -> None:
    words = ["reproduce", "tiny-table", "--backbone", tiny_backbone, "--seeds", 1, "--limit", 20, "--yes"]
    shown = []
    for out, executor in (("one", "local"), ("slurm", "slurm:rows_per_job=1")):
        options = map(str, [*words, "--out", tmp_path / out, "--executor", executor])
        done = CliRunner().invoke(app, list(options), env={"COLUMNS": "200"}, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        shown.append(done.stdout)
    assert shown[0] == shown[1]
    assert "Vanilla" in shown[0]
    assert submissions(tmp_path / "slurm") > 0


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
def test_slurms_refusal_is_one_sentence(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Slurm refused the jobs: .*invalid partition"):
        run(suite, out=tmp_path / "out", executor="slurm:partition=none")


def command(suite: Path, out: Path) -> None:
    """Run a row as a command of a terminal does."""
    os.setsid()
    os.dup2(os.open(out.with_name("stderr"), os.O_WRONLY | os.O_CREAT), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    torch.set_num_threads(1)
    sys.argv = ["temper", "run", str(suite), "--methods", METHODS, "--executor", "slurm", "--out", str(out)]
    main()


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
def test_ctrl_c_leaves_the_jobs_and_the_same_command_waits_for_them(suite: Path, tmp_path: Path) -> None:
    out, journal = tmp_path / "out", Journal(tmp_path / "journal")
    process = PROCESSES.Process(target=command, args=(suite, out))
    process.start()
    await_file(out / "store/slurm/outcomes", "*.job")
    os.killpg(process.pid, signal.SIGINT)
    process.join(120)
    told = " ".join((tmp_path / "stderr").read_text().split())
    assert process.exitcode == 130, told
    job = (await_file(out / "store/slurm/outcomes", "*.job")).read_text()
    assert f"The Slurm jobs continue. Rerun this command to wait; `scancel {job}` cancels them." in told
    assert "Traceback" not in told
    report = run(suite, METHODS, out=out, executor="slurm", observer=journal)
    # The first command's jobs have computed all.
    assert report.failures == []
    assert submissions(out) == 1
    run(suite, METHODS, out=tmp_path / "one")
    assert tree(tmp_path / "one/results") == tree(out / "results")


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
@pytest.mark.parametrize("stop", ["scontrol requeue", "scancel --signal=USR2"])
def test_a_job_that_is_queued_again_resumes(suite: Path, tmp_path: Path, stop: str) -> None:
    """By Slurm, as for a preempted job, or by submitit at the signal that announces the time limit."""
    plugin, journal = write_plugin(tmp_path / "plugin", waits=True), Journal(tmp_path / "journal")
    out = tmp_path / "out"
    # Slurm lets a job that is queued again wait for two minutes. Its node refuses a start in the second of the stop.
    script = f"""
        while [ ! -f {plugin.with_name("halted")} ]; do sleep 0.1; done
        job=$(squeue --me --noheader --format=%A)
        {stop} $job
        until [[ $(scontrol show job $job) =~ JobState=PENDING.*Restarts=1 ]]; do sleep 0.1; done
        scontrol update JobId=$job StartTime=now+3
    """
    queued = subprocess.Popen(["bash", "-c", script])
    try:
        report = run(suite, "halting", out=out, plugins=[str(plugin)], executor="slurm", observer=journal)
        assert queued.wait(60) == 0
    finally:
        queued.kill()
    assert report.failures == []
    assert sorted(journal.stages()) == sorted(set(journal.stages()))
    assert len(journal.stages()) == 8
    assert submissions(out) == 1
    run(suite, "halting", out=tmp_path / "one")
    assert tree(tmp_path / "one/results") == tree(out / "results")


@pytest.mark.slow
@pytest.mark.needs("submitit", "slurm")
@on_a_cluster
def test_a_job_that_vanishes_is_missed_and_the_same_command_resumes(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_jobs, "SQUEUE_SECONDS", 1.0)
    monkeypatch.setattr(slurm_jobs, "GRACE_SECONDS", 2.0)
    plugin = write_plugin(tmp_path / "plugin", waits=False)
    with pytest.raises(TemperError, match=r"halting, seed 0 \(Slurm job \d+ ended without a result; see .*err\) died"):
        run(suite, "halting", out=tmp_path / "out", plugins=[str(plugin)], executor="slurm")
    report = run(suite, "halting", out=tmp_path / "out", executor="slurm")
    assert (report.computed, report.failures) == (8, [])
    run(suite, "halting", out=tmp_path / "one")
    assert tree(tmp_path / "one/results") == tree(tmp_path / "out/results")
