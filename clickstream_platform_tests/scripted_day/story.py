"""What happens on the day: customers, their streams and volumes, and everything that goes wrong.

Belongs here: the script, as plain functions of stream and hour. Does not: what the platform sees of it (`world`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
"""A Monday."""
CUSTOMERS = tuple(f"shop{number:02}" for number in range(50))
EVENTS = ("page", "search", "product", "cart", "checkout", "order", "login", "signup", "review", "refund")
STREAMS_OF_LARGE = {"shop00": 40, "shop01": 20, "shop02": 12, "shop03": 8, "shop05": 8, "shop07": 6}
DEADLINE_MINUTES = 60
HISTORY_DAYS = 28
RUN_LIMIT_SECONDS = 2_400.0

SILENT, SILENT_HOURS = "shop07", range(5, 13)
LATE, LATE_HOUR, LATE_UNTIL = "shop03", 8, 11 * 60 + 10
BROKEN, BROKEN_HOURS, BROKEN_UNTIL = Stream("shop05", "checkout"), range(10, 13), 13 * 60 + 20
SURGING, SURGE_HOUR, SURGE_TIMES = Stream("shop02", "page"), 14, 12
REGISTRY_AWAY = range(16 * 60, 17 * 60 + 15)
STUCK, STUCK_HOUR, STUCK_UNTIL = "shop11", 18, 20 * 60 + 20

# What must trouble nobody: over before it matters, or mended by the platform itself.
SLOW_BUT_IN_TIME, SLOW_HOUR, SLOW_UNTIL = "shop20", 3, 4 * 60 + 50
RETRIED, RETRIED_HOUR = "shop09", 7
HEARTBEAT_GAP = range(2 * 60, 2 * 60 + 5)
RELOADING = range(6 * 60 + 30, 6 * 60 + 31)

# What happens to alerting itself.
CHAT_AWAY = range(10 * 60 + 55, 11 * 60 + 25)
RESTARTED = frozenset({10 * 60 + 1, 11 * 60 + 5, 11 * 60 + 12, 15 * 60 + 30, 16 * 60 + 11, 19 * 60 + 20})
"""It is asked to end: with something found and not told, told, absent and not over, waiting for a channel."""
KILLED = frozenset({8 * 60 + 58, 11 * 60 + 40, 17 * 60 + 17, 19 * 60 + 47, 20 * 60 + 22})
"""It ends at once, with what it should have remembered of the last minute."""


def at(minute: float) -> datetime:
    """Return the moment of a minute of the day."""
    return MIDNIGHT + timedelta(minutes=minute)


def hour_at(number: int) -> Hour:
    """Return an hour of the day."""
    return Hour.of(MIDNIGHT).plus(number)


@cache
def streams_of(customer: str) -> tuple[Stream, ...]:
    """Return a customer's streams: a few have many, most have two or three."""
    count = STREAMS_OF_LARGE.get(customer, 2 + int(customer[-1]) % 2)
    names = [*EVENTS, *(f"custom_{number:02}" for number in range(max(count - len(EVENTS), 0)))]
    return tuple(Stream(customer, name) for name in names[:count])


def records(stream: Stream, hour: Hour) -> int:
    """Return how many records arrived: by size of customer and event and time of day, and by what goes wrong."""
    if stream.customer == SILENT and hour in {hour_at(number) for number in SILENT_HOURS}:
        return 0
    rank = 1 + int(stream.customer[-2:])
    share = 1 / (1 + [each.event for each in streams_of(stream.customer)].index(stream.event))
    of_day = 1 + 0.6 * math.sin((hour.start.hour - 8) / 24 * 2 * math.pi)
    usual = 300_000 / rank**1.2 * share * of_day
    times = SURGE_TIMES if stream == SURGING and hour == hour_at(SURGE_HOUR) else 1
    return 5 + int(usual * times * (0.9 + 0.2 * chance(stream.customer, stream.event, hour)))


def chance(*parts: object) -> float:
    """Return a number from 0 to 1 that is always the same for the same parts."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a customer-hour, from its start to its end."""

    run_id: str
    customer: str
    hour: Hour
    created_at: datetime
    started_at: datetime
    ended_at: datetime
    outcome: str = "success"
    is_retried: bool = False
    failed: tuple[str, ...] = ()
    """Events that were not loaded."""

    def loads(self) -> Iterator[Stream]:
        """Yield the streams whose hour is in the tables after this run."""
        if self.outcome == "success" or self.failed:
            yield from (each for each in streams_of(self.customer) if each.event not in self.failed)


def runs_of(customer: str, hour: Hour) -> list[Run]:
    """Return the runs for one customer-hour, as they came."""
    number = int((hour.start - MIDNIGHT).total_seconds()) // 3_600
    delay, seconds = 2 + 3 * chance(customer, hour, "delay"), 60 + 60 * chance(customer, hour, "work")
    minute = (number + 1) * 60 + delay
    if (customer, number) == (LATE, LATE_HOUR):
        minute = LATE_UNTIL - 3
    if (customer, number) == (SLOW_BUT_IN_TIME, SLOW_HOUR):
        minute = SLOW_UNTIL - 3
    created = at(minute)
    started = created + timedelta(seconds=20 + 20 * chance(customer, hour, "queue"))
    run = Run(f"{customer}-{number}-a", customer, hour, created, started, started + timedelta(seconds=seconds))
    if customer == BROKEN.customer and number in BROKEN_HOURS:
        failed = _again(run, run.ended_at, outcome="failure", failed=(BROKEN.event,))
        return [failed, _later(run, BROKEN_UNTIL)]
    if (customer, number) == (RETRIED, RETRIED_HOUR):
        return [_again(run, run.ended_at, outcome="failure", is_retried=True), _later(run, minute + 6)]
    if (customer, number) == (STUCK, STUCK_HOUR):
        return [_again(run, at(STUCK_UNTIL), outcome="failure", is_retried=True), _later(run, STUCK_UNTIL + 1)]
    return [run]


def _again(
    run: Run, ended_at: datetime, *, outcome: str, is_retried: bool = False, failed: tuple[str, ...] = ()
) -> Run:
    return Run(
        run.run_id, run.customer, run.hour, run.created_at, run.started_at, ended_at, outcome, is_retried, failed
    )


def _later(run: Run, minute: float) -> Run:
    """Return the same work begun anew."""
    by = at(minute) - run.created_at
    name = run.run_id.replace("-a", "-b")
    return Run(name, run.customer, run.hour, run.created_at + by, run.started_at + by, run.ended_at + by)
