"""The processes of `clickstream dev`: started together, ended together, whatever it is that ends them.

Belongs here: starting, waiting and stopping. Does not: which processes there are (`dev`).

Each process leads a group of its own, so that its children end with it: Dagster's processes leave theirs behind when
only the first of them is told to end. A terminal's Ctrl-C reaches this process only, which tells the groups.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from clickstream_platform.errors import TerminalError

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
_PAUSE_SECONDS = 0.2
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Processes:
    """Starts processes in a `with` block and ends all of them at its end; a signal ends the block quietly."""

    def __init__(self) -> None:
        """Start with none."""
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        """Turn the signals that end a process into KeyboardInterrupt."""
        self._handlers = {number: signal.signal(number, _interrupt) for number in _ENDING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End all processes; a second signal ends them at once."""
        try:
            self._stop(signal.SIGINT)
        except KeyboardInterrupt:
            self._stop(signal.SIGKILL)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        return kind is KeyboardInterrupt

    def start(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        """Start a process in a folder, with this environment."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=folder, env=environment, start_new_session=True
        )
        self._started.append((name, process))

    def wait_for(self, name: str, url: str) -> None:
        """Wait until a process that was started answers; raise TerminalError when it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        process = dict(self._started)[name]
        while not _answers(url):
            if (code := process.poll()) is not None:
                raise TerminalError(f"starting {name}", cause=f"it ended with code {code}", remedy="See its output.")
            if time.monotonic() >= deadline:
                cause = f"nothing answered on {url} for {READY_SECONDS:.0f} s"
                raise TerminalError(f"starting {name}", cause=cause, remedy="See its output.")
            time.sleep(_PAUSE_SECONDS)

    def wait(self) -> int:
        """Wait until any process ends and return its code."""
        while True:
            for _, process in self._started:
                if (code := process.poll()) is not None:
                    return code
            time.sleep(_PAUSE_SECONDS)

    def _stop(self, first: signal.Signals) -> None:
        """Tell the groups to end, the last one first; whoever has not ended after some time is killed."""
        waiting = [process for _, process in reversed(self._started)]
        for number in (first, signal.SIGKILL):
            for process in waiting:
                _tell(process, number)
            deadline = time.monotonic() + STOP_SECONDS
            while waiting and time.monotonic() < deadline:
                waiting = [process for process in waiting if _tell(process, 0)]
                time.sleep(_PAUSE_SECONDS if waiting else 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal (0: none) to a process's group; False when the group is empty."""
    process.poll()  # or a process that has ended would stay in its group
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
            return True
    except OSError:  # an answer that says "not yet" among them
        return False
