"""An attack on a set of examples: many at a time, resumable, the same rows in whatever company."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.attacks.attacking import begin
from benchmark.attacks.engine import Failed, run_searches
from benchmark.attacks.engine.questions import ENCODER, MASKED_LM, VICTIM
from benchmark.attacks.parts import Parts, load_parts
from benchmark.attacks.recipes import prepare
from benchmark.attacks.recording import Progress, record
from benchmark.attacks.spec import Victim, attack_fingerprint, numbers_of
from benchmark.attacks.victim import encoder_oracle, masked_lm_oracle, victim_oracle
from benchmark.attacks.workers import Workers
from benchmark.data import Dataset, Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError, UsageError
from benchmark.suites.config import Attack

IN_FLIGHT = 128
"""Searches at once: enough to fill batches with the questions of a round."""


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

    A run that was killed goes on with the examples that the journal lacks, and its rows equal those of a run that was
    not: an example's row depends on nothing but the attack, the victim and the example. A script that asks for more
    than one worker does so under ``if __name__ == "__main__":``, since each of them imports it.

    Args:
        attack: An attack of a suite.
        dataset: Labelled examples of one or two texts each.
        victim: A `ModelVictim`, or a function that gives logits, float32 of shape (texts, classes), for tuples of
            texts; deterministic, and for each text the same in whatever company.
        journal: A file in an existing folder; one for each pair of attack and victim.
        progress: Called after each example with its row, the number of examples done, and their total.
        parts: What the attack works with, if it is loaded already.
        device: Where the attack's own models run.
        in_flight: Most examples under attack at once; a kill loses no more than those.
        workers: Processes that share the examples and torch's threads, at least 1; another number may go on where one
            stopped. With more than one, a victim that is no `ModelVictim` is a function of a module.

    Returns:
        One row for each example, in the order of `dataset`.

    Raises:
        UsageError: the attack names something that does not exist, or the job cannot be given to workers.
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


@dataclass(frozen=True)
class Job:
    """An attack with everything that it needs; called with examples, it gives their rows.

    Attributes:
        attack: What is done.
        victim: The model.
        parts: What the attack works with; None until it is loaded.
        device: Where they are loaded.
        in_flight: Most examples under attack at once.
    """

    attack: Attack
    victim: Victim
    parts: Parts | None
    device: str
    in_flight: int

    def __call__(self, examples: Sequence[Example], identity: str) -> Generator[AttackRow, None, None]:
        """Rows of the examples, in the order in which the searches end."""
        if not examples:
            return
        parts = self.parts or load_parts(numbers_of(self.attack), self.device)
        if self.attack.backend == "engine":
            yield from self._searched(examples, identity, parts)
        else:
            from benchmark.attacks.textattack.adapter import recipe_search

            yield from recipe_search(self.attack, parts, self.victim).all(examples, identity)

    def _searched(self, examples: Sequence[Example], identity: str, parts: Parts) -> Generator[AttackRow, None, None]:
        numbers = numbers_of(self.attack)
        search = prepare(self.attack.recipe, numbers, parts)
        oracles = {VICTIM: victim_oracle(self.victim), ENCODER: encoder_oracle(parts.encoder)}
        if parts.masked_lm is not None:
            oracles[MASKED_LM] = masked_lm_oracle(parts.masked_lm)
        budget = numbers.query_budget
        attempts = (begin(e, search, f"{identity}/{e.id}", budget) for e in examples)
        searches = ((attempt, attempt.run()) for attempt in attempts)
        try:
            for attempt, outcome in run_searches(searches, oracles, self.in_flight):
                yield attempt.failed(outcome) if isinstance(outcome, Failed) else outcome
        except (MemoryError, OSError) as error:
            raise _stopped(error) from error
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            raise _stopped(error) from error


def _stopped(error: BaseException) -> TemperError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TemperError(
        f"The attack stopped ({what}); all examples that were finished are kept, so free memory or disk space and run "
        "again."
    )
