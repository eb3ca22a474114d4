"""An attack on a set of examples: resumable, one example at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.attacks.journal import Journal
from benchmark.attacks.spec import Parts, Victim, attack_fingerprint, load_parts, textfooler
from benchmark.data import Dataset
from benchmark.schema.attack_rows import AttackRow
from benchmark.schema.errors import TemperError

if TYPE_CHECKING:
    from benchmark.suites.spec import Attack

Progress = Callable[[AttackRow, int, int], None]


def run_attack(
    attack: "Attack",
    dataset: Dataset,
    victim: Victim,
    journal: Path,
    progress: Progress | None = None,
    *,
    parts: Parts | None = None,
    device: str = "cpu",
) -> list[AttackRow]:
    """Attack every example of a data set, in its order.

    A run that was killed goes on where the journal ends, and its rows equal those of a run that was not. That holds
    because an example's row depends on nothing but the attack, the victim and the example.

    Args:
        attack: An attack of a suite.
        dataset: Labelled examples of one or two texts each.
        victim: Gives logits, float32 of shape (texts, classes), for tuples of texts; deterministic.
        journal: A file in an existing folder; one for each pair of attack and victim.
        progress: Called after each example with its row, the number of examples done, and their total.
        parts: What the attack works with, if it is loaded already.
        device: Where the sentence encoder runs.

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
        remaining = dataset.examples[len(log.rows) :]
        if remaining:
            from benchmark.attacks.textattack_adapter import TextAttackSearch

            parameters = textfooler(attack)
            search = TextAttackSearch(parameters, parts or load_parts(parameters, device), victim)
            for example in remaining:
                log.append(search.attack(example, f"{identity}/{example.id}"))
                if progress is not None:
                    progress(log.rows[-1], len(log.rows), len(plan))
        return log.rows
