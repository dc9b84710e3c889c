"""The processes of `clickstream dev`: started together, ended together, whatever it is that ends them.

Belongs here: starting, waiting and stopping. Does not: which processes there are (`dev`).

Each process leads a group of its own, so that its children end with it: Dagster's processes leave theirs behind when
only the first of them is told to end. A terminal's Ctrl-C reaches this process only, which tells the groups; when this
process is killed, the watcher (`dev_watcher`) tells them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from clickstream_platform.cli import dev_watcher
from clickstream_platform.cli.dev_watcher import DONE, STOP_SECONDS, end_groups
from clickstream_platform.errors import TerminalError

READY_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Processes:
    """Starts processes in a `with` block and ends all of them at its end; a signal ends the block quietly."""

    def __init__(self) -> None:
        """Start with none."""
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        """Turn the signals that end a process into KeyboardInterrupt, and start the watcher."""
        self._handlers = {number: signal.signal(number, _interrupt) for number in _ENDING}
        # A session of its own: Ctrl-C must not reach it. Isolated: modules beside it must not hide those of Python.
        self._watcher = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-I", dev_watcher.__file__], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End all processes; a second signal ends them at once."""
        try:
            self._end(signal.SIGINT)
        except KeyboardInterrupt:
            self._end(signal.SIGKILL)
        finally:
            self._tell_watcher(DONE)
            self._watcher.communicate()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        return kind is KeyboardInterrupt

    def start(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        """Start a process in a folder, with this environment."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=folder, env=environment, start_new_session=True
        )
        self._started.append((name, process))
        self._tell_watcher(process.pid)

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

    def _end(self, first: signal.Signals) -> None:
        """End the groups, the last one first."""
        groups = [process.pid for _, process in reversed(self._started)]
        end_groups(groups, first, seconds=STOP_SECONDS, reap=self._reap)

    def _reap(self) -> None:
        for _, process in self._started:
            process.poll()

    def _tell_watcher(self, line: object) -> None:
        """Write to the watcher, a line at once: it never reads a part of a number."""
        if self._watcher.stdin is not None:
            with suppress(BrokenPipeError):  # somebody killed it; then nobody watches
                self._watcher.stdin.write(f"{line}\n".encode())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
            return True
    except OSError:  # an answer that says "not yet" among them
        return False
