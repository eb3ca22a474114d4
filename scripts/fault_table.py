"""Break Ray and Slurm runs on purpose, and print a Markdown table of what was computed and whether the records agree.

    python -m scripts.fault_table FOLDER [--only ray] [--rounds 8] > faults.md

It starts three Ray nodes with host names of their own and disks in memory, which needs root and Linux, and two Slurm
nodes. Every fault hits a run of two rows of a tiny suite while it is in a stage; a run that ends with an error is
started again. The records are compared with those of an undisturbed run in one process, byte for byte.
"""

import argparse
import contextlib
import errno
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts import ray_cluster
from tests.support.folders import tree

REPOSITORY = Path(__file__).resolve().parents[1]
STALE_SECONDS = 10
WAIT_SECONDS = 400.0
SEEDS = 2
STEPS = ("train", "attack")
"""Stages in which a process stops after three steps or examples; in others it stops at their beginning."""

DISK_MEGABYTES = 32
EXECUTORS = {"ray": "ray", "slurm": "slurm:rows_per_job=1", "local": "local:jobs=2"}


class Halting:
    """An observer that counts finished stages in a file, and stops the first process that is in a stage.

    Copies in all processes share a folder: ``stages`` has a line per finished stage, ``halted`` the stopped process.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        self._folder, self._stage, self._label = folder, stage, ""

    def begin(self, label: str) -> None:
        """Stop at the beginning of a stage."""
        self._label = label
        if self._stage not in STEPS:
            self._halt()

    def advance(self, done: int, _total: int) -> None:
        """Stop within a stage."""
        if self._stage in STEPS and done >= 3:
            self._halt()

    def end(self, label: str, _seconds: float) -> None:
        """Count the stage."""
        with (self._folder / "stages").open("a", encoding="utf-8") as stream:
            stream.write(f"{label}\n")

    def note(self, sentence: str) -> None:
        """Write the sentence to standard error."""
        print(sentence, file=sys.stderr)

    def _halt(self) -> None:
        if not self._stage or self._stage not in self._label:
            return
        try:
            with (self._folder / "halted").open("x", encoding="ascii") as stream:
                stream.write(str(os.getpid()))
        except FileExistsError:
            return
        deadline = time.monotonic() + WAIT_SECONDS
        while not (self._folder / "released").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        if (self._folder / "no-room").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder / "out"))


@dataclass
class Run:
    """A run to break.

    Attributes:
        folder: Its files; ``out`` is the store and the records.
        suite: The suite's file.
        executor: Text of the executor.
        stage: Part of the label of the stage in which a process stops; empty for none.
        drivers: The commands that run.
    """

    folder: Path
    suite: Path
    executor: str
    stage: str
    drivers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start(self, executor: str = "") -> None:
        """Start the command."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = [str(self.suite), str(self.folder), executor or self.executor, self.stage]
        with (self.folder / f"driver{len(self.drivers)}.log").open("w") as log:
            command = [sys.executable, "-m", "scripts.fault_table", "--drive", *arguments]
            self.drivers.append(subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log))

    def halted(self) -> int:
        """Wait until a process has stopped in the stage, and return its id."""
        path, deadline = self.folder / "halted", time.monotonic() + WAIT_SECONDS
        while not (path.exists() and path.read_text(encoding="ascii")):
            if time.monotonic() > deadline:
                raise SystemExit(f"No process of {self.folder} came to {self.stage}.")
            time.sleep(0.1)
        return int(path.read_text(encoding="ascii"))

    def finish(self) -> int:
        """Wait for the commands; start one again until it ends well. Return how often that was needed."""
        codes = [driver.wait() for driver in self.drivers]
        again = 0
        while codes[-1] != 0 and again < 3:
            again += 1
            self.start()
            codes.append(self.drivers[-1].wait())
        return again

    def release(self) -> None:
        """Let the stopped process go on."""
        (self.folder / "released").touch()


Fault = Callable[[Run, Path], None]


def kill_worker(run: Run, _cluster: Path) -> None:
    """Kill the worker."""
    os.kill(run.halted(), signal.SIGKILL)


def kill_driver(run: Run, _cluster: Path) -> None:
    """Kill the command."""
    run.halted()
    run.drivers[0].kill()
    time.sleep(1)
    run.release()


def no_room(run: Run, _cluster: Path) -> None:
    """Let the worker's next write fail, as a quota of its node does."""
    run.halted()
    (run.folder / "no-room").touch()
    run.release()
    _await_sentence(run)


def full_disk(run: Run, _cluster: Path) -> None:
    """Fill the disk of the store, and free it when the command has ended."""
    run.halted()
    filler = run.folder / "out/filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(2**16))
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as stream:
        while True:
            stream.write(b"0")
    run.release()
    _await_sentence(run)
    filler.unlink()


