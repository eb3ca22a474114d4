"""The journal of an attack: one line per example, written to disk as soon as its search ends."""

import contextlib
import json
import os
from collections.abc import Callable, Generator, Sequence, Set
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeAlias

from filelock import FileLock, Timeout

from benchmark.data import Dataset, Example
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.canonical import canonical_json
from benchmark.schema.errors import IntegrityError, TemperError


class Journal:
    """An append-only file: a header that identifies the attack and the data, then one canonical JSON line per example.

    One process at a time can open it. The lines are in the order in which the searches end. An unfinished last line of
    a killed run is dropped; any other invalid line is an error.
    """

    def __init__(self, path: Path, attack: str, data: str, plan: Sequence[str]) -> None:
        """Open the file, or create it.

        Args:
            path: The file; its folder is created if it is missing.
            attack: Fingerprint of the attack.
            data: Hash of the attacked examples.
            plan: Ids of the examples, in the order of the data set.

        Raises:
            IntegrityError: the file belongs to another attack or other examples, or is invalid before its last line.
            TemperError: another process has it open, or it cannot be written.
        """
        self._path = path
        self._plan = list(plan)
        self._header = {"attack": attack, "data": data}
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise TemperError(
                f"{path}: another process is running this attack. Wait until it ends, then run the same command again."
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    def append(self, row: AttackRow) -> None:
        """Append a row and flush it to disk.

        Raises:
            TemperError: the row cannot be written, or has a value that is not finite.
        """
        # Canonical JSON has no -0.0, and a table has: a resumed run would write other bytes.
        try:
            line = json.dumps(asdict(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise TemperError(f"{self._path}: the row of example {row.id!r} has a value that is not finite.") from error
        self._write(line)
        self._rows[row.id] = row

    @property
    def done(self) -> Set[str]:
        """Ids of the examples that have a line."""
        return self._rows.keys()

    @property
    def rows(self) -> list[AttackRow]:
        """The rows so far, in the order of the plan."""
        return [self._rows[example] for example in self._plan if example in self._rows]

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and unlock it."""
        self._stream.close()
        self._release()

    def _open(self) -> None:
        try:
            self._rows, size = self._read()
            self._stream: IO[bytes] = self._path.open("ab")
            self._stream.truncate(size)
        except OSError as error:
            raise self._unwritable(error) from error
        if not size:
            self._write(canonical_json(self._header))

    def _release(self) -> None:
        # Remove the lock file while it is locked: a process that has it open notices that and creates a new one.
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> TemperError:
        return TemperError(
            f"{self._path}: cannot write the attack's journal ({error}). Its lines are kept; free disk space or fix "
            "the permissions, and run again."
        )

    def _read(self) -> tuple[dict[str, AttackRow], int]:
        """Read the file's rows, and count its bytes up to the end of the last complete line."""
        if not self._path.is_file():
            return {}, 0
        lines = self._path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        values = [self._value(line, number, last=number == len(whole)) for number, line in enumerate(whole, start=1)]
        if values and values[-1] is None:
            values.pop()
            whole.pop()
        if not values:
            return {}, 0
        if values[0] != self._header:
            raise self._broken(1, "belongs to another attack or other examples")
        return self._by_id([self._row(value, number) for number, value in enumerate(values[1:], start=2)]), sum(
            map(len, whole)
        )

    def _by_id(self, rows: Sequence[AttackRow]) -> dict[str, AttackRow]:
        known, by_id = set(self._plan), dict[str, AttackRow]()
        for number, row in enumerate(rows, start=2):
            if row.id in by_id:
                raise self._broken(number, f"is a duplicate of example {row.id!r}")
            if row.id not in known:
                raise self._broken(number, f"has example {row.id!r}, which is not in the plan")
            by_id[row.id] = row
        return by_id

    def _value(self, line: bytes, number: int, *, last: bool) -> object:
        try:
            return json.loads(line)
        except ValueError as error:
            # A power failure can corrupt the last line, and only that one.
            if last:
                return None
            raise self._broken(number, "is not JSON") from error

    def _row(self, value: object, number: int) -> AttackRow:
        if not isinstance(value, dict) or set(value) != {field.name for field in fields(AttackRow)}:
            raise self._broken(number, "is not an attack row")
        final = value["logits_final"]
        logits = {"logits_original": tuple(value["logits_original"]), "logits_final": final and tuple(final)}
        return AttackRow(**{**value, **logits})

    def _broken(self, number: int, problem: str) -> IntegrityError:
        return IntegrityError(f"{self._path}:{number}: the line {problem}. Delete the file to attack from the start.")


Progress: TypeAlias = Callable[[AttackRow, int, int], None]

Rows: TypeAlias = Callable[[Sequence[Example], str], Generator[AttackRow, None, None]]
"""Attacks examples and yields their rows in any order; the second argument, the attack's identity, is the seed."""


def record(
    attack: Rows, dataset: Dataset, journal: Path, identity: str, progress: Progress | None = None
) -> list[AttackRow]:
    """Attack the examples that a journal lacks.

    Args:
        attack: The attack.
        dataset: Labelled examples.
        journal: A file in an existing folder.
        identity: Fingerprint of the attack.
        progress: Called after each example with its row, the number of finished examples, and their total.

    Returns:
        One row per example, in the order of `dataset`.

    Raises:
        IntegrityError: the journal belongs to another attack or other examples.
        TemperError: an example has no label, or the attack failed.
    """
    plan = [example.id for example in dataset.examples]
    unlabelled = next((example.id for example in dataset.examples if example.label is None), None)
    if unlabelled is not None:
        raise TemperError(
            f"{dataset.name}: example {unlabelled!r} has no label; an attack needs a labelled evaluation task."
        )
    with Journal(journal, identity, dataset.content_hash, plan) as log:
        remaining = [example for example in dataset.examples if example.id not in log.done]
        # Close the generator even if this loop is interrupted: it may have worker processes.
        with closing(attack(remaining, identity)) as rows:
            for row in rows if remaining else ():
                log.append(row)
                if progress is not None:
                    progress(row, len(log.done), len(plan))
        return log.rows
