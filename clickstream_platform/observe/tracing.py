"""Traces: one for each customer-hour, the batch that is loaded as one; from the collector's requests to its load.

Every part knows customer and hour, and the ids follow from them, so nothing has to travel along with the data:

    trace id          from customer and hour; the same in every process, and the same when an hour is loaded again
    root span id      from the trace id; the load records the root, everything else is its child

    <customer> <hour>       from the hour's start to the end of its load
    ├── collect             a request, received until durable; the 1st, 2nd, 4th, 8th … of a customer-hour in a process
    ├── batch               what one batch of a shard held of the customer-hour, first record read until checkpoint
    └── load                one load in a run; below it its steps: freeze, stage, load

Off unless `start_tracing` was called: `record` then costs a comparison. Belongs here: ids, the port, thinning. Does
not: OpenTelemetry (`gateways.tracing`), what is worth a span (who records it).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from clickstream_platform.model.hours import Hour

MAX_COUNTED = 20_000
"""Customer-hours whose requests are counted; beyond, counting starts anew."""


@lru_cache(maxsize=4_096)
def trace_id_of(customer: str, hour: Hour | str) -> str:
    """Return the 32 hex digits of a customer-hour's trace; an hour as text is taken as it is written."""
    return sha256(f"{customer}\n{hour}".encode()).hexdigest()[:32]


def span_id_of(*parts: object) -> str:
    """Return 16 hex digits that follow from these parts."""
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Span:
    """One finished piece of work on a customer-hour; moments are aware. `parent` is a span's id, empty for the root's.

    Attributes hold counts and names, never anything of a record.
    """

    name: str
    customer: str
    hour: Hour
    start: datetime
    end: datetime
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    error: str = ""
    id: str = ""
    parent: str = ""
    is_root: bool = False

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to."""
        return trace_id_of(self.customer, self.hour)

    @property
    def parent_id(self) -> str:
        """The span above it; empty for the root."""
        return "" if self.is_root else self.parent or root_id_of(self.customer, self.hour)


def root_id_of(customer: str, hour: Hour) -> str:
    """Return the id of a trace's root span."""
    return span_id_of("root", trace_id_of(customer, hour))


class SpanSink(Protocol):
    """Takes spans; must neither wait nor raise."""

    def take(self, span: Span) -> None:
        """Take a finished span."""
        ...

    def close(self, seconds: float) -> None:
        """Send what is there, for so many seconds at most."""
        ...


_sink: SpanSink | None = None


def start_tracing(sink: SpanSink | None) -> None:
    """Record spans into a sink from now on; None switches it off."""
    global _sink  # noqa: PLW0603 - one for the process, like its logs
    _sink = sink


def is_tracing() -> bool:
    """Whether spans are recorded; asked before anything is counted for one."""
    return _sink is not None


def record(span: Span) -> None:
    """Record a finished span, if tracing is on; raises nothing."""
    if _sink is not None:
        with suppress(Exception):  # no trace is worth a failed load
            _sink.take(span)


class Thinning:
    """Lets the 1st, 2nd, 4th, 8th … of each customer-hour through: few spans, however many requests there are."""

    def __init__(self) -> None:
        """Start at none."""
        self._counts: dict[tuple[str, Hour], int] = {}
        self._mutex = threading.Lock()

    def count(self, customer: str, hour: Hour) -> int:
        """Count one; return its number when it is to be recorded, else 0."""
        with self._mutex:
            if len(self._counts) >= MAX_COUNTED:
                self._counts.clear()
            number = self._counts[customer, hour] = self._counts.get((customer, hour), 0) + 1
        return number if number & (number - 1) == 0 else 0