def _await_sentence(run: Run) -> None:
    """Wait for the end of the command, which must say in one sentence that there is no space."""
    code = run.drivers[0].wait()
    output = " ".join((run.folder / "driver0.log").read_text(encoding="utf-8").split())
    if not code or f"out failed: {os.strerror(errno.ENOSPC)}. Free space there" not in output:
        raise SystemExit(f"The command of {run.folder} does not say that there is no space.")


def kill_ray_node(run: Run, cluster: Path) -> None:
    """Kill the raylet and the workers of a node, and start it again."""
    node = _ray_node(run.halted(), cluster)
    ray_cluster.kill(cluster, node)
    ray_cluster.start_again(cluster, node)


def kill_raylet(run: Run, cluster: Path) -> None:
    """Kill a raylet, leave it to its workers to notice, and start the node again."""
    node = _ray_node(run.halted(), cluster)
    for process in ray_cluster.processes(cluster, node):
        if _command(Path(f"/proc/{process}")).partition("\0")[0].endswith("/raylet"):
            os.kill(process, signal.SIGKILL)
    time.sleep(10)
    ray_cluster.kill(cluster, node)
    ray_cluster.start_again(cluster, node)


def _ray_node(process: int, cluster: Path) -> str:
    nodes = [path.stem for path in sorted(cluster.glob("node*.pid"))]
    return next(name for name in nodes if process in ray_cluster.processes(cluster, name))


def kill_slurmd(run: Run, cluster: Path) -> None:
    """Kill slurmd on both nodes, and start it again."""
    run.halted()
    for name in ("node1", "node2"):
        os.kill(int((cluster / f"{name}.pid").read_text(encoding="ascii")), signal.SIGKILL)
        subprocess.run(["scripts/slurm_cluster.sh", "node", cluster, name], cwd=REPOSITORY, check=True)
    run.release()


def kill_slurm_node(run: Run, cluster: Path) -> None:
    """Kill slurmd and the jobs of a node, and start slurmd again after Slurm has missed it."""
    process = run.halted()
    name = _variables(process)["SLURMD_NODENAME"]
    os.kill(int((cluster / f"{name}.pid").read_text(encoding="ascii")), signal.SIGKILL)
    everything = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    members = [one for one in everything if _variables(one).get("SLURMD_NODENAME") == name]
    # The daemons of the job's steps come first: they would report how it ended.
    steps = {one for member in members for one in _ancestors(member) if "slurmstepd" in _command(Path(f"/proc/{one}"))}
    for one in (*steps, *members):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(one, signal.SIGKILL)
    time.sleep(20)  # Slurm takes the node for down, and queues its jobs again.
    subprocess.run(["scripts/slurm_cluster.sh", "node", cluster, name], cwd=REPOSITORY, check=True)


def requeue(run: Run, _cluster: Path) -> None:
    """Queue the job again."""
    job = _variables(run.halted())["SLURM_JOB_ID"]
    subprocess.run(["scontrol", "requeue", job], check=True)


def two_commands(run: Run, _cluster: Path) -> None:
    """Start a second command, which computes two rows at a time on this machine."""
    run.start(EXECUTORS["local"])


FAULTS: list[tuple[str, str, str, Fault]] = [
    ("ray", "kill -9 of the worker", "train", kill_worker),
    ("ray", "kill -9 of a raylet; its workers notice", "train", kill_raylet),
    ("ray", "kill -9 of a node: raylet and workers", "train", kill_ray_node),
    ("ray", "kill -9 of a node: raylet and workers", "predict", kill_ray_node),
    ("ray", "kill -9 of a node: raylet and workers", "attack", kill_ray_node),
    ("ray", "kill -9 of the command", "train", kill_driver),
    ("ray", "no space for one of the nodes", "predict", no_room),
    ("ray", "a full disk", "train", full_disk),
    ("ray", "two commands on one store: this and a local one", "", two_commands),
    ("slurm", "kill -9 of the worker", "train", kill_worker),
    ("slurm", "scontrol requeue, as preemption does", "train", requeue),
    ("slurm", "kill -9 of slurmd, which is started again", "train", kill_slurmd),
    ("slurm", "kill -9 of a node: slurmd and its jobs", "train", kill_slurm_node),
    ("slurm", "kill -9 of a node: slurmd and its jobs", "predict", kill_slurm_node),
    ("slurm", "kill -9 of a node: slurmd and its jobs", "attack", kill_slurm_node),
    ("slurm", "kill -9 of the command", "train", kill_driver),
    ("slurm", "no space for one of the nodes", "predict", no_room),
    ("slurm", "a full disk", "train", full_disk),
    ("slurm", "two commands on one store: this and a local one", "", two_commands),
]


