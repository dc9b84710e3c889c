"""Starts the logs of a process, once: levels, console, buffer, shipping; and ends them within a bounded time.

Belongs here: putting the parts together. Does not: settings (`pipeline.logs`), the parts.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from clickstream_platform.observe.logs.ecs import Service, json_line, line_of
from clickstream_platform.observe.logs.handler import OF_CLIENTS, LineHandler
from clickstream_platform.observe.logs.hooks import catch_the_uncaught
from clickstream_platform.observe.logs.ports import LogIndex
from clickstream_platform.observe.logs.shipping import Figures, Shipper, ShippingOptions

OURS = ("clickstream_platform", "uvicorn")
# Lower levels of these hold requests with their bodies or headers, which are customers' data and credentials.
NEVER_BELOW_WARNING = ("botocore", "boto3", "s3transfer", "urllib3", "redshift_connector", "httpx", "httpcore")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How a process logs.

    `folder` is the buffer's root, shared by processes of one machine or volume. `flush_seconds` bounds the end.
    `ends_on_sigterm` is for our own services: SIGTERM then ends them in order unless they have a handler for it.
    """

    service: str
    version: str = ""
    level: str = "INFO"
    is_json: bool = True
    has_console: bool = True
    folder: Path | None = None
    flush_seconds: float = 5.0
    ends_on_sigterm: bool = False
    shipping: ShippingOptions = field(default_factory=ShippingOptions)


class Logs:
    """The running logs of this process."""

    def __init__(self, options: LogOptions, handler: LineHandler, shipper: Shipper | None) -> None:
        """Keep the parts; see `start_logging`."""
        self.options, self.handler, self._shipper = options, handler, shipper
        self._is_closed = False
        # Without a console of ours it is Dagster's process, which logs its errors itself.
        self._give_hooks_back = catch_the_uncaught() if options.has_console else lambda: None

    @property
    def figures(self) -> Figures:
        """What became of the lines so far; all zero without an index."""
        return self._shipper.figures if self._shipper else Figures()

    @property
    def dropped(self) -> int:
        """Lines that did not even fit the memory, because disk or console took none for long."""
        drains = (self.handler.console, self.handler.buffer)
        return sum(drain.dropped for drain in drains if drain is not None)

    @property
    def buffer_bytes(self) -> int:
        """Bytes that wait on disk."""
        return self._shipper.buffer_bytes if self._shipper else 0

    def close(self, seconds: float | None = None) -> int:
        """Send what is there, for so many seconds at most (default: the options'); return how many lines are left.

        They are left in the buffer, for the next process that adopts them if the folder outlives this one.
        """
        global _running  # noqa: PLW0603 - there is one for the process
        if self._is_closed:
            return 0
        self._is_closed = True
        self._give_hooks_back()
        deadline = time.monotonic() + (self.options.flush_seconds if seconds is None else seconds)
        left = self.handler.buffer.close(max(0.0, deadline - time.monotonic())) if self.handler.buffer else 0
        left += self._shipper.close(deadline) if self._shipper else 0
        logging.getLogger().removeHandler(self.handler)
        if left and self.handler.console is not None:
            folder = self.options.folder
            self.handler.handle(_record(f"{left} log lines did not reach the index and are left in {folder}"))
        if self.handler.console is not None:
            self.handler.console.close(1.0)
        with _lock:
            if _running is self:
                _running = None
        return left

    def begin_in_child(self) -> None:
        """Go on in a forked process."""
        if self._is_closed:
            return
        self.handler.begin_in_child()
        if self._shipper is not None:
            self._shipper.begin_in_child()


_running: Logs | None = None
_lock = threading.Lock()


def start_logging(
    options: LogOptions, open_index: Callable[[], LogIndex] | None = None, console: IO[str] | None = None
) -> Logs:
    """Let this process log as the options say, and return its logs; when it does already, return those.

    `open_index` is called later, by the thread that sends; without it lines go to the console only. The buffer's folder
    is made here; where that is impossible a temporary one takes its place, and where that is, too, nothing is sent; a
    warning tells it.
    """
    global _running  # noqa: PLW0603 - there is one for the process
    with _lock:
        if _running is not None:
            return _running
        shipper = _shipper(options, open_index) if open_index is not None and options.folder is not None else None
        stream = (console or sys.stderr) if options.has_console else None
        handler = LineHandler(
            Service(options.service, options.version), is_json=options.is_json, console=stream, shipper=shipper
        )
        _running = logs = Logs(options, handler, shipper)
    _set_levels(options.level)
    logging.getLogger().addHandler(handler)
    atexit.register(logs.close)
    os.register_at_fork(after_in_child=logs.begin_in_child)
    if options.ends_on_sigterm:
        _end_in_order_on_sigterm()
    if shipper is not None and options.shipping.adopts:
        shipper.start()
    if shipper is not None and shipper.root != options.folder:
        _logger.warning("Log lines can't be kept in %s; they are in %s, until this ends", options.folder, shipper.root)
    if shipper is None and open_index is not None:
        text = f"Lines can't be kept in {options.folder}, nor in a temporary folder: no log line is sent to the index"
        line = line_of(_record(text), Service(options.service, options.version).fields())
        print(json_line(line).decode(), file=console or sys.stderr, flush=True)  # this handler may have no console
    return logs


def running_logs() -> Logs | None:
    """Return the logs of this process; None when they were not started."""
    return _running


def _end_in_order_on_sigterm() -> None:
    """Let SIGTERM end the process as `sys.exit` does, so that its last lines are sent.

    Python dies of it on the spot otherwise; and uvicorn, once it has shut down, raises it again. Whoever has a handler
    of its own, or sets one later, keeps it.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _shipper(options: LogOptions, open_index: Callable[[], LogIndex]) -> Shipper | None:
    folders = [options.folder, Path(os.path.realpath(_temporary_root()))]
    for folder in folders:
        try:
            return Shipper(folder or Path(), f"{options.service}-{Service('').host}", open_index, options.shipping)
        except OSError:
            continue
    return None


def _temporary_root() -> Path:
    import tempfile

    return Path(tempfile.gettempdir()) / "clickstream-logs"


def _set_levels(level: str) -> None:
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name in (*NEVER_BELOW_WARNING, *OF_CLIENTS):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord(_logger.name, logging.WARNING, __file__, 0, text, (), None)
