"""Bytes on disk: hashing, copying, checking a downloaded file, setting aside, and errors of the file system."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmark.resources.progress import Progress
from benchmark.schema.errors import IntegrityError, TemperError

CHUNK = 1 << 20
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file held: `sha256` in 64 hexadecimal digits and `size` in bytes."""

    sha256: str
    size: int


def pump(source: IO[bytes], target: IO[bytes] | None, progress: Progress, limit: int | None = None) -> Digest:
    """Read a stream to its end, hash it, and write it to `target` if there is one.

    Args:
        source: read from where it stands.
        target: what is written; None only hashes.
        progress: told of every block.
        limit: most bytes to accept; the stream is refused as soon as it yields more.

    Raises:
        IntegrityError: more than `limit` bytes.
    """
    sha, size = hashlib.sha256(), 0
    while block := source.read(CHUNK):
        size += len(block)
        if limit is not None and size > limit:
            raise IntegrityError(f"it unpacks to more than the {limit:,} bytes it may have")
        sha.update(block)
        if target is not None:
            target.write(block)
        progress.advance(len(block))
    return Digest(sha.hexdigest(), size)


def digest_of(path: Path, progress: Progress) -> Digest:
    """Hash a file, reporting bytes as they are read."""
    with path.open("rb") as stream:
        return pump(stream, None, progress)


def check_digest(path: Path, found: Digest, sha256: str, size: int) -> None:
    """Refuse a file that is not the pinned one.

    Raises:
        IntegrityError: a sentence that tells a web page, a truncated file and other contents apart.
    """
    if found == Digest(sha256, size):
        return
    with path.open("rb") as stream:
        start = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGE_STARTS):
        raise IntegrityError(
            f"{path} is a web page, not {path.name}: a login page, proxy or mirror answered in its place; "
            "check the network or the package index settings and fetch again."
        )
    if found.size != size:
        kind = "truncated" if found.size < size else "not the pinned file"
        raise IntegrityError(f"{path} has {found.size:,} bytes instead of {size:,}: it is {kind}; fetch it again.")
    raise IntegrityError(f"{path} has the sha256 {found.sha256} instead of {sha256}; it was changed and is refused.")


def set_aside(path: Path) -> Path:
    """Rename a file or folder that failed a check to ``<name>.refused-<n>`` and return its new path."""
    number = 1
    while (target := path.with_name(f"{path.name}.refused-{number}")).exists():
        number += 1
    path.rename(target)
    return target


def is_full(error: OSError) -> bool:
    """Whether the disk or the quota is exhausted."""
    return error.errno in _FULL


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn errors of the file system into one sentence that names the place and the way out."""
    try:
        yield
    except OSError as error:
        where = f"{place} (set TEMPER_CACHE to use another folder)"
        if is_full(error):
            raise TemperError(f"The disk is full: nothing was kept half done; free some space at {where}.") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise TemperError(f"There is no permission to write {error.filename or place}; check {where}.") from error
        reason = error.strerror or error
        raise TemperError(f"Reading or writing {error.filename or place} failed: {reason}; check {where}.") from error


def require_space(folder: Path, needed: int) -> None:
    """Fail early with ENOSPC when `folder`'s disk has fewer than `needed` bytes free."""
    stats = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if stats is not None and stats.f_bavail * stats.f_frsize < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
