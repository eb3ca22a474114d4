"""Memory that stays with the process between one step and the next."""

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_KEPT = 2**31 - 1
# Larger blocks still go back at once: an aligned block does not fit into the hole of one of its own size, and with
# very large ones the process would grow. It is also where glibc's own, moving threshold ends.
_LARGEST = 2**25


@cache
def keep_freed_memory() -> bool:
    """Let malloc keep up to 2 GiB of freed memory, in blocks of up to 32 MiB, for the rest of the process.

    A training step allocates its activations and gradients anew. In between, glibc gives their memory back to the
    kernel, page by page, and the kernel gives it out again zeroed, which takes 5 to 15 % of a step's time on a CPU.
    Results do not depend on it. Where the C library is not glibc, nothing is done.

    Returns:
        Whether the settings were taken.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_MMAP_THRESHOLD, _LARGEST) and library.mallopt(_TRIM_THRESHOLD, _KEPT))
