"""Opening a file, or a member of nested archives, without writing anything to the disk."""

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
    """Open a file for reading bytes; each name of `inner` goes one archive deeper; .gz and .bz2 are decompressed.

    Args:
        path: an existing file.
        inner: member names, outermost first: ``("hutto.tar.gz!x.txt")`` is ``path=hutto.tar.gz, inner=("x.txt",)``.

    Raises:
        UsageError: an archive has no such member, or the outer file is not a kind of archive that can be read.
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
        find = _zip_member if place.endswith((".zip", ".whl")) else _tar_member
        return find(stream, place, member)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise IntegrityError(f"{place} is not a readable archive ({error}); fetch it again.") from error


def _tar_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = tarfile.open(fileobj=stream, mode="r:*")  # noqa: SIM115  # the member reads from it; it owns no file itself
    names = [entry.name for entry in archive.getmembers() if entry.isfile()]
    found = archive.extractfile(member) if member in names else None
    if found is None:
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, names)}")
    return found


def _zip_member(stream: IO[bytes], place: str, member: str) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    if member not in archive.namelist():
        raise UsageError(f"{place} has no member {member!r}. {nearest(member, archive.namelist())}")
    return archive.open(member)
