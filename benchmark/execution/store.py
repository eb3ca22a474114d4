"""The artifact store: what a cell made, found by the key of its spec, verified before use.

<root>/<kind>/<64 hexadecimal digits of the key>/   spec.json, receipt.json and the cell's files
<root>/partial/<kind>-<digits>/                     a cell under way; survives a kill, so that the cell goes on
<root>/set-aside/<kind>-<digits>-<n>/               artifacts that failed their hashes
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from benchmark.schema import file_fingerprint, fingerprint
from benchmark.schema.errors import IntegrityError, TemperError

SPEC, RECEIPT, SCRATCH = "spec.json", "receipt.json", "scratch"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Artifact:
    """A finished cell's folder.

    Attributes:
        folder: Where its files are.
        files: Hash of every file by its path in the folder.
    """

    folder: Path
    files: Mapping[str, str]


class Store:
    """Artifacts under one root folder, which is made when the first cell is written.

    Attributes:
        notes: One sentence for everything that was set aside.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []
        self._seen: dict[Path, Artifact] = {}

    def find(self, kind: str, key: str) -> Artifact | None:
        """The artifact of a key, or None; one that fails its hashes is set aside and counts as absent."""
        folder = self.root / kind / _digits(key)
        if folder in self._seen:
            return self._seen[folder]
        if not folder.is_dir():
            return None
        try:
            artifact = _verify(folder, key)
        except IntegrityError as error:
            aside = self._set_aside(folder, f"{kind}-{_digits(key)}")
            self.notes.append(f"{error} It was set aside as {aside.name} and will be computed again.")
            return None
        self._seen[folder] = artifact
        return artifact

    def has(self, kind: str, key: str) -> bool:
        """Whether a finished artifact stands there, without verifying it."""
        return (self.root / kind / _digits(key) / RECEIPT).is_file()

    def is_partial(self, kind: str, key: str) -> bool:
        """Whether a cell was begun and not finished."""
        return (self.root / "partial" / f"{kind}-{_digits(key)}" / SPEC).is_file()

    def specs(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and spec of every artifact of a kind, in the order of keys."""
        for path in sorted((self.root / kind).glob(f"*/{SPEC}")):
            yield "sha256:" + path.parent.name, json.loads(path.read_text(encoding="utf-8"))

    @contextlib.contextmanager
    def work(self, kind: str, spec: Mapping[str, Any]) -> Iterator[Path]:
        """Give the folder in which a cell is computed, and turn it into an artifact when the block ends well.

        The folder is the one an interrupted run left, if it left one. What lies under its ``scratch`` is dropped.

        Raises:
            TemperError: another process works on the same cell, or the disk is full.
        """
        digits = _digits(fingerprint(spec))
        folder = self.root / "partial" / f"{kind}-{digits}"
        try:
            (folder / SCRATCH).mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock")):
                _write_json(folder / SPEC, spec)
                yield folder
                self._commit(folder, self.root / kind / digits)
        except (OSError, SafetensorError) as error:
            number = _error_number(error)
            if number not in _NO_ROOM:
                raise
            raise TemperError(
                f"Writing under {self.root} failed: {os.strerror(number)}. Free space there or choose another --out, "
                "and run the same command: finished cells and checkpoints are kept."
            ) from error

    def _commit(self, folder: Path, target: Path) -> None:
        files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
        kept = {name: p for name, p in files.items() if name != RECEIPT and not name.startswith(f"{SCRATCH}/")}
        receipt = {name: {"sha256": file_fingerprint(p), "size": p.stat().st_size} for name, p in kept.items()}
        _write_json(folder / RECEIPT, receipt)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        _sync(target.parent)
        # Only after the rename: a kill before it must find the checkpoints and the journal still there.
        shutil.rmtree(target / SCRATCH)

    def _set_aside(self, folder: Path, name: str) -> Path:
        base = self.root / "set-aside"
        base.mkdir(parents=True, exist_ok=True)
        number = 1
        while (base / f"{name}-{number}").exists():
            number += 1
        return folder.rename(base / f"{name}-{number}")


def _error_number(error: Exception) -> int:
    """The system's error number; safetensors, which writes by itself, has it only in its message."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else 0


def _digits(key: str) -> str:
    return key.removeprefix("sha256:")


def _verify(folder: Path, key: str) -> Artifact:
    """Check the spec against the key and every file against the receipt."""
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        if fingerprint(spec) != key:
            raise IntegrityError(f"{folder / SPEC} does not have the key it is stored under.")
        for name, expected in receipt.items():
            if file_fingerprint(folder / name) != expected["sha256"]:
                raise IntegrityError(f"{folder / name} does not have the hash of its receipt.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"The artifact {folder} is broken ({error}).") from error
    return Artifact(folder, {name: expected["sha256"] for name, expected in receipt.items()})


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system frees when the process dies, however it dies."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TemperError(
                f"Another process is working on {path.stem}; wait for it, or stop it and run the same command."
            ) from None
        yield
        path.unlink(missing_ok=True)


def _write_json(path: Path, value: object) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(path)


def _sync(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
