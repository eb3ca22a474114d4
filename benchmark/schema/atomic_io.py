"""Write files durably, and recognise the error of a full or unwritable disk, whichever library raised it."""

import errno
import os
import platform
import re
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
NO_ROOM = {*DISK_FULL, errno.EFBIG}
PARTIAL = re.compile(r"\..*\.partial")
"""Names of the files that `replace_file` writes first."""

NO_ENTRY = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


def error_number(error: BaseException) -> int:
    """Return the system's error number, 0 for none; some libraries give it only in their message."""
    if isinstance(error, OSError):
        return error.errno or 0
    match = re.search(r"os error (\d+)", str(error))
    return int(match[1]) if match else 0


def is_disk_error(error: BaseException, folder: Path) -> bool:
    """Return whether writing below a folder failed because of missing space or permission."""
    number = error_number(error)
    if number in NO_ROOM:
        return True
    place = getattr(error, "filename", None)
    return number in NO_ENTRY and place is not None and Path(str(place)).is_relative_to(folder)


def sync(path: Path) -> None:
    """Flush a file or a folder to disk, so that it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> bool:
    """Replace a file atomically; return False if it holds these bytes already."""
    if path.is_file() and path.read_bytes() == data:
        return False
    # Processes of several machines may write one file on a shared disk.
    partial = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return True
