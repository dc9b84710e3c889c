"""Finds customer-hours that are ready to load.

A customer-hour is ready when every shard with raw objects of that customer in that hour has sealed the hour, or when
the hour closed by time. Belongs here: that rule, and which hours can be looked at. Does not: what was looked at before
(`hour_memory`) and what is done about it (`planning`).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour, hour_range
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import RAW_PREFIX, hour_of_prefix
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.hour_contents import HourContents, Ignored, list_hour, read_contents
from clickstream_platform.pipeline.ports import HourStore

RUN_KEY_DIGITS = 12


@dataclass(frozen=True)
class CustomerHour:
    """One customer's hour with the objects of each event."""

    customer: str
    hour: Hour
    streams: Mapping[str, tuple[ObjectRef, ...]]

    @cached_property
    def digest(self) -> str:
        """40 hex digits over the manifests of all its events: the same objects have the same digest, whoever looked."""
        manifests = (
            Manifest.freeze(Stream(self.customer, event), self.hour, refs) for event, refs in self.streams.items()
        )
        return hashlib.sha256("".join(sorted(manifest.digest for manifest in manifests)).encode()).hexdigest()[:40]

    @property
    def run_key(self) -> str:
        """The name of the run that loads exactly these objects, `<customer>|<hour>|<digest>`."""
        return f"{self.customer}|{self.hour}|{self.digest[:RUN_KEY_DIGITS]}"

    @property
    def size_bytes(self) -> int:
        """The sum of the objects' sizes as stored, in bytes."""
        return sum(ref.size for refs in self.streams.values() for ref in refs)

    def records(self, event: str) -> int:
        """Return how many records the producer stated for an event; 0 where it stated none."""
        return sum(ref.records or 0 for ref in self.streams[event])


@dataclass(frozen=True, slots=True)
class HourLook:
    """What one look at an hour found: the ready customer-hours, and the customers whose hour is still open."""

    hour: Hour
    fingerprint: str
    ready: tuple[CustomerHour, ...]
    open_customers: tuple[str, ...]
    ignored: Ignored


class Discovery:
    """Looks at hours of an object store."""

    def __init__(
        self, store: HourStore, clock: Clock, *, first_hour: Hour, lookback_hours: int, grace_minutes: int
    ) -> None:
        """Know no hour before `first_hour`; hours without seals close `grace_minutes` after their end."""
        self._store, self._clock = store, clock
        self._first_hour, self._lookback_hours = first_hour, lookback_hours
        self._grace = timedelta(minutes=grace_minutes)

    def recent_hours(self) -> list[Hour]:
        """Return the hours of the look-back, oldest first, the current one included."""
        current = Hour.of(self._clock.now())
        return list(hour_range(max(self._first_hour, current.plus(-self._lookback_hours)), current))

    def older_hours(self) -> Iterator[Hour]:
        """Yield the hours before the look-back that have raw objects, oldest first: one listing of prefixes."""
        oldest_recent = max(self._first_hour, Hour.of(self._clock.now()).plus(-self._lookback_hours))
        for prefix in self._store.list_prefixes(RAW_PREFIX):
            try:
                hour = hour_of_prefix(prefix)
            except InvalidNameError:
                continue  # some other folder below raw/: not of the layout, and no hour to report it for
            if self._first_hour <= hour < oldest_recent:
                yield hour

    def is_known(self, hour: Hour) -> bool:
        """Whether an hour is between the first known hour and now."""
        return self._first_hour <= hour <= Hour.of(self._clock.now())

    def is_closed(self, hour: Hour) -> bool:
        """Whether an hour closed by time, sealed or not."""
        return self._clock.now() >= hour.end + self._grace

    def look(self, hour: Hour, known_fingerprint: str | None = None) -> HourLook | None:
        """Look at one hour; None when nothing changed since the look that gave `known_fingerprint`."""
        is_closed = self.is_closed(hour)
        listing = list_hour(self._store, hour)
        fingerprint = listing.fingerprint("closed" if is_closed else "open")
        if fingerprint == known_fingerprint:
            return None
        contents = read_contents(self._store, listing)
        held_back = frozenset() if is_closed else contents.unsealed
        customers = _by_customer(contents)
        ready = tuple(each for each in customers if each.customer not in held_back)
        return HourLook(hour, fingerprint, ready, tuple(sorted(held_back)), contents.ignored)


def _by_customer(contents: HourContents) -> list[CustomerHour]:
    grouped: dict[str, dict[str, tuple[ObjectRef, ...]]] = defaultdict(dict)
    for stream, refs in contents.streams.items():
        grouped[stream.customer][stream.event] = refs
    return [CustomerHour(customer, contents.hour, streams) for customer, streams in sorted(grouped.items())]
