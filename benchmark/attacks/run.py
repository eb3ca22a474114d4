"""Run an attack on a data set: concurrent, resumable, and with rows that do not depend on other examples."""

from pathlib import Path

from benchmark.attacks.identity import attack_fingerprint
from benchmark.attacks.job import Job
from benchmark.attacks.journal import Progress, record
from benchmark.attacks.parts import Parts
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.victim import Victim
from benchmark.attacks.workers import Workers
from benchmark.data import Dataset
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import UsageError

IN_FLIGHT = 128
"""Default number of concurrent searches: enough to fill batches with the questions of a round."""


def run_attack(
    attack: Attack,
    dataset: Dataset,
    victim: Victim,
    journal: Path,
    progress: Progress | None = None,
    *,
    parts: Parts | None = None,
    device: str = "cpu",
    in_flight: int = IN_FLIGHT,
    workers: int = 1,
) -> list[AttackRow]:
    """Attack every example of a data set.

    A killed run resumes with the examples that the journal lacks, and gives the same rows as an uninterrupted one: an
    example's row depends only on the attack, the victim and the example. A script that uses more than one worker must
    call this under ``if __name__ == "__main__":``, because each worker imports the script.

    Args:
        attack: An attack of a suite.
        dataset: Labelled examples of one or two texts each.
        victim: A `ModelVictim`, or a function that returns logits, float32 of shape (texts, classes), for tuples of
            texts; deterministic, and for each text independent of the other texts.
        journal: A file in an existing folder; one per pair of attack and victim.
        progress: Called after each example with its row, the number of finished examples, and their total.
        parts: The attack's resources, if they are loaded already.
        device: Device of the attack's own models.
        in_flight: Maximum number of examples under attack at once; a kill loses at most those.
        workers: Number of processes that share the examples and torch's threads, at least 1; a run may be resumed with
            another number. With more than one, a victim that is not a `ModelVictim` must be a module-level function.

    Returns:
        One row per example, in the order of `dataset`.

    Raises:
        UsageError: the attack names something that does not exist, or the job cannot be sent to workers.
        UnavailableError: a resource or an optional library is missing.
        IntegrityError: the journal belongs to another attack or other examples.
        TemperError: an example has no label, or the machine ran out of memory or disk space.
    """
    if workers < 1:
        raise UsageError(f"workers ({workers}) must be at least 1.")
    if workers > 1 and attack.backend != "engine":
        raise UsageError(f"Backend {attack.backend!r} runs in one process; leave `workers` at 1.")
    identity = attack_fingerprint(attack)
    job = Job(attack, victim, parts, device, max(1, in_flight // workers))
    return record(job if workers == 1 else Workers(job, workers), dataset, journal, identity, progress)
