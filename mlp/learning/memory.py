"""How the C library deals with memory that was freed."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next tensor instead of giving it back to the system.

    Each step makes new gradients. Left alone, glibc gives large ones back (all above 32 MiB, others
    now and then), and the system hands out zeroed pages again, 4 KiB at a time: a step then takes
    up to twice as long (benchmarks/README.md). Nothing is done, and False given, with any other C
    library. See mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, _MOST) and mallopt(_MMAP_THRESHOLD, _MOST))
