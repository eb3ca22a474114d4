"""The artifact store: what a cell made, found by the key of its spec, verified before use.

<root>/<kind>/<64 hexadecimal digits of the key>/   spec.json, receipt.json and the cell's files
<root>/partial/<kind>-<digits>/                     a cell under way; survives a kill, so that the cell goes on
<root>/set-aside/<kind>-<digits>-<n>/               artifacts that failed their hashes
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from benchmark.schema import file_fingerprint, fingerprint
from benchmark.schema.atomic_io import error_number, is_disk_error, sync
from benchmark.schema.errors import IntegrityError, TemperError

SPEC, RECEIPT, SCRATCH = "spec.json", "receipt.json", "scratch"


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

    def folder(self, kind: str, key: str) -> Path:
        """Where the artifact of a key is, once it is finished."""
        return self.root / kind / _digits(key)

    def find(self, kind: str, key: str) -> Artifact | None:
        """The artifact of a key, or None; one that fails its hashes is set aside and counts as absent."""
        folder = self.folder(kind, key)
        try:
            return self.peek(kind, key)
        except IntegrityError as error:
            aside = self._set_aside(folder, f"{kind}-{_digits(key)}")
            self.notes.append(f"{error} It was set aside as {aside.name} and will be computed again.")
            return None

    def peek(self, kind: str, key: str) -> Artifact | None:
        """The artifact of a key, or None; nothing is moved.

        Raises:
            IntegrityError: it is there and fails its hashes.
        """
        folder = self.folder(kind, key)
        if folder not in self._seen:
            if not folder.is_dir():
                return None
            self._seen[folder] = _verify(folder, key)
        return self._seen[folder]

    def hold(self, kind: str, key: str, artifact: Artifact) -> None:
        """Take an artifact that is checked elsewhere, such as one of which only the hashes are known."""
        self._seen[self.root / kind / _digits(key)] = artifact

    def is_partial(self, kind: str, key: str) -> bool:
        """Whether a cell was begun and not finished."""
        return (self.root / "partial" / f"{kind}-{_digits(key)}" / SPEC).is_file()

    def specs(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and spec of every artifact of a kind, in the order of keys; a spec that cannot be read is noted."""
        for path in sorted((self.root / kind).glob(f"*/{SPEC}")):
            try:
                spec = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                self.notes.append(f"{path} cannot be read ({error}).")
                continue
            yield "sha256:" + path.parent.name, spec

    def receipt(self, kind: str, key: str) -> dict[str, str]:
        """Read the hash of each file of an artifact from its receipt, unchecked; empty where it cannot be read."""
        try:
            receipt = json.loads((self.folder(kind, key) / RECEIPT).read_text(encoding="utf-8"))
            return {name: str(entry["sha256"]) for name, entry in receipt.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @contextlib.contextmanager
    def work(self, kind: str, spec: Mapping[str, Any], label: str = "") -> Iterator[Path | None]:
        """Give the folder in which a cell is computed, and turn it into an artifact when the block ends well.

        The folder is the one an interrupted run left, if it left one. What lies under its ``scratch`` is dropped.
        None stands for a cell that another process has finished in the meantime.

        Args:
            kind: Of the cell.
            spec: Its identity.
            label: What the user knows it by.

        Raises:
            TemperError: another process works on the same cell, or the disk is full.
        """
        key = fingerprint(spec)
        folder = self.root / "partial" / f"{kind}-{_digits(key)}"
        with self.guarded():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock"), label or kind):
                if self.find(kind, key) is not None:
                    yield None
                    return
                (folder / SCRATCH).mkdir(parents=True, exist_ok=True)
                _write_json(folder / SPEC, spec)
                yield folder
                self._commit(folder, self.folder(kind, key))

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn a full or closed disk into one sentence.

        Raises:
            TemperError: nothing can be written where the store and the records lie.
        """
        try:
            yield
        except (OSError, SafetensorError) as error:
            if not is_disk_error(error, self.root.parent):
                raise
            raise TemperError(
                f"Writing under {self.root.parent} failed: {os.strerror(error_number(error))}. Free space there or "
                "choose another --out, and run the same command: finished cells and checkpoints are kept."
            ) from error

    def _commit(self, folder: Path, target: Path) -> None:
        files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
        kept = {name: p for name, p in files.items() if name != RECEIPT and not name.startswith(f"{SCRATCH}/")}
        receipt = {name: {"sha256": file_fingerprint(p), "size": p.stat().st_size} for name, p in kept.items()}
        _write_json(folder / RECEIPT, receipt)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        sync(target.parent)
        # Only after the rename: a kill before it must find the checkpoints and the journal still there.
        shutil.rmtree(target / SCRATCH)

    def _set_aside(self, folder: Path, name: str) -> Path:
        base = self.root / "set-aside"
        base.mkdir(parents=True, exist_ok=True)
        number = 1
        while (base / f"{name}-{number}").exists():
            number += 1
        return folder.rename(base / f"{name}-{number}")


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
    # A kill right after the rename left the checkpoints behind.
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    return Artifact(folder, {name: expected["sha256"] for name, expected in receipt.items()})


@contextlib.contextmanager
def _locked(path: Path, label: str) -> Iterator[None]:
    """Hold a lock that the system frees when the process dies, however it dies."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TemperError(
            f"Another process is working on {label} ({path}). Wait until it ends, then run the same command again."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _write_json(path: Path, value: object) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(path)
