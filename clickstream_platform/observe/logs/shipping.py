"""Sends what is in the buffer to the index: in bulk, oldest first, slower when the index asks for it, until it has all.

Belongs here: when to send, what to do about refusals, ending within a bounded time. Does not: files (`buffer`),
requests (`gateways.log_index`).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.observe.logs.buffer import (
    MAX_FILES_IN_BOUND,
    Batch,
    LogFolder,
    adoptable,
    keep_within,
    size_of,
)
from clickstream_platform.observe.logs.ports import IndexAwayError, LogIndex

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShippingOptions:
    """Bounds and times, in bytes, lines and seconds."""

    max_bytes: int = 256_000_000
    batch_lines: int = 2_000
    batch_bytes: int = 2_000_000
    linger_seconds: float = 0.3
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    tidy_seconds: float = 30.0
    adopts: bool = True


@dataclass(slots=True)
class Figures:
    """What became of lines so far: `lost` did not fit the buffer, `refused` the index would never take."""

    sent: int = 0
    refused: int = 0
    lost: int = 0
    outages: int = 0
    is_away: bool = False


class Shipper:
    """Writes lines to a folder and sends them from a thread of its own."""

    def __init__(
        self, root: Path, name: str, open_index: Callable[[], LogIndex], options: ShippingOptions | None = None
    ) -> None:
        """Make the folder, which raises OSError where it can't be; the index is opened by the thread."""
        self.options = options or ShippingOptions()
        self.root, self._name, self._open_index = root, name, open_index
        self.figures = Figures()
        self._folder = LogFolder.create(root, name)
        self._index: LogIndex | None = None
        self._begin()

    def _begin(self) -> None:
        self._wake, self._stop, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._wait_seconds, self._lines_at_once = 0.0, self.options.batch_lines
        self._away_since, self._next_tidy, self._is_refusing = 0.0, 0.0, False

    def begin_in_child(self) -> None:
        """Go on in a forked process with a folder of its own."""
        with suppress(OSError):
            self._folder = LogFolder.create(self.root, self._name)
        self._index = None
        self._begin()

    def write(self, lines: list[bytes]) -> None:
        """Write lines to the buffer; raises OSError when the disk takes none. Called by one thread."""
        self._folder.append(lines, max(1, self.options.max_bytes // MAX_FILES_IN_BOUND))
        self.start()

    def start(self) -> None:
        """Send what is there; the thread starts with the first line, or with this in a process that adopts."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self, deadline: float) -> int:
        """Send until a moment of `time.monotonic`, then stop; return how many lines are left in the buffer."""
        self._hurry.set()
        while self._thread is not None and time.monotonic() < deadline and not self._folder.is_empty:
            self._wake.set()
            time.sleep(0.02)
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._folder.close()

    @property
    def buffer_bytes(self) -> int:
        """Bytes that wait below the root, those of other processes included."""
        return size_of(self.root)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(timeout=self.options.tidy_seconds)
            self._wake.clear()
            # A few lines more may come together; nobody waits for this thread.
            self._hurry.wait(self.options.linger_seconds)
            try:
                self._tidy()
                self._send_all(self._folder)
            except Exception:  # whatever a client raises: logs go on, and the next round tries again
                _logger.exception("Sending log lines failed; it goes on")
                self._hurry.wait(self.options.longest_wait_seconds)

    def _tidy(self) -> None:
        """Keep the bound, and send what processes that died have left."""
        if time.monotonic() < self._next_tidy:
            return
        self._next_tidy = time.monotonic() + self.options.tidy_seconds
        self._keep_bound()
        if not self.options.adopts:
            return
        for path in adoptable(self.root, self._folder.path):
            if self.figures.is_away or self._stop.is_set():
                return
            if (folder := LogFolder.adopt(path)) is not None:
                self._send_all(folder)
                folder.close()

    def _keep_bound(self) -> None:
        lost = keep_within(self.root, self.options.max_bytes)
        if lost:
            self.figures.lost += lost
            _logger.warning("%d log lines are lost: the buffer held all it may, %d bytes", lost, self.options.max_bytes)

    def _send_all(self, folder: LogFolder) -> None:
        while not self._stop.is_set():
            batch = folder.next_batch(self._lines_at_once, self.options.batch_bytes)
            if batch is None:
                return
            if not self._send(batch):
                if folder is not self._folder:
                    return
                self._wait()
                self._keep_bound()
                continue
            folder.mark_sent(batch)

    def _send(self, batch: Batch) -> bool:
        """Send a batch until each line is taken or refused; return False when the index is away."""
        lines = batch.lines
        while lines and not self._stop.is_set():
            try:
                answer = self._opened().put(lines)
            except IndexAwayError as error:
                if error.is_too_large and self._lines_at_once > 1:
                    self._lines_at_once = max(1, len(lines) // 2)
                    return False
                if error.is_too_large:
                    self._refuse(1, str(error))
                    return True
                self._note_away(error)
                return False
            self._note_back()
            if answer.refused:
                self._refuse(answer.refused, answer.reason)
            self.figures.sent += len(lines) - answer.refused - len(answer.again)
            lines = tuple(lines[position] for position in answer.again)
            if lines:
                self._wait()  # the index is there and busy
        self._wait_seconds = 0.0
        return not lines

    def _opened(self) -> LogIndex:
        if self._index is None:
            self._index = self._open_index()
        return self._index

    def _wait(self) -> None:
        """Wait twice as long as the last time, up to a bound, a little earlier or later than other processes do."""
        options = self.options
        self._wait_seconds = min(max(2 * self._wait_seconds, options.first_wait_seconds), options.longest_wait_seconds)
        if not self._hurry.wait(self._wait_seconds * random.uniform(0.7, 1.3)):  # noqa: S311 - no secret depends on it
            return
        self._stop.wait(options.first_wait_seconds)

    def _refuse(self, count: int, reason: str) -> None:
        self.figures.refused += count
        if not self._is_refusing:  # told once: its own line may be refused, too
            self._is_refusing = True
            _logger.warning("The log index refuses lines for good, %d at first: %s", count, reason)

    def _note_away(self, error: IndexAwayError) -> None:
        if not self.figures.is_away:
            self.figures.is_away, self._away_since = True, time.monotonic()
            self.figures.outages += 1
            _logger.warning("Log lines wait in %s: %s", self.root, error)

    def _note_back(self) -> None:
        if self.figures.is_away:
            self.figures.is_away = False
            _logger.info("The log index is back after %.0f s", time.monotonic() - self._away_since)
