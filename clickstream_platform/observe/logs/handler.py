"""The handlers of `logging`: a record becomes a line at once, in the thread that logs; writing it is for others.

Belongs here: from `logging` to the queues. Does not: lines (`ecs`), files and requests (`shipping`). Emitting raises
nothing and waits for nothing; closing a handler, which `logging.config` does to all it finds, ends nothing.
"""

from __future__ import annotations

import logging
import sys
from itertools import count
from typing import IO

from clickstream_platform.observe.logs.draining import Drain
from clickstream_platform.observe.logs.ecs import Service, json_line, line_of, text_line
from clickstream_platform.observe.logs.shipping import Shipper

# Of clients that send log lines: what they log while sending would be sent, and so on.
OF_CLIENTS = ("elasticsearch", "elastic_transport", "opensearch", "opensearchpy", "urllib3")


class LineHandler(logging.Handler):
    """Puts each record, as a line, onto the console's queue and the buffer's."""

    def __init__(self, service: Service, *, is_json: bool, console: IO[str] | None, shipper: Shipper | None) -> None:
        """Write to a console as JSON or text, to a shipper, to both or to none."""
        super().__init__()
        self._service, self._is_json, self._stream = service, is_json, console
        self._common, self._numbers = service.fields(), count(1)
        self.unwritable = 0
        self.console = Drain("log-console", self._print) if console is not None else None
        self.buffer = Drain("log-buffer", shipper.write) if shipper is not None else None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, unless it is of a client that sends lines."""
        try:
            line = line_of(record, {**self._common, "event.sequence": next(self._numbers)})
            data = json_line(line)
            if self.console is not None:
                self.console.put(data.decode() if self._is_json else text_line(line))
            if self.buffer is not None and not record.name.startswith(OF_CLIENTS):
                self.buffer.put(data)
        except Exception:  # noqa: BLE001 - who logs has work to do
            self.unwritable += 1

    def begin_in_child(self) -> None:
        """Name the forked process in its lines."""
        self._common = self._service.fields()

    def _print(self, lines: list[str]) -> None:
        stream = self._stream or sys.stderr
        try:
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
        except (OSError, ValueError):
            # Closed, or nobody reads it: there is no place to tell it.
            self.unwritable += len(lines)
