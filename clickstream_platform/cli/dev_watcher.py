"""Ends groups of processes: when asked to, or as the watcher of whoever started them, as soon as that one is gone.

Nobody can catch SIGKILL, so `clickstream dev` has a process beside it that outlives it. That reads a pipe whose other
end only `clickstream dev` holds; every system closes that end, however its holder goes. (Linux can also send a signal
when a parent dies, but only to its children: Dagster's webserver, daemon and code servers are further down.)

Belongs here: ending groups. Does not: starting anything (`dev_processes`). It is also run as a file, by the interpreter
alone, and so imports nothing of ours: it starts in no time and takes hardly any memory.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence

STOP_SECONDS = 20.0
DONE = "done"
_PAUSE_SECONDS = 0.2


def end_groups(
    groups: Sequence[int],
    first: signal.Signals,
    *,
    seconds: float = STOP_SECONDS,
    reap: Callable[[], object] = lambda: None,
) -> None:
    """Send the groups a signal, in this order; whoever is left after some seconds is killed.

    `reap` collects the caller's own children that have ended, which would stay in their group otherwise.
    """
    left = list(groups)
    for number in (first, signal.SIGKILL):
        for group in left:
            _tell(group, number)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            reap()
            left = [group for group in left if _tell(group, 0)]
            time.sleep(_PAUSE_SECONDS if left else 0)


def watch(lines: Iterable[str]) -> None:
    """Read numbers of groups, a line each, and end these groups when there are no more; the line `done` spares them."""
    groups = []
    for line in lines:
        if line.strip() == DONE:
            return
        groups.append(int(line))
    end_groups(groups[::-1], signal.SIGINT)


def _tell(group: int, number: int) -> bool:
    """Send a signal (0: none) to a group; False when it is empty."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # as macOS says of a group in which nobody is left but who has ended
        return False
    return True


if __name__ == "__main__":
    watch(sys.stdin)
