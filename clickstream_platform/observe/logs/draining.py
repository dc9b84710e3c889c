"""A queue in memory with a thread behind it: who puts something in never waits, and what does not fit is counted.

Belongs here: queue and thread. Does not: what is done with the things (`console`, `shipping`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_WAITING = 20_000
_AT_ONCE = 1_000
_TRY_AGAIN_SECONDS = 0.5


class Drain(Generic[T]):
    """Hands what is put in to a function, in order and in batches, from a thread of its own.

    The function raises OSError when it can't take a batch at the moment: the batch waits and is handed over again.
    """

    def __init__(self, name: str, take: Callable[[list[T]], None], max_waiting: int = MAX_WAITING) -> None:
        """Start with nothing; the thread starts with the first thing."""
        self._name, self._take, self._max_waiting = name, take, max_waiting
        self._waiting: deque[T] = deque()
        self._begin()
        os.register_at_fork(after_in_child=self._begin_in_child)

    def _begin(self) -> None:
        self._wake, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._is_closing = False
        self.dropped = 0

    def _begin_in_child(self) -> None:
        """Go on in a forked process, which has none of the threads; what waited is the parent's."""
        self._waiting = deque()
        self._begin()

    def put(self, thing: T) -> None:
        """Take a thing, or count it as dropped when too many wait; never waits."""
        # A deque's own operations are atomic; a few more than the bound, from several threads at once, do no harm.
        if len(self._waiting) >= self._max_waiting:
            self.dropped += 1
            return
        self._waiting.append(thing)
        self._idle.clear()
        if self._thread is None:
            self._start()
        self._wake.set()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is handed over, but no longer than this; return whether it is."""
        if not self._waiting and self._idle.is_set():
            return True
        return self._idle.wait(seconds)

    def close(self, seconds: float) -> int:
        """Flush and end the thread; return how many things are left."""
        self.flush(seconds)
        self._is_closing = True
        self._wake.set()
        return len(self._waiting)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait()
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        while self._waiting and not self._is_closing:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
            try:
                self._take(batch)
            except OSError:
                self._waiting.extendleft(reversed(batch))
                time.sleep(_TRY_AGAIN_SECONDS)
            except Exception:  # noqa: BLE001 - a fault of ours costs these things, and not all that follow
                self.dropped += len(batch)
        self._idle.set()
        if self._waiting:
            self._idle.clear()
            self._wake.set()
