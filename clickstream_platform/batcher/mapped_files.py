"""Files as arrays that the system reads when they are asked and may drop from memory at any time.

Belongs here: mapping a file without keeping it open. Does not: what is in it (`id_arrays`).

Python's own `mmap` (and NumPy's `memmap` with it) keeps a file descriptor for each map until Python 3.13. A shard has
hundreds of maps for a day of ids, and a process often has no more than 1,024 descriptors.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value


class _Mapping:
    """Held by every array of it and by their slices; the last one that goes unmaps the file."""

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        with path.open("rb") as source:
            address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, source.fileno(), 0)
        if address == _FAILED:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
        # Not at the end of the process, when threads may still be searching.
        weakref.finalize(self, _libc.munmap, address, size).atexit = False
        self.__array_interface__ = {"version": 3, "typestr": "<u8", "shape": (size // 8,), "data": (address, True)}


def map_file(path: Path) -> NDArray[np.uint64]:
    """Return the little-endian 64-bit numbers of a file that is not empty; raises OSError."""
    values: Any = np.asarray(_Mapping(path))
    return values  # type: ignore[no-any-return]
