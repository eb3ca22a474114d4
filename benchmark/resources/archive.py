"""Extract named members from a zip, a tar, a folder or a single file: regular files only, up to a size limit."""

import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from benchmark.resources.checksum import Digest, Progress, pump
from benchmark.schema.errors import IntegrityError

MEMBER_CAP = 4 << 30
"""Maximum size of a single member in bytes, even if the manifest allows more in total."""
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError, NotImplementedError,
)  # fmt: skip
_ZIPS, _TARS = (".whl", ".zip"), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: its name in the archive, its declared size, whether it is a regular file, and how to open it."""

    name: str
    size: int
    regular: bool
    open: Callable[[], IO[bytes] | None]


def extract(
    archive: Path, root: str, members: tuple[str, ...], target: Path, *, cap: int, progress: Progress
) -> dict[str, Digest]:
    """Write the matching members into `target` and read the archive once.

    Args:
        archive: a zip or tar (recognised by its name), a folder, or any other single file.
        root: only members below this folder count, and their names are relative to it; empty for all.
        members: exact names or `fnmatch` patterns (whose ``*`` also matches ``/``).
        target: an existing empty folder.
        cap: maximum number of bytes to write in total.
        progress: receives the number of bytes written.

    Returns:
        Digest of each written file by its relative POSIX path.

    Raises:
        IntegrityError: a name that leaves the folder, a selected member that is a link or a device, a duplicate
            member, too many bytes, a pattern that matches nothing, or an archive that cannot be read.
    """
    written: dict[str, Digest] = {}
    with _readable(archive):
        for entry in _entries(archive):
            path = _below(_safe(archive, entry.name), root)
            if path is None or not any(fnmatchcase(path, pattern) for pattern in members):
                continue
            _check(archive, entry, path, written, cap)
            written[path] = _write(archive, entry, target / path, cap - _total(written), progress)
    missing = [pattern for pattern in members if not any(fnmatchcase(path, pattern) for path in written)]
    if missing:
        raise IntegrityError(
            f"{archive} has no member {', '.join(missing)} below {root or 'its top'}. The manifest expects it."
        )
    return written


def _check(archive: Path, entry: Entry, path: str, written: Mapping[str, Digest], cap: int) -> None:
    place = f"{archive}: member {entry.name!r}"
    if not entry.regular:
        raise IntegrityError(f"{place} is a link, a device or encrypted. Only regular files are extracted.")
    if path in written:
        raise IntegrityError(f"{place} is a duplicate. The archive is refused.")
    allowed = min(MEMBER_CAP, cap - _total(written))
    if entry.size > allowed:
        raise IntegrityError(f"{place} would unpack to {entry.size:,} bytes. At most {allowed:,} are allowed.")


def _write(archive: Path, entry: Entry, path: Path, limit: int, progress: Progress) -> Digest:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = entry.open()
        if source is None:
            raise IntegrityError("it has no content")
        with source, path.open("xb") as target:
            return pump(source, target, progress, limit=min(limit, entry.size))
    except IntegrityError as error:
        raise IntegrityError(f"{archive}: member {entry.name!r} is refused: {error}.") from error


def _total(written: Mapping[str, Digest]) -> int:
    return sum(digest.size for digest in written.values())


def _safe(archive: Path, name: str) -> str:
    """Refuse a name that could be written outside the target folder on any operating system."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(char in name for char in "\\:\0"):
        raise IntegrityError(f"{archive}: member {name!r} would leave its folder. The archive is refused.")
    return "/".join(parts)


def _below(name: str, root: str) -> str | None:
    if not root:
        return name
    return name[len(root) + 1 :] if name.startswith(f"{root}/") else None


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise IntegrityError(f"{archive} is not a readable archive: {error}. Fetch it again.") from error


def _entries(archive: Path) -> Iterator[Entry]:
    if archive.is_dir():
        return _from_folder(archive)
    if archive.name.endswith(_ZIPS):
        return _from_zip(archive)
    if archive.name.endswith(_TARS):
        return _from_tar(archive)
    return iter([Entry(archive.name, archive.stat().st_size, True, partial(_open, archive))])


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _from_zip(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            # Archives from systems without Unix modes leave the file type empty.
            plain = stat.S_IFMT(info.external_attr >> 16) in {0, stat.S_IFREG} and not info.flag_bits & 1
            yield Entry(info.filename, info.file_size, plain, partial(archive.open, info))


def _from_tar(path: Path) -> Iterator[Entry]:
    # Streaming mode reads each member in order, so that a compressed archive is decompressed only once.
    with tarfile.open(path, mode="r|*") as archive:
        for info in archive:
            if not info.isdir():
                yield Entry(info.name, info.size, info.isreg(), partial(archive.extractfile, info))


def _from_folder(folder: Path) -> Iterator[Entry]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            status = path.lstat()
            relative = path.relative_to(folder).as_posix()
            yield Entry(relative, status.st_size, stat.S_ISREG(status.st_mode), partial(_open, path))
