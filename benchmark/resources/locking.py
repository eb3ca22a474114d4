"""One process at a time may fetch a resource; the lock goes with its process, so none is ever left behind."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.resources.progress import Progress, task


@contextmanager
def exclusive(path: Path, progress: Progress, waiting: str) -> Iterator[bool]:
    """Hold an advisory lock on a file.

    Args:
        path: the lock file; it is created and stays.
        progress: shows that it waits.
        waiting: what it shows while another process holds the lock.

    Yields:
        True with the lock held; False where the file system or platform has no such locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        yield _acquire(stream.fileno(), progress, waiting)


def _acquire(descriptor: int, progress: Progress, waiting: str) -> bool:
    if sys.platform == "win32":
        return False
    import fcntl

    lock: Callable[[int], None] = lambda flags: fcntl.flock(descriptor, fcntl.LOCK_EX | flags)  # noqa: E731
    try:
        lock(fcntl.LOCK_NB)
    except BlockingIOError:
        with task(progress, waiting, 0):
            lock(0)
    except OSError:
        # Some network file systems have no locks; the atomic rename at the end still keeps the result whole.
        return False
    return True
