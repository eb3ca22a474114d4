"""The journal of an attack: a line per example, on the disk as soon as its search has ended."""

import contextlib
import json
import os
from collections.abc import Sequence, Set
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from filelock import FileLock, Timeout

from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.canonical import canonical_json
from benchmark.schema.errors import IntegrityError, TemperError


class Journal:
    """An append-only file: a first line that says what it belongs to, then one canonical JSON line per example.

    One process at a time holds it. The lines are in the order in which the searches end. A last line that a killed run
    left unfinished is dropped; anything else that does not fit is an error.
    """

    def __init__(self, path: Path, attack: str, data: str, plan: Sequence[str]) -> None:
        """Open the file, or begin it.

        Args:
            path: Where it is; its folder is made if it is missing.
            attack: Fingerprint of the attack.
            data: Hash of the attacked examples.
            plan: Ids of the examples, in the order of the data set.

        Raises:
            IntegrityError: the file belongs to something else, or is broken before its last line.
            TemperError: another process holds it, or it cannot be written.
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
        """Add a row and wait until the disk has it.

        Raises:
            TemperError: it cannot be written.
        """
        self._write(canonical_json(asdict(row)))
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
        """The journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and let other processes open it."""
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
        # Removed while it is held: whoever has opened the file by now notices that it is gone and makes a new one.
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
            f"{self._path}: cannot keep the attack's journal ({error}); what it holds is kept, "
            "so make room or permission and run again."
        )

    def _read(self) -> tuple[dict[str, AttackRow], int]:
        """Rows of the file, and the number of its bytes that are whole lines."""
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
        known, found = set(self._plan), dict[str, AttackRow]()
        for number, row in enumerate(rows, start=2):
            if row.id not in known or row.id in found:
                raise self._broken(number, f"has the example {row.id!r}, which is {_why(row.id in found)}")
            found[row.id] = row
        return found

    def _value(self, line: bytes, number: int, *, last: bool) -> object:
        try:
            return json.loads(line)
        except ValueError as error:
            # A machine that lost its power may leave rubbish in the last line, and only there.
            if last:
                return None
            raise self._broken(number, "is not JSON") from error

    def _row(self, value: object, number: int) -> AttackRow:
        if not isinstance(value, dict) or set(value) != {field.name for field in fields(AttackRow)}:
            raise self._broken(number, "is not a row of an attack")
        final = value["logits_final"]
        logits = {"logits_original": tuple(value["logits_original"]), "logits_final": final and tuple(final)}
        return AttackRow(**{**value, **logits})

    def _broken(self, number: int, problem: str) -> IntegrityError:
        return IntegrityError(f"{self._path}:{number}: the line {problem}; delete the file to attack from the start.")


def _why(twice: bool) -> str:
    return "there already" if twice else "not in the plan"
