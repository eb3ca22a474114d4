"""Run in a process of its own: tune in children that are killed ten times at random moments, then to the end."""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

from benchmark import worker_processes
from benchmark.execution.executors import Local
from benchmark.execution.plan import parse_methods
from benchmark.suites import load_suite
from benchmark.tuning.study import plan_tuning

KILLS, TRIALS = 10, 2


def tune(suite: str, out: Path, jobs: int) -> None:
    plan_tuning(load_suite(suite), parse_methods("vanilla,roast"), None, out, TRIALS).execute(place=Local(jobs=jobs))


def child(suite: str, out: Path, jobs: int = 1) -> int:
    pid = os.fork()
    if pid == 0:
        tune(suite, out, jobs)
        os._exit(0)
    return pid


def trials(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("trials.jsonl"))}


def main(suite: str, folder: Path, seed: int, jobs: int) -> None:
    # Workers start as copies of their parent, which has imported the libraries.
    worker_processes.CONTEXT = multiprocessing.get_context("fork")
    started = time.monotonic()
    os.waitpid(child(suite, folder / "whole"), 0)
    whole = time.monotonic() - started
    rng, killed, progress = random.Random(seed), 0, set()
    for _ in range(KILLS):
        pid = child(suite, folder / "killed", jobs)
        # Ten kills cover about one run, so that a run that is faster than the first one is killed often, too.
        time.sleep(rng.uniform(0.02, 0.15) * whole)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
        progress.add(sum(1 for _ in (folder / "killed").rglob("receipt.json")))
    _, status = os.waitpid(child(suite, folder / "killed", jobs), 0)
    same = trials(folder / "whole") == trials(folder / "killed")
    outcome = {"killed": killed, "same": same, "status": status, "files": len(trials(folder / "whole"))}
    sys.stdout.write(json.dumps(outcome))
    sys.stderr.write(f"artifacts after each kill: {sorted(progress)}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
