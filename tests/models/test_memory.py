"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

from benchmark.models.memory import keep_freed_memory

glibc = platform.libc_ver()[0] == "glibc"

# In a process of its own: the settings hold for the rest of it. Prints the pages that the kernel gave out.
SCRIPT = """
import ctypes, resource, sys
from benchmark.models.memory import keep_freed_memory
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def step():
    blocks = [library.malloc(20 * 2**20) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, 20 * 2**20)
    for block in blocks:
        library.free(block)

if "keep" in sys.argv:
    keep_freed_memory()
step()
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def new_pages(*arguments: str) -> int:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not glibc, reason="only glibc's malloc is told what to keep")
def test_blocks_that_were_freed_are_given_out_again_without_new_pages() -> None:
    assert new_pages("keep") < 100 < new_pages()


@pytest.mark.skipif(glibc, reason="glibc takes the settings")
def test_another_c_library_is_left_alone() -> None:
    assert not keep_freed_memory()
