"""Run in a process of its own: attack in children that are killed ten times at random moments, then to the end."""

import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path

from benchmark.attacks import run_attack
from benchmark.evaluation.parquet import write_attack
from tests.attacks.fakes import attack, dataset, parts, victim, write_lexicon

SENTENCES = [
    " ".join(
        random.Random(seed).choices(["good", "great", "bad", "film", "watch", "charming", "the", "dull"], k=4 + seed)
    )
    for seed in range(14)
]


class Dying:
    """The victim, slowed; some milliseconds after its n-th question the process dies."""

    def __init__(self, questions: float = math.inf, moment: float = 0.0) -> None:
        self.questions, self.moment = questions, moment

    def __call__(self, texts):
        self.questions -= 1
        if self.questions == 0:
            # What the signal does to a process that does not handle it is what SIGKILL does.
            signal.setitimer(signal.ITIMER_REAL, self.moment)
        time.sleep(0.004)
        return victim(texts)


def attacked(folder: Path, name: str, in_flight: int, asked: Dying) -> None:
    spec = attack(write_lexicon(folder / "tiny.tsv.gz"))
    rows = run_attack(spec, dataset(*SENTENCES), asked, folder / f"{name}.jsonl", parts=parts(), in_flight=in_flight)
    write_attack(folder / f"{name}.parquet", rows)


def main(folder: Path, seed: int) -> None:
    rng, left = random.Random(seed), []
    attacked(folder, "undisturbed", 64, Dying())
    while len(left) < 10:
        in_flight = rng.choice([1, 3, 64])
        # By questions and not by a clock, which runs on while a busy machine lets the child wait: 64 at once ask few.
        questions, moment = rng.randint(1, 4 if in_flight == 64 else 12), rng.uniform(0.0001, 0.008)
        child = os.fork()
        if child == 0:
            attacked(folder, "killed", in_flight, Dying(questions, moment))
            os._exit(0)
        os.waitpid(child, 0)
        journal = folder / "killed.jsonl"
        left.append(journal.read_bytes().count(b"\n") if journal.exists() else 0)
    attacked(folder, "killed", 3, Dying())
    (folder / "left.json").write_text(json.dumps(left))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
