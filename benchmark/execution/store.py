"""The artifact store: the output of each cell, stored under the key of its spec and verified before use.

<root>/<kind>/<64 hexadecimal digits of the key>/   spec.json, receipt.json and the cell's files
<root>/part/<digits>/                               a finished part of an attack; removed when all are merged
<root>/attempts/<kind>-<digits>/<n>/                an unfinished cell; survives a kill, so that the cell can resume
<root>/set-aside/<kind>-<digits>-<n>/               quarantined artifacts, whose files do not match their hashes
<root>/failed/<kind>-<digits>                       why a cell failed, for the other rows of the running commands

Several processes, also on several machines, may share a store. `benchmark.execution.claims` says who computes a cell.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError

from benchmark.execution.claims import ClaimedError, Claims, Owner
from benchmark.schema import file_fingerprint, fingerprint
from benchmark.schema.atomic_io import PARTIAL, error_number, is_disk_error, replace_file, sync
from benchmark.schema.errors import IntegrityError, TemperError, printable

SPEC, RECEIPT, SCRATCH, FAILED = "spec.json", "receipt.json", "scratch", "failed"


@dataclass(frozen=True)
class Artifact:
    """A finished cell's folder.

    Attributes:
        folder: The folder of its files.
        files: Hash of every file, by its path in the folder.
    """

    folder: Path
    files: Mapping[str, str]


class Store:
    """Artifacts under one root folder, which is created with the first cell.

    Attributes:
        notes: One sentence per quarantined artifact, and per cell that two processes computed differently.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []
        self._claims = Claims(root / "attempts")
        self._seen: dict[Path, Artifact] = {}

    def folder(self, kind: str, key: str) -> Path:
        """Return the folder of a key's finished artifact."""
        return self.root / kind / _digits(key)

    def find(self, kind: str, key: str) -> Artifact | None:
        """Return the artifact of a key, or None. One that fails its checks is quarantined and counts as missing."""
        folder = self.folder(kind, key)
        try:
            return self.peek(kind, key)
        except IntegrityError as error:
            with contextlib.suppress(FileNotFoundError):  # another process quarantines it
                aside = self._set_aside(folder, _cell(kind, key))
                self.notes.append(f"{error} It was quarantined as {aside.name} and will be computed again.")
            return None

    def peek(self, kind: str, key: str) -> Artifact | None:
        """Return the artifact of a key, or None. Nothing is moved.

        Raises:
            IntegrityError: the artifact does not match its hashes.
        """
        folder = self.folder(kind, key)
        if folder not in self._seen:
            if not folder.is_dir():
                return None
            self._seen[folder] = _verify(folder, key)
        return self._seen[folder]

    def refresh(self, *kinds: str) -> None:
        """List the folders: a client of a network disk remembers that a name was missing until its folder is listed.

        Args:
            kinds: The kinds of cells that are looked for; all if none is given.
        """
        folders = (self.root / kind for kind in kinds) if kinds else filter(Path.is_dir, self.root.glob("*"))
        for folder in (self.root, *folders):
            with contextlib.suppress(FileNotFoundError):
                os.listdir(folder)  # noqa: PTH208

    def hold(self, kind: str, key: str, artifact: Artifact) -> None:
        """Register an artifact that is checked elsewhere, such as one of which only the hashes are known."""
        self._seen[self.root / kind / _digits(key)] = artifact

    def failure(self, kind: str, key: str) -> str:
        """Return why a cell failed in a running command; empty if it did not."""
        with contextlib.suppress(FileNotFoundError):
            return (self.root / FAILED / _cell(kind, key)).read_text(encoding="utf-8")
        return ""

    def note_failure(self, kind: str, key: str, reason: str) -> None:
        """Keep the reason of a failed cell, so that no other row of a running command computes it."""
        with self.guarded():
            (self.root / FAILED).mkdir(parents=True, exist_ok=True)
            replace_file(self.root / FAILED / _cell(kind, key), printable(reason).encode())

    def forget_failure(self, kind: str, key: str) -> None:
        """Let a failed cell be computed again."""
        with self.guarded():
            (self.root / FAILED / _cell(kind, key)).unlink(missing_ok=True)

    def is_partial(self, kind: str, key: str) -> bool:
        """Return whether a cell was started and not finished."""
        work = self._claims.work(_cell(kind, key))
        return work is not None and (work / SPEC).is_file()

    def owner(self, kind: str, key: str) -> Owner | Literal["unknown"] | None:
        """Return the process that is computing a cell, ``unknown`` if it has not written its name, or None."""
        return self._claims.owner(_cell(kind, key))

    def specs(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield key and spec of every artifact of a kind, sorted by key; add a note for an unreadable spec."""
        for path in sorted((self.root / kind).glob(f"*/{SPEC}")):
            try:
                spec = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                self.notes.append(f"{path} cannot be read ({error}).")
                continue
            yield "sha256:" + path.parent.name, spec

    def receipt(self, kind: str, key: str) -> dict[str, str]:
        """Read the hash of each file of an artifact from its receipt, without checking it; empty if unreadable."""
        try:
            receipt = json.loads((self.folder(kind, key) / RECEIPT).read_text(encoding="utf-8"))
            return {name: str(entry["sha256"]) for name, entry in receipt.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @contextlib.contextmanager
    def work(
        self, kind: str, spec: Mapping[str, Any], label: str = "", whole: tuple[str, str] | None = None
    ) -> Iterator[Path | None]:
        """Yield the folder in which to compute a cell; turn it into an artifact if the block ends without an error.

        What an interrupted run left is in it. Its ``scratch`` folder is removed at the end.
        None is yielded if another process has finished the cell, or the one that it is a part of, in the meantime.

        Args:
            kind: The kind of cell.
            spec: The cell's identity.
            label: The cell's name in messages.
            whole: Kind and key of the cell that this one is a part of.

        Raises:
            ClaimedError: another process is computing the cell.
            TemperError: the disk is full.
        """
        key = fingerprint(spec)
        with self.guarded(), self._claims.claim(_cell(kind, key), label or kind) as attempt:
            self.refresh(kind, *(whole or ())[:1])
            if self.find(kind, key) is not None or (whole is not None and self.find(*whole) is not None):
                attempt.finished = True
                yield None
                return
            folder = attempt.work()
            (folder / SCRATCH).mkdir(exist_ok=True)
            _write_json(folder / SPEC, spec)
            try:
                yield folder
                self._commit(folder, kind, key)
            except Exception as error:
                if folder.is_dir():
                    raise
                raise ClaimedError(f"{label or kind}: another process took it over, as this one was silent.") from error
            attempt.finished = True

    def remove(self, kind: str, key: str) -> None:
        """Remove an artifact whose content another one holds. It disappears at once, as it appeared."""
        folder = self.folder(kind, key)
        self._seen.pop(folder, None)
        trash = folder.with_suffix(".removed")
        shutil.rmtree(trash, ignore_errors=True)  # of a process that was killed here
        with contextlib.suppress(OSError):  # another process removes it, or has
            folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn the error of a full or unwritable disk into one message.

        Raises:
            TemperError: the folder of the store and the records cannot be written.
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

    def _commit(self, folder: Path, kind: str, key: str) -> None:
        # A process that was killed while it replaced a file leaves a part of it.
        paths = (p for p in sorted(folder.rglob("*")) if p.is_file() and not PARTIAL.fullmatch(p.name))
        files = {str(p.relative_to(folder)): p for p in paths}
        kept = {name: p for name, p in files.items() if name != RECEIPT and not name.startswith(f"{SCRATCH}/")}
        receipt = {name: {"sha256": file_fingerprint(p), "size": p.stat().st_size} for name, p in kept.items()}
        _write_json(folder / RECEIPT, receipt)
        target = self.folder(kind, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # The claim was taken over while this process was silent, and the other process finished first.
            first = self.find(kind, key)
            if first is None:
                folder.rename(target)
            elif first.files != {name: entry["sha256"] for name, entry in receipt.items()}:
                self.notes.append(f"{target} was computed twice with different bytes; the first result is kept.")
        sync(target.parent)
        # Delete only after the rename: after a kill before it, the next run needs the checkpoints and the journal.
        # Another process that reads the artifact may delete it first.
        shutil.rmtree(target / SCRATCH, ignore_errors=True)

    def _set_aside(self, folder: Path, name: str) -> Path:
        base = self.root / "set-aside"
        base.mkdir(parents=True, exist_ok=True)
        number = 1
        while (base / f"{name}-{number}").exists():
            number += 1
        return folder.rename(base / f"{name}-{number}")


def _digits(key: str) -> str:
    return key.removeprefix("sha256:")


def _cell(kind: str, key: str) -> str:
    return f"{kind}-{_digits(key)}"


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
    # Remove the checkpoints that a kill right after the rename leaves behind.
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    return Artifact(folder, {name: expected["sha256"] for name, expected in receipt.items()})


def _write_json(path: Path, value: object) -> None:
    replace_file(path, f"{json.dumps(value, indent=1, sort_keys=True, allow_nan=False)}\n".encode())
