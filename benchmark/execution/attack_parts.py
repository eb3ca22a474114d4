"""Share a long attack between processes. Each attacks some of its parts, and whoever finds all done merges them.

A part is a range of the attack's examples, with a claim, a journal and a table of its own. A process claims the next
part when it has room for another example, so one that is alone attacks as many examples at once as without parts.
An example's row depends on no other example, so the merged table has the bytes of one process.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark.attacks.journal import Journal
from benchmark.data import Dataset, Example
from benchmark.evaluation.parquet import read_attack, write_attack
from benchmark.execution.cells import ATTACKED, PART, Cell, Part
from benchmark.execution.claims import ClaimedError, Owner, claimed_error
from benchmark.execution.store import SCRATCH, Store
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError

if TYPE_CHECKING:
    from benchmark.execution.runner import Observer

Attacker = Callable[[Iterator[Example]], Generator[AttackRow, None, None]]
"""Attacks examples, which it asks for one at a time, and yields their rows in any order."""


@dataclass
class _Held:
    """A part that this process attacks.

    Attributes:
        folder: The folder of its files.
        journal: Its rows.
        part: The part.
        stack: Closes the journal and finishes the part.
    """

    folder: Path
    journal: Journal
    part: Part
    stack: ExitStack

    def finish(self) -> None:
        """Turn the part into an artifact if it has all its rows."""
        if len(self.journal.done) == len(self.part.examples):
            write_attack(self.folder / ATTACKED, self.journal.rows)
            self.stack.close()


@dataclass
class AttackParts:
    """The parts of an attack, and those that this process attacks.

    Attributes:
        cell: The attack.
        store: Holds the finished parts.
        observer: Receives progress, from the first claimed part on.
        attacked: Number of examples that this process has attacked.
        begun: Whether this process has claimed a part.
    """

    cell: Cell
    store: Store
    observer: "Observer"
    attacked: int = 0
    begun: bool = False
    _held: dict[str, _Held] = field(default_factory=dict)
    _done: int = 0

    @property
    def total(self) -> int:
        """Return the number of the attack's examples."""
        return sum(len(part.examples) for part in self.cell.parts)

    def attack(self, attacker: Attacker) -> None:
        """Attack the examples of all parts that no other process has.

        Raises:
            ClaimedError: another process still attacks a part.
            TemperError: the attack failed; the parts' journals are kept.
        """
        with ExitStack() as every, closing(attacker(self._examples(every))) as rows:
            for row in rows:
                held = self._held.pop(row.id)
                held.journal.append(row)
                self.attacked += 1
                self._done += 1
                self.observer.advance(self._done, self.total)
                held.finish()
            if self._held:
                raise TemperError(f"{self.cell.label}: the attack ended with {len(self._held)} examples left.")
        self.store.refresh(PART, self.cell.kind)
        unfinished = [part for part in self.cell.parts if self.store.find(PART, part.key) is None]
        # Whoever merges the parts removes them, after the attack has appeared.
        if unfinished and self.store.find(*self._whole) is None:
            raise claimed_error(self.cell.label, self.store.owner(PART, unfinished[0].key))

    @property
    def _whole(self) -> tuple[str, str]:
        return self.cell.kind, self.cell.key or ""

    def _examples(self, every: ExitStack) -> Iterator[Example]:
        """Claim one part after the other, and yield the examples that its journal lacks."""
        for part in self.cell.parts:
            if self.store.find(PART, part.key) is not None:
                self._done += len(part.examples)
                continue
            try:
                held = self._claim(part, every.enter_context(ExitStack()))
            except ClaimedError:
                continue
            if held is not None:
                self._done += len(held.journal.done)
                missing = [example for example in part.examples if example.id not in held.journal.done]
                self._held |= {example.id: held for example in missing}
                if not missing:
                    held.finish()
                yield from missing

    def _claim(self, part: Part, stack: ExitStack) -> _Held | None:
        """Claim a part; None if another process has finished it."""
        folder = stack.enter_context(self.store.work(PART, part.spec, self.cell.label, self._whole))
        if folder is None:
            stack.close()
            return None
        if not self.begun:
            self.observer.begin(self.cell.label)
            self.begun = True
        ids = [example.id for example in part.examples]
        content = Dataset(self.cell.subject, part.examples, ()).content_hash
        journal = stack.enter_context(Journal(folder / SCRATCH / "journal.jsonl", self._whole[1], content, ids))
        return _Held(folder, journal, part, stack)


def merged(cell: Cell, store: Store) -> list[AttackRow] | None:
    """Read the rows of an attack from its parts; None if it has none, or one is not finished."""
    tables = [store.find(PART, part.key) for part in cell.parts]
    finished = [table for table in tables if table is not None]
    if not finished or len(finished) < len(tables):
        return None
    return [row for table in finished for row in read_attack(table.folder / ATTACKED)]


def owners(cell: Cell, store: Store) -> list[Owner | Literal["unknown"] | None]:
    """Return who computes a cell, or each unfinished part of one with parts; None for what nobody computes."""
    whole = None if cell.key is None else store.owner(cell.kind, cell.key)
    parts = [] if whole is not None else [part for part in cell.parts if store.find(PART, part.key) is None]
    return [store.owner(PART, part.key) for part in parts] or [whole]
