"""Start a Ray cluster of several nodes on this machine, for tests.

eval "$(python scripts/ray_cluster.py start FOLDER --nodes 3 --port 6390)"    set RAY_ADDRESS and the cluster's token
python scripts/ray_cluster.py kill FOLDER node2                     kill a node with its workers, as a power cut does
python scripts/ray_cluster.py stop FOLDER

Every node is a raylet with ports of its own. With ``--hosts``, which needs root and Linux, every node also has a host
name of its own, so that Temper takes it for another machine and judges its claims by their beats.
"""

import argparse
import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OBJECT_STORE_BYTES = 100_000_000
START_SECONDS = 180.0
PORTS_PER_NODE = 40
SESSION = "session"
"""File with the path of the folder of Ray's own files."""


def start(
    folder: Path, nodes: int, port: int, *, cpus: int = 1, head_cpus: int = 1, hosts: bool = False
) -> dict[str, str]:
    """Start the nodes, wait until the cluster has all of them.

    Returns:
        The environment variables with which a command uses the cluster.

    Raises:
        SystemExit: a node did not start in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{port}"
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    # The paths of Ray's sockets must be short, so its files cannot be in the folder.
    (folder / SESSION).write_text(tempfile.mkdtemp(prefix="ray-"), encoding="utf-8")
    settings = {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token.absolute())}
    os.environ |= settings
    os.environ.setdefault("RAY_worker_niceness", "0")
    deadline = time.monotonic() + START_SECONDS
    for number in range(nodes):
        # One after the other: nodes that start at once take the same names for their files.
        ports = port + 1 + number * PORTS_PER_NODE
        process = _start_node(folder, f"node{number}", address, ports, cpus if number else head_cpus, hosts=hosts)
        while _count_nodes(address) <= number:
            if time.monotonic() > deadline:
                raise SystemExit(f"node{number} did not join {address}; see the logs in {folder}.")
            if process.poll() is not None:  # Ray waits for 30 seconds, which a busy machine may exceed.
                process = start_again(folder, f"node{number}")
            time.sleep(0.5)
    return settings


def kill(folder: Path, node: str) -> None:
    """Kill all processes of a node."""
    for process in processes(folder, node):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(process, signal.SIGKILL)


def stop(folder: Path) -> None:
    """Kill all nodes that still run."""
    for path in sorted(folder.glob("node*.pid"), reverse=True):
        kill(folder, path.stem)
        path.unlink()
    session = folder / SESSION
    if session.is_file():
        shutil.rmtree(session.read_text(encoding="utf-8"), ignore_errors=True)
        session.unlink()


def _start_node(
    folder: Path, name: str, address: str, port: int, cpus: int, *, hosts: bool
) -> "subprocess.Popen[bytes]":
    head = name == "node0"
    command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
    if head:
        client = f"--ray-client-server-port={port + 7}"
        command += ["--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false", client]
    session = (folder / SESSION).read_text(encoding="utf-8")
    command += [f"--temp-dir={session}"] if head else [f"--address={address}"]
    command += ["--node-ip-address=127.0.0.1", f"--num-cpus={cpus}", f"--object-store-memory={OBJECT_STORE_BYTES}"]
    names = ("node-manager", "object-manager", "dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent")
    command += [f"--{one}-port={port + offset}" for offset, one in enumerate((*names, "metrics-export"))]
    command += [f"--min-worker-port={port + 8}", f"--max-worker-port={port + PORTS_PER_NODE - 1}"]
    if hosts:
        unshare = shutil.which("unshare") or "unshare"
        command = [unshare, "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name, *command]
    (folder / f"{name}.json").write_text(json.dumps(command), encoding="utf-8")
    return _spawn(folder, name, command)


def _spawn(folder: Path, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    (folder / f"{name}.pid").write_text(str(process.pid), encoding="ascii")
    return process


def _count_nodes(address: str) -> int:
    """Count the living nodes of a cluster; 0 if it cannot be reached."""
    # In a process of its own, which prints nothing while the cluster starts.
    script = f"from ray._raylet import GcsClient as C; n = C(address={address!r}).get_all_node_info(timeout=5).values()"
    command = [sys.executable, "-c", f"{script}; print(sum(one.state == 0 for one in n))"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def start_again(folder: Path, node: str) -> "subprocess.Popen[bytes]":
    """Start a node that was killed; it joins in its own time."""
    command = json.loads((folder / f"{node}.json").read_text(encoding="utf-8"))
    return _spawn(folder, node, command)


def processes(folder: Path, node: str) -> list[int]:
    """Return the ids of a node's processes, also of those that have a session of their own."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    root = int((folder / f"{node}.pid").read_text(encoding="ascii"))
    family = [root] if root in parents else []
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def main() -> None:
    """Read the arguments, and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("start", "kill", "stop"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("node", nargs="?", default="")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--port", type=int, default=6390)
    parser.add_argument("--cpus", type=int, default=1, help="processors of a node")
    parser.add_argument("--head-cpus", type=int, default=1, help="processors of the first node")
    parser.add_argument("--hosts", action="store_true", help="give every node a host name")
    arguments = parser.parse_args()
    if arguments.command == "start":
        settings = start(
            arguments.folder,
            arguments.nodes,
            arguments.port,
            cpus=arguments.cpus,
            head_cpus=arguments.head_cpus,
            hosts=arguments.hosts,
        )
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items()))
    elif arguments.command == "kill":
        kill(arguments.folder, arguments.node)
    else:
        stop(arguments.folder)


if __name__ == "__main__":
    main()
