"""Hash files while they are read or copied, compare them with the pinned checksum, and report progress."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from benchmark.schema.errors import IntegrityError

CHUNK = 1 << 20
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")


class Progress(Protocol):
    """Display of one task at a time.

    Between `finish` and the next `start` other programs write to the terminal (pip draws its own bar). Show a live
    display only from `start` to `finish`.
    """

    def start(self, task: str, total: int) -> None:
        """Start a task of `total` bytes; 0 if the size is unknown."""

    def advance(self, amount: int) -> None:
        """Report `amount` more bytes."""

    def finish(self) -> None:
        """End the task, whether it succeeded or failed."""


class Silent:
    """A `Progress` that shows nothing."""

    def start(self, task: str, total: int) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


@contextmanager
def task(progress: Progress, name: str, total: int) -> Iterator[None]:
    """Start a task and finish it, also when it fails."""
    progress.start(name, total)
    try:
        yield
    finally:
        progress.finish()


@dataclass(frozen=True, slots=True)
class Digest:
    """Digest of a file's content: `sha256` in 64 hexadecimal digits and `size` in bytes."""

    sha256: str
    size: int


def pump(source: IO[bytes], target: IO[bytes] | None, progress: Progress, limit: int | None = None) -> Digest:
    """Read a stream to its end, hash it, and write it to `target` if there is one.

    Args:
        source: read from its current position.
        target: receives the bytes; None only hashes.
        progress: receives the size of each block.
        limit: maximum number of bytes; the stream is refused as soon as it yields more.

    Raises:
        IntegrityError: more than `limit` bytes.
    """
    sha, size = hashlib.sha256(), 0
    while block := source.read(CHUNK):
        size += len(block)
        if limit is not None and size > limit:
            raise IntegrityError(f"it unpacks to more than the allowed {limit:,} bytes")
        sha.update(block)
        if target is not None:
            target.write(block)
        progress.advance(len(block))
    return Digest(sha.hexdigest(), size)


def digest_of(path: Path, progress: Progress) -> Digest:
    """Hash a file and report the bytes as they are read."""
    with path.open("rb") as stream:
        return pump(stream, None, progress)


def check_file(path: Path, sha256: str, size: int, progress: Progress) -> None:
    """Hash a file, and refuse one that is not the pinned one.

    Raises:
        IntegrityError: as `check_digest`.
    """
    with task(progress, f"checking {path.name}", path.stat().st_size):
        digest = digest_of(path, progress)
    check_digest(path, digest, sha256, size)


def check_digest(path: Path, digest: Digest, sha256: str, size: int) -> None:
    """Refuse a file that is not the pinned one.

    Raises:
        IntegrityError: the message distinguishes a web page, a truncated file and other content.
    """
    if digest == Digest(sha256, size):
        return
    with path.open("rb") as stream:
        start = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGE_STARTS):
        raise IntegrityError(
            f"{path} is a web page, not {path.name}: a login page, proxy or mirror answered instead. "
            "Check the network or the package index settings and fetch it again."
        )
    if digest.size != size:
        kind = "truncated" if digest.size < size else "not the pinned file"
        raise IntegrityError(f"{path} has {digest.size:,} bytes instead of {size:,}: it is {kind}. Fetch it again.")
    raise IntegrityError(
        f"{path} has the sha256 {digest.sha256} instead of {sha256} (checksum mismatch). It is refused."
    )
