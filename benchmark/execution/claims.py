"""Claims: which process computes a cell, on a store that several machines may share.

Every attempt at a cell has a folder of its own. Making the folder is the claim: of several processes that call `mkdir`
for one number, one succeeds, also on network disks. The attempt with the highest number is the current one.

A claim only saves work. Two processes that compute the same cell write equal bytes, and the store keeps the first, so a
wrong guess about a silent machine costs time and nothing else. No two clocks are compared: the owner changes a file as
long as it lives, and whoever watches measures with its own clock how long that file has not changed.

<root>/<cell>/<number>/   owner.json   host, process and job of the owner
                          lock         locked while the owner lives; believed only on the owner's machine
                          beat         changed by the owner every `BEAT_SECONDS`
                          released     the owner stopped working on the cell
                          stale        another process saw no beat for `STALE_SECONDS`
                          work/        the owner's files
"""

import contextlib
import json
import math
import os
import platform
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from benchmark.schema.errors import TemperError, UsageError

BEAT_SECONDS = 10.0
STALE_SECONDS = 120.0
"""Time without a beat after which another machine's claim is taken over, unless `STALE_VARIABLE` states another."""

STALE_VARIABLE = "TEMPER_STALE_SECONDS"
LEAST_STALE_SECONDS = 2.0

OWNER, LOCK, BEAT, RELEASED, STALE, WORK = "owner.json", "lock", "beat", "released", "stale", "work"

State = Literal["alive", "ended", "silent"]


class ClaimedError(TemperError):
    """Another process is computing the cell."""


@cache
def machine() -> str:
    """Identify the running system, on which a lock that can be taken proves that its owner has ended."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    number = boot.read_text(encoding="ascii").strip() if boot.is_file() else f"{uuid.getnode():x}"
    return f"{platform.node()} {number}"


@dataclass(frozen=True)
class Owner:
    """The process that made an attempt.

    Attributes:
        host: Name of its machine.
        process: Its process id.
        job: Its Slurm job; empty if it has none.
        since: When it began, by the clock of its machine.
        machine: The result of `machine` there.
    """

    host: str
    process: int
    job: str
    since: str
    machine: str

    @classmethod
    def here(cls) -> "Owner":
        """Describe this process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(platform.node(), os.getpid(), os.environ.get("SLURM_JOB_ID", ""), now, machine())

    def __str__(self) -> str:
        """Return the owner as messages name it."""
        job = f", job {self.job}" if self.job else ""
        return f"process {self.process} on {self.host}{job}, since {self.since}"


@dataclass
class Attempt:
    """A claim that this process holds.

    Attributes:
        folder: The folder of the claim.
        finished: Set it when the cell is done, so that the claim's folder is removed instead of kept to be resumed.
    """

    folder: Path
    finished: bool = False
    _lock: FileLock = field(init=False, repr=False)
    _end: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def __post_init__(self) -> None:
        self._lock = FileLock(self.folder / LOCK)
        self._lock.acquire(timeout=10)
        _write(self.folder / OWNER, json.dumps(asdict(Owner.here())))
        threading.Thread(target=self._beat, daemon=True).start()

    def work(self) -> Path:
        """Return the folder to work in, with what the last attempt left behind.

        Files of an owner that has ended are moved. Those of a silent one are copied, since it may still write to them.
        """
        work = self.folder / WORK
        for number in sorted(set(_numbers(self.folder.parent)) - {int(self.folder.name)}, reverse=True):
            earlier = self.folder.parent / str(number)
            if (earlier / WORK).is_dir():
                if (earlier / STALE).is_file():
                    _copy_live(earlier / WORK, self.folder / "copied")
                    (self.folder / "copied").rename(work)
                else:
                    (earlier / WORK).rename(work)
                break
        work.mkdir(exist_ok=True)
        return work

    def release(self) -> None:
        """Give the claim up, and remove it and earlier ones if the cell is finished."""
        self._end.set()
        if not self.finished:
            with contextlib.suppress(OSError):  # a full disk; then the lock and the missing beats say the same
                (self.folder / RELEASED).touch()
        self._lock.release()
        if self.finished:
            for number in _numbers(self.folder.parent):
                if number <= int(self.folder.name):
                    shutil.rmtree(self.folder.parent / str(number), ignore_errors=True)
            with contextlib.suppress(OSError):  # another process has made an attempt meanwhile
                self.folder.parent.rmdir()

    def _beat(self) -> None:
        beats = 0
        while not self._end.wait(min(BEAT_SECONDS, stale_seconds() / 4)):
            beats += 1
            with contextlib.suppress(OSError):  # a full disk; the next beat tries again
                _write(self.folder / BEAT, str(beats))


