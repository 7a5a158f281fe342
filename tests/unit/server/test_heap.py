"""How many heaps of the C library the threads of a server use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from servable.cpus import cpu_budget
from servable.server.heap import LEAST

SCRIPT = """
import ctypes, sys, threading
from servable.cpus import cpu_budget
from servable.server.heap import share_heaps

THREADS = 4 * cpu_budget()
share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(THREADS)

def work():
    together.wait()
    for _ in range(100):
        libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
told = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(told))
libc.fclose(ctypes.c_void_p(told))
"""


def heaps(folder: os.PathLike[str], **environment: str) -> int:
    """Return how many heaps a process has whose threads have all allocated something."""
    told = os.path.join(folder, "told")
    chosen = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    given = {name: value for name, value in os.environ.items() if name not in chosen}
    words = [sys.executable, "-c", SCRIPT, told]
    subprocess.run(words, check=True, env={**given, **environment})
    with open(told) as text:
        return text.read().count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_few_heaps_unless_the_user_chose_a_number(tmp_path: os.PathLike[str]) -> None:
    few = max(LEAST, cpu_budget())
    assert heaps(tmp_path) <= few
    assert heaps(tmp_path, MALLOC_ARENA_MAX=f"{few + 3}") > few
