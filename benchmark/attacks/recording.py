"""The loop around every search: what the journal lacks is attacked, and each row is on the disk before it is shown."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from benchmark.attacks.journal import Journal
from benchmark.data import Dataset, Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError

Progress: TypeAlias = Callable[[AttackRow, int, int], None]

Rows: TypeAlias = Callable[[Sequence[Example], str], Generator[AttackRow, None, None]]
"""Attacks examples and gives their rows in any order; a text that tells the attack from others seeds random numbers."""


def record(
    attacked: Rows, dataset: Dataset, journal: Path, identity: str, progress: Progress | None = None
) -> list[AttackRow]:
    """Attack the examples that a journal lacks.

    Args:
        attacked: The attack.
        dataset: Labelled examples.
        journal: A file in an existing folder.
        identity: Fingerprint of the attack.
        progress: Called after each example with its row, the number of examples done, and their total.

    Returns:
        One row for each example, in the order of `dataset`.

    Raises:
        IntegrityError: the journal belongs to another attack or other examples.
        TemperError: an example has no label, or whatever the attack raises.
    """
    plan = [example.id for example in dataset.examples]
    unlabelled = next((example.id for example in dataset.examples if example.label is None), None)
    if unlabelled is not None:
        raise TemperError(f"{dataset.name}: example {unlabelled!r} has no label; an attack needs a labelled probe.")
    with Journal(journal, identity, dataset.content_hash, plan) as log:
        remaining = [example for example in dataset.examples if example.id not in log.done]
        # Closed at once also when this loop is interrupted: there may be processes behind it.
        with closing(attacked(remaining, identity)) as rows:
            for row in rows:
                log.append(row)
                if progress is not None:
                    progress(row, len(log.done), len(plan))
        return log.rows
