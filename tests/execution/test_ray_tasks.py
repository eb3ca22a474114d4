"""Rows on a Ray cluster of three nodes: the bytes of a local run, lost workers and nodes, and what is refused."""

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark import run
from benchmark.cli.main import main
from benchmark.execution.executors import Ray, parse_place
from benchmark.execution.executors.ray_tasks import RayTasks, _require_reachable
from benchmark.schema import TemperError, UsageError
from scripts import ray_cluster
from tests.support.command import temper, tune_here_and_there
from tests.support.folders import tree
from tests.support.halting import Journal, write_plugin
from tests.support.processes import PROCESSES

pytestmark = pytest.mark.usefixtures("_one_thread")
METHODS = "vanilla,roast"
on_a_cluster = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, cluster_port: int) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
            patch.setenv(name, "")
        try:
            ray_cluster.start(folder, nodes=3, port=cluster_port, head_cpus=0)
            yield folder
        finally:
            ray_cluster.stop(folder)


def test_the_settings_are_read() -> None:
    assert parse_place("ray:address=10.0.0.1:6379,cpus=4,gpus=0.5") == Ray(address="10.0.0.1:6379", cpus=4, gpus=0.5)
    with pytest.raises(UsageError, match=r"cpus.*at least 1"):
        parse_place("ray:cpus=0")


def test_a_missing_library_is_named_with_its_command(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else real(name))
    done = temper("run", suite, "--executor", "ray", "--out", suite.parent / "out")
    assert done.returncode == 2
    assert "Ray is not installed. Run: pip install -c constraints.txt -e '.[ray]'" in " ".join(done.stderr.split())


def test_a_cluster_that_does_not_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(**_: object) -> None:
        raise Exception("The current node timed out during startup.")

    # Ray itself reads how a cluster authenticates when it is first imported, so the tests of a cluster import it first.
    errors = SimpleNamespace(RayError=OSError)
    ray = SimpleNamespace(init=late, is_initialized=lambda: False, exceptions=errors)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(
        TemperError, match=r"^Ray did not start \(Exception: The current node .*\)\. Run the same"
    ) as caught:
        RayTasks(None, 1, Ray())._connect()  # type: ignore[arg-type]
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"127\.0\.0\.1:1 cannot be reached \(.*refused\)\. Check the address"),
        ("127.0.0.1:x", "127.0.0.1:x cannot be reached"),
        ("headnode", "headnode has no port. Write HOST:PORT, such as headnode:6379, or auto"),
        ("ray://headnode:10001", "is one of Ray Client"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_once(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _require_reachable(address)


@pytest.mark.slow
@pytest.mark.needs("ray")
@on_a_cluster
def test_three_nodes_write_the_bytes_of_one_process(suite: Path, tmp_path: Path) -> None:
    run(suite, METHODS, seeds=2, out=tmp_path / "one")
    done = temper("run", suite, "--methods", METHODS, "--seeds", 2, "--executor", "ray", "--out", tmp_path / "ray")
    assert done.returncode == 0, done.stderr
    assert "Computed 32 stages; 0 reused." in done.stderr
    assert tree(tmp_path / "one/results") == tree(tmp_path / "ray/results")
    again = run(suite, METHODS, seeds=2, out=tmp_path / "ray", executor="ray:address=127.0.0.1:1")
    assert (again.computed, again.reused) == (0, 32)


@pytest.mark.slow
@pytest.mark.needs("ray")
@on_a_cluster
def test_tuning_gives_the_trials_of_one_process(suite: Path, tmp_path: Path) -> None:
    tune_here_and_there(suite, tmp_path / "one", tmp_path / "ray", "ray")


@pytest.mark.slow
@pytest.mark.needs("ray")
@on_a_cluster
def test_the_row_of_a_dead_worker_goes_on_in_another(suite: Path, tmp_path: Path) -> None:
    plugin, journal = write_plugin(tmp_path / "plugin", waits=False), Journal(tmp_path / "journal")
    report = run(
        suite, "halting,vanilla", out=tmp_path / "ray", plugins=[str(plugin)], executor="ray", observer=journal
    )
    assert report.failures == []
    assert sorted(journal.stages()) == sorted(set(journal.stages()))
    assert len(journal.stages()) == 9  # The weights are vanilla's, so only the training is another stage.
    run(suite, "halting,vanilla", out=tmp_path / "one")
    assert tree(tmp_path / "one/results") == tree(tmp_path / "ray/results")


def command(suite: Path, out: Path, plugin: Path) -> None:
    """Run a row as a command of a terminal does."""
    os.setsid()
    os.dup2(os.open(out.with_name("stderr"), os.O_WRONLY | os.O_CREAT), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    arguments = ["--methods", "halting", "--plugin", str(plugin), "--executor", "ray", "--out", str(out)]
    sys.argv = ["temper", "run", str(suite), *arguments]
    main()


@pytest.mark.slow
@pytest.mark.needs("ray")
@on_a_cluster
def test_ctrl_c_cancels_the_tasks(suite: Path, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", waits=True)
    process = PROCESSES.Process(target=command, args=(suite, tmp_path / "out", plugin))
    process.start()
    deadline = time.monotonic() + 240
    while not plugin.with_name("halted").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.join(120)
    told = " ".join((tmp_path / "stderr").read_text().split())
    assert process.exitcode == 130, told
    assert "The tasks of Ray are cancelled." in told
    assert "rerun the same command to resume" in told
    worker = int(plugin.with_name("halted").read_text())
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(worker, 0)
            time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.needs("ray")
@pytest.mark.skipif(sys.platform != "linux", reason="a node's processes are found in /proc")
def test_the_row_of_a_vanished_node_goes_on_elsewhere(suite: Path, tmp_path: Path, cluster: Path) -> None:
    plugin, journal = write_plugin(tmp_path / "plugin", waits=True), Journal(tmp_path / "journal")
    killed: list[str] = []

    def kill() -> None:
        halted, deadline = plugin.with_name("halted"), time.monotonic() + 240
        while not halted.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process = int(halted.read_text())
        nodes = [path.stem for path in cluster.glob("node*.pid")]
        killed.extend(node for node in nodes if process in ray_cluster.processes(cluster, node))
        ray_cluster.kill(cluster, killed[0])

    killer = threading.Thread(target=kill)
    killer.start()
    options = {"plugins": [str(plugin)], "executor": "ray", "observer": journal}
    report = run(suite, "halting", seeds=2, out=tmp_path / "ray", **options)
    killer.join()
    assert killed in (["node1"], ["node2"])
    assert report.failures == []
    assert sorted(journal.stages()) == sorted(set(journal.stages()))
    run(suite, "halting", seeds=2, out=tmp_path / "one")
    assert tree(tmp_path / "one/results") == tree(tmp_path / "ray/results")
