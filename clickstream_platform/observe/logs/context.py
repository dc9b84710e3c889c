"""What the lines of a piece of work are about: customer, event, hour, run, trace; carried by the running context.

Belongs here: setting and reading it. Does not: writing it (`ecs`). Threads that are started inside a block have the
context only if they are given a copy of it, which `contextvars` does for tasks of asyncio and nobody for plain threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_current: ContextVar[Mapping[str, str]] = ContextVar("clickstream_log_context", default=_NOTHING)

CUSTOMER, EVENT, HOUR, RUN = "clickstream.customer", "clickstream.event", "clickstream.hour", "clickstream.run_id"
JOB = "clickstream.job"
TRACE, SPAN = "trace.id", "span.id"


@contextmanager
def log_context(
    *,
    customer: str | None = None,
    event: str | None = None,
    hour: object = None,
    run_id: str | None = None,
    job: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> Iterator[None]:
    """Give every line that is logged inside the block these fields; an inner block adds to and overrides an outer."""
    given = {CUSTOMER: customer, EVENT: event, HOUR: hour, RUN: run_id, JOB: job, TRACE: trace_id, SPAN: span_id}
    added = {name: str(value) for name, value in given.items() if value is not None}
    token = _current.set(MappingProxyType({**_current.get(), **added}))
    try:
        yield
    finally:
        _current.reset(token)


def current_context() -> Mapping[str, str]:
    """Return the fields that a line logged now would get."""
    return _current.get()