class Claims:
    """The claims on the cells of a store.

    Attributes:
        root: Their folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._stale_seconds = stale_seconds()
        self._watched: dict[Path, tuple[str, float]] = {}

    @contextlib.contextmanager
    def claim(self, cell: str, label: str) -> Iterator[Attempt]:
        """Hold a cell's claim.

        Args:
            cell: Name of the cell's folder.
            label: The cell's name in messages.

        Raises:
            ClaimedError: another process holds it.
        """
        folder = self.root / cell
        # The next number is that of the list that was judged: then an attempt that is made meanwhile has it already.
        last = max(_numbers(folder), default=-1)
        if last >= 0 and self._state(folder / str(last)) == "alive":
            raise claimed_error(label, _read_owner(folder / str(last)))
        attempt = folder / str(last + 1)
        try:
            attempt.mkdir(parents=True)
        except FileExistsError:
            raise claimed_error(label, _read_owner(attempt)) from None
        try:
            held = Attempt(attempt)
        except BaseException:
            shutil.rmtree(attempt, ignore_errors=True)
            raise
        try:
            yield held
        finally:
            held.release()

    def owner(self, cell: str) -> Owner | Literal["unknown"] | None:
        """Return the living owner of a cell's claim, ``unknown`` if it has not written its name, or None."""
        folder = self.root / cell
        number = max(_numbers(folder), default=None)
        if number is None or self._state(folder / str(number)) != "alive":
            return None
        return _read_owner(folder / str(number)) or "unknown"

    def work(self, cell: str) -> Path | None:
        """Return the folder with the files of the last attempt that has any."""
        numbers = sorted(_numbers(self.root / cell), reverse=True)
        works = (self.root / cell / str(number) / WORK for number in numbers)
        return next((work for work in works if work.is_dir()), None)

    def _state(self, attempt: Path) -> State:
        """Judge whether the owner of an attempt works on; mark the attempt if its owner is silent."""
        if (attempt / RELEASED).is_file():
            return "ended"
        if (attempt / STALE).is_file():
            return "silent"
        owner = _read_owner(attempt)
        if owner is not None and owner.machine == machine():
            return "alive" if _is_locked(attempt / LOCK) else "ended"
        beat, now = _read(attempt / BEAT), time.monotonic()
        last, since = self._watched.setdefault(attempt, (beat, now))
        if beat != last:
            self._watched[attempt] = (beat, now)
        elif now - since >= self._stale_seconds:
            with contextlib.suppress(FileNotFoundError):  # it ended well this moment
                (attempt / STALE).touch()
            return "silent"
        return "alive"


def stale_seconds() -> float:
    """Return the time without a beat after which another machine's claim is taken over.

    Raises:
        UsageError: the environment variable is not a number, or too small.
    """
    text = os.environ.get(STALE_VARIABLE, "")
    try:
        seconds = float(text) if text else STALE_SECONDS
    except ValueError:
        seconds = math.nan
    if not LEAST_STALE_SECONDS <= seconds < math.inf:
        raise UsageError(f"{STALE_VARIABLE} is {text!r}; write a number of at least {LEAST_STALE_SECONDS:g} seconds.")
    return seconds


def claimed_error(label: str, owner: Owner | Literal["unknown"] | None) -> ClaimedError:
    """Return the error that names the owner of a cell's claim, if it is known."""
    who = owner if isinstance(owner, Owner) else "another process"
    return ClaimedError(f"{label} is being computed by {who}. Wait until it ends, then run the same command again.")


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of a cell's attempts."""
    try:
        return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    except FileNotFoundError:
        return []


def _is_locked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except FileNotFoundError:  # its owner ended well this moment
        return False
    lock.release()
    return False


def _read_owner(attempt: Path) -> Owner | None:
    try:
        return Owner(**json.loads(_read(attempt / OWNER)))
    except (ValueError, TypeError):
        return None


def _read(path: Path) -> str:
    """Return a small file's text; empty if it is missing or cannot be read now."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _copy_live(source: Path, target: Path) -> None:
    """Copy a folder whose owner may still replace and remove files; a file that disappears meanwhile is left out."""
    target.mkdir()
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(source.rglob("*")):
            copy = target / path.relative_to(source)
            if path.is_dir():
                copy.mkdir(parents=True, exist_ok=True)
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(path, copy)
