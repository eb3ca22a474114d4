"""An attack on a set of examples: many at a time, resumable, the same rows in whatever company."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.attacks.attacking import begin
from benchmark.attacks.engine import Failed, run_searches
from benchmark.attacks.engine.questions import ENCODER, VICTIM
from benchmark.attacks.journal import Journal
from benchmark.attacks.parts import Parts, load_parts
from benchmark.attacks.recipes import prepare
from benchmark.attacks.spec import Victim, attack_fingerprint, numbers_of
from benchmark.attacks.victim import encoder_oracle, victim_oracle
from benchmark.data import Dataset, Example
from benchmark.schema.attack_rows import AttackRow
from benchmark.schema.errors import TemperError
from benchmark.suites.spec import Attack

Progress = Callable[[AttackRow, int, int], None]

IN_FLIGHT = 64
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
) -> list[AttackRow]:
    """Attack every example of a data set.

    A run that was killed goes on with the examples that the journal lacks, and its rows equal those of a run that was
    not: an example's row depends on nothing but the attack, the victim and the example.

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

    Returns:
        One row for each example, in the order of `dataset`.

    Raises:
        UsageError: the attack names something that does not exist.
        UnavailableError: a resource or an optional library is missing.
        IntegrityError: the journal belongs to another attack or other examples.
        TemperError: an example has no label, or the machine ran out of memory or disk space.
    """
    identity = attack_fingerprint(attack)
    plan = [example.id for example in dataset.examples]
    unlabelled = next((example.id for example in dataset.examples if example.label is None), None)
    if unlabelled is not None:
        raise TemperError(f"{dataset.name}: example {unlabelled!r} has no label; an attack needs a labelled probe.")
    with Journal(journal, identity, dataset.content_hash, plan) as log:
        remaining = [example for example in dataset.examples if example.id not in log.done]
        if remaining:
            loaded = parts or load_parts(numbers_of(attack), device)
            ours = attack.backend == "engine"
            backend = _Engine(attack, loaded, victim, in_flight) if ours else _textattack(attack, loaded, victim)
            for row in backend(remaining, identity):
                log.append(row)
                if progress is not None:
                    progress(row, len(log.done), len(plan))
        return log.rows


_Backend = Callable[[Sequence[Example], str], Iterator[AttackRow]]


@dataclass(frozen=True)
class _Engine:
    """Our own search."""

    attack: Attack
    parts: Parts
    victim: Victim
    in_flight: int

    def __call__(self, examples: Sequence[Example], identity: str) -> Iterator[AttackRow]:
        numbers = numbers_of(self.attack)
        search = prepare(self.attack.recipe, numbers, self.parts)
        oracles = {VICTIM: victim_oracle(self.victim), ENCODER: encoder_oracle(self.parts.encoder)}
        tiers = oracles[VICTIM].last_tier, oracles[ENCODER].last_tier
        budget = numbers.query_budget
        attempts = (begin(e, search, f"{identity}/{e.id}", budget, tiers) for e in examples)
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


def _textattack(
    attack: Attack, parts: Parts, victim: Victim
) -> Callable[[Sequence[Example], str], Iterator[AttackRow]]:
    """TextAttack's search, one example after the other."""
    from benchmark.attacks.textattack_adapter import TextAttackSearch

    search = TextAttackSearch(numbers_of(attack), parts, victim)
    return lambda examples, identity: (search.attack(e, f"{identity}/{e.id}") for e in examples)


def _stopped(error: BaseException) -> TemperError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TemperError(
        f"The attack stopped ({what}); all examples that were finished are kept, so free memory or disk space and run "
        "again."
    )
