"""What the allocator keeps."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re, sys, threading
from ecluse import allocator
if "bound" in sys.argv:
    assert allocator.bound()
    assert allocator.bound()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
ready = threading.Barrier(7)
def work():
    library.malloc(200)
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
ready.wait()
library.fopen.restype = ctypes.c_void_p
library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
library.fclose.argtypes = [ctypes.c_void_p]
file = library.fopen(sys.argv[1].encode(), b"w")
library.malloc_info(0, file)
library.fclose(file)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_threads_share_two_arenas(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Six threads that hold memory at once have an arena each, and once bounded two among them."""
    folder = tmp_path_factory.mktemp("arenas")
    arenas = {}
    for how in ("free", "bound"):
        told = folder / how
        subprocess.run([sys.executable, "-c", PROGRAM, str(told), how], check=True, timeout=30)
        arenas[how] = told.read_text().count("<heap nr=")
    assert arenas["free"] > 2
    assert arenas["bound"] == 2