def _ancestors(process: int) -> list[int]:
    ancestors = []
    while process > 1:
        try:
            stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended
            break
        process = int(stat.rpartition(")")[2].split()[1])
        ancestors.append(process)
    return ancestors


def _variables(process: int) -> Mapping[str, str]:
    try:
        text = Path(f"/proc/{process}/environ").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(pair.partition("=")[::2] for pair in text.split("\0"))


def _command(path: Path) -> str:
    try:
        return (path / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def drive(suite: str, folder: str, executor: str, stage: str) -> None:
    """Run the command; the part of this script that is broken."""
    import torch

    import benchmark

    torch.set_num_threads(1)
    place = Path(folder)
    benchmark.run(suite, seeds=SEEDS, out=place / "out", executor=executor, observer=Halting(place, stage))


def table(folder: Path, only: str, rounds: int) -> None:
    """Break a run by every fault, some times each, and print a line for each time."""
    os.environ |= {"TEMPER_STALE_SECONDS": str(STALE_SECONDS), "PYTHONPATH": str(REPOSITORY), "SLURM_CONF": ""}
    folder.mkdir(parents=True)
    chosen = [one for one in FAULTS if " ".join(one[:3]).startswith(only) for _ in range(rounds)]
    whole = {
        attack: _whole(folder / f"whole{attack:d}", attack=attack) for attack in {f[2] == "attack" for f in chosen}
    }
    print("| engine | fault | in | started again | stages | computed twice | same records | seconds |", flush=True)
    print("|---|---|---|--:|--:|--:|---|--:|", flush=True)
    for engine in dict.fromkeys(fault[0] for fault in chosen):
        cluster = folder / engine
        _start(engine, cluster)
        try:
            for number, (_, title, stage, fault) in enumerate(one for one in chosen if one[0] == engine):
                undisturbed = whole[stage == "attack"]
                run = Run(folder / f"{engine}{number}", undisturbed.suite, EXECUTORS[engine], stage)
                started = time.monotonic()
                with _small_disk(run.folder / "out", wanted=fault is full_disk):
                    run.start()
                    fault(run, cluster)
                    again = run.finish()
                    records = tree(run.folder / "out/results")
                lines, stages = _lines(run.folder / "stages"), len(_lines(undisturbed.folder / "stages"))
                same = "yes" if records == tree(undisturbed.folder / "out/results") else "NO"
                counts = f"{len(set(lines))} of {stages} | {len(lines) - len(set(lines))}"
                seconds = round(time.monotonic() - started)
                about = f"| {engine} | {title} | {stage or '-'}"
                print(f"{about} | {again} | {counts} | {same} | {seconds} |", flush=True)
        finally:
            _stop(engine, cluster)


def _whole(folder: Path, *, attack: bool) -> Run:
    """Run a suite undisturbed."""
    from tests.support.tiny import write_tiny_bert
    from tests.support.tiny_suite import write_tiny_suite

    (folder / "suite").mkdir(parents=True)
    (folder / "bert").mkdir()
    suite = write_tiny_suite(folder / "suite", write_tiny_bert(folder / "bert"), attack=attack)
    whole = Run(folder, suite, "local", "")
    whole.start()
    whole.finish()
    return whole


@contextlib.contextmanager
def _small_disk(place: Path, *, wanted: bool) -> Iterator[None]:
    """Mount a small disk there, if it is wanted."""
    if not wanted:
        yield
        return
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _start(engine: str, cluster: Path) -> None:
    if engine == "ray":
        ray_cluster.start(cluster, nodes=3, port=6490, cpus=1, head_cpus=0, hosts=True)
    else:
        subprocess.run(["scripts/slurm_cluster.sh", "start", cluster, "17900"], cwd=REPOSITORY, check=True)
        os.environ["SLURM_CONF"] = str(cluster / "slurm.conf")


def _stop(engine: str, cluster: Path) -> None:
    if engine == "ray":
        ray_cluster.stop(cluster)
    else:
        subprocess.run(["scripts/slurm_cluster.sh", "stop", cluster], cwd=REPOSITORY, check=True)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def main() -> None:
    """Read the arguments, and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="a new folder; its path must be short")
    parser.add_argument("--only", default="", help="beginning of engine, fault and stage, such as: ray kill")
    parser.add_argument("--rounds", type=int, default=1, help="times that each fault is tried")
    parser.add_argument("--drive", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        # Not the function of this module, which is called __main__: other processes have to find the observer's class.
        importlib.import_module("scripts.fault_table").drive(*arguments.drive)
    else:
        table(arguments.folder.absolute(), arguments.only, arguments.rounds)


if __name__ == "__main__":
    main()
