"""Sends what is in the buffer to the index: in bulk, oldest first, slower when the index asks for it, until it has all.

Belongs here: when to send, what to do about refusals, ending within a bounded time. Does not: files (`buffer`),
requests (`gateways.log_index`).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.observe.logs.buffer import (
    MAX_FILES_IN_BOUND,
    LogFolder,
    adoptable,
    keep_within,
    size_of,
)
from clickstream_platform.observe.logs.ports import IndexAwayError, LogIndex, LogLine
from clickstream_platform.observe.logs.redaction import mask_values

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
    bound_seconds: float = 5.0
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
        self._away_since, self._next_tidy, self._next_bound, self._is_refusing = 0.0, 0.0, 0.0, False
        self._start_lock = threading.Lock()

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
        with self._start_lock:
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
                self._adopt()
                self._send_all(self._folder)
            except Exception:  # whatever a disk makes of it: logs go on, and the next round tries again
                _logger.exception("Sending log lines failed; it goes on")
                self._hurry.wait(self.options.longest_wait_seconds)

    def _adopt(self) -> None:
        """Send what processes that died have left, now and then."""
        self._keep_bound()
        if time.monotonic() < self._next_tidy or not self.options.adopts:
            return
        self._next_tidy = time.monotonic() + self.options.tidy_seconds
        for path in adoptable(self.root, self._folder.path):
            if self.figures.is_away or self._hurry.is_set():
                return
            if (folder := LogFolder.adopt(path)) is not None:
                self._send_all(folder)
                folder.close()

    def _keep_bound(self) -> None:
        """Remove what is too much, now and then: sending may go on for hours, or wait."""
        if time.monotonic() < self._next_bound:
            return
        self._next_bound = time.monotonic() + self.options.bound_seconds
        lost = keep_within(self.root, self.options.max_bytes)
        if lost:
            self.figures.lost += lost
            _logger.warning("%d log lines are lost: the buffer held all it may, %d bytes", lost, self.options.max_bytes)

    def _send_all(self, folder: LogFolder) -> None:
        """Send what a folder holds; another's only as long as nothing holds it up and this process does not end."""
        is_own = folder is self._folder
        while not self._stop.is_set() and (is_own or not self._hurry.is_set()):
            self._keep_bound()
            batch = folder.next_batch(self._lines_at_once, self.options.batch_bytes)
            if batch is None:
                return
            left: Sequence[LogLine] = batch.lines
            while (left := self._send(left)) and not self._stop.is_set():
                if not is_own and self.figures.is_away:
                    return
                self._wait()
                self._keep_bound()
                if len(left) == len(batch.lines):
                    break  # read again, more may have come: among others a line that is at fault shows
                if not batch.file.exists():  # it had to go, and its lines are counted as lost
                    left = ()
                    break
            if not left:
                folder.mark_sent(batch)
                self._wait_seconds = 0.0

    def _send(self, lines: Sequence[LogLine]) -> Sequence[LogLine]:
        """Send lines once; return those that are to be sent again, for the index is away or busy."""
        try:
            answer = self._opened().put(lines)
        except IndexAwayError as error:
            if error.is_too_large:
                return self._send_halves(lines, error)
            if error.is_login_refused:
                self._close_index()  # opened again it has the secret as it is then
            self._note_away(error)
            return lines
        except ClickstreamError as error:
            self._note_away(error)
            return lines
        except Exception as error:  # noqa: BLE001 - whatever a client raises
            self._note_away(f"{type(error).__name__}: {mask_values(str(error))[:300]}")
            return lines
        if len(lines) >= self._lines_at_once:
            self._lines_at_once = min(self.options.batch_lines, self._lines_at_once + self._lines_at_once // 8 + 1)
        if answer.refused:
            self._refuse(answer.refused, answer.reason)
        self.figures.sent += len(lines) - answer.refused - len(answer.again)
        if len(answer.again) == len(lines):
            self._note_away(f"it answers {answer.why_again} to each line")
        else:
            self._note_back()
        return [lines[position] for position in answer.again]

    def _send_halves(self, lines: Sequence[LogLine], error: IndexAwayError) -> Sequence[LogLine]:
        """Send lines that are too many for one request in two; a single one that is too large is refused."""
        if len(lines) == 1:
            self._refuse(1, str(error))
            return ()
        half = self._lines_at_once = len(lines) // 2
        left = self._send(lines[:half])
        return [*left, *lines[half:]] if left else self._send(lines[half:])

    def _opened(self) -> LogIndex:
        if self._index is None:
            self._index = self._open_index()
        return self._index

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

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

    def _note_away(self, cause: ClickstreamError | str) -> None:
        if not self.figures.is_away:
            self.figures.is_away, self._away_since = True, time.monotonic()
            self.figures.outages += 1
            _logger.warning("Log lines wait in %s: %s", self.root, cause)

    def _note_back(self) -> None:
        if self.figures.is_away:
            self.figures.is_away = False
            _logger.info("The log index is back after %.0f s", time.monotonic() - self._away_since)
