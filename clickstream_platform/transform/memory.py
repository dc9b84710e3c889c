"""How the process holds memory while it transforms: what a chunk frees, the next chunk gets, without the kernel's help.

Chunks allocate and free the same hundreds of megabytes again and again. By default the C library gives large blocks
back at once and the kernel clears them anew at the next use, which costs a tenth of all the work.
"""

from __future__ import annotations

import ctypes
from functools import cache

import pyarrow as pa

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_KEPT_BYTES = 512 * 1024 * 1024
_LARGEST_BLOCK_BYTES = 32 * 1024 * 1024  # the most that glibc accepts


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks, and Arrow use the C library; return whether this is possible here."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return False
    if not (set_option(_TRIM_THRESHOLD, _KEPT_BYTES) and set_option(_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)):
        return False
    pa.set_memory_pool(pa.system_memory_pool())
    return True


def give_back_memory() -> None:
    """Give freed memory back to the kernel at the end of a batch: the loader needs it next."""
    if keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)
