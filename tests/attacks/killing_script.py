"""Run in a process of its own: attack in children that are killed ten times at random moments, then to the end."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from benchmark.attacks import run_attack
from benchmark.evaluation.tables import write_attack
from tests.attacks.fakes import attack, dataset, parts, victim, write_lexicon

SENTENCES = [
    " ".join(
        random.Random(seed).choices(["good", "great", "bad", "film", "watch", "charming", "the", "dull"], k=4 + seed)
    )
    for seed in range(14)
]


def slowly(texts):
    time.sleep(0.004)
    return victim(texts)


def attacked(folder: Path, name: str, in_flight: int) -> None:
    spec = attack(write_lexicon(folder / "tiny.tsv.gz"))
    rows = run_attack(spec, dataset(*SENTENCES), slowly, folder / f"{name}.jsonl", parts=parts(), in_flight=in_flight)
    write_attack(folder / f"{name}.parquet", rows)


def main(folder: Path, seed: int) -> None:
    rng, left = random.Random(seed), []
    attacked(folder, "undisturbed", 64)
    started = time.process_time()
    attacked(folder, "measured", 3)
    whole = time.process_time() - started
    while len(left) < 10:
        in_flight, moment = rng.choice([1, 3, 64]), rng.uniform(0.02, 0.09) * whole
        child = os.fork()
        if child == 0:
            # By the child's own time and not by a clock, which runs on while a busy machine lets the child wait. What
            # the signal does to a process that does not handle it is what SIGKILL does.
            signal.setitimer(signal.ITIMER_PROF, moment)
            attacked(folder, "killed", in_flight)
            os._exit(0)
        os.waitpid(child, 0)
        journal = folder / "killed.jsonl"
        left.append(journal.read_bytes().count(b"\n") if journal.exists() else 0)
    attacked(folder, "killed", 3)
    (folder / "left.json").write_text(json.dumps(left))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
