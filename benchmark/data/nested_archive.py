"""Open a file, or a member of nested archives, without writing to the disk."""

import bz2
import gzip
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from benchmark.schema.errors import IntegrityError, UsageError, nearest


@contextmanager
def open_member(path: Path, inner: Sequence[str] = ()) -> Iterator[IO[bytes]]:
    """Open a file or member for reading bytes, and decompress .gz and .bz2.

    Args:
        path: an existing file.
        inner: member names, one per archive, outermost first: ``hutto.tar.gz!x.txt`` is ``path=hutto.tar.gz`` and
            ``inner=("x.txt",)``.

    Raises:
        UsageError: an archive has no such member, or the outer file is not an archive of a supported format.
        IntegrityError: an archive is broken.
    """
    with ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(path.open("rb"))
        place = path.name
        for member in inner:
            stream = stack.enter_context(_member(stream, place, member))
            place = f"{place}!{member}"
        yield stack.enter_context(_decompressed(stream, place))


def _decompressed(stream: IO[bytes], name: str) -> IO[bytes]:
    name = name.lower()
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(stream, "rb"))
    return cast(IO[bytes], bz2.open(stream, "rb")) if name.endswith(".bz2") else stream


def _member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    try:
        open_ = _zip_member if place.endswith((".zip", ".whl")) else _tar_member
        return open_(stream, place, member)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise IntegrityError(f"{place} is not a readable archive ({error}). Fetch it again.") from error


def _tar_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = tarfile.open(fileobj=stream, mode="r:*")  # noqa: SIM115  # the member reads from it; it owns no file itself
    names = [entry.name for entry in archive.getmembers() if entry.isfile()]
    content = archive.extractfile(member) if member in names else None
    if content is None:
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, names)}")
    return content


def _zip_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    if member not in archive.namelist():
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, archive.namelist())}")
    return archive.open(member)
