"""Finds what an event that came into use must be back-filled with: its hours that have objects and are not loaded.

Belongs here: which hours, in which chunks, how far a tick gets. Does not: which events (`registry_sync`), how a chunk
becomes a run (`defs`). Hours that are still open are left to the `hours` sensor, which finds the event active then.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from clickstream_platform.errors import ClickstreamError, InvalidNameError, RetryableError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.manifests import Manifest, ObjectRef
from clickstream_platform.model.object_keys import RAW_PREFIX, RawObjectKey, hour_of_prefix, raw_prefix
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.discovery import RUN_KEY_DIGITS, Discovery
from clickstream_platform.pipeline.ports import HourStore
from clickstream_platform.pipeline.registry_memory import Backfill, RegistryMemory
from clickstream_platform.registry.entities import Snapshot

# A chunk is one run: it loads its hours one after the other and must end in time.
MAX_CHUNK_HOURS = 48
MAX_CHUNK_BYTES = 1_000_000_000
# A tick must end within 60 seconds; the search goes on where it stopped.
MAX_HOURS_PER_TICK = 480
SEARCH_SECONDS = 15.0

Ledger = Callable[[str, str], Mapping[Hour, str]]
"""Returns the input digest of each hour that a customer's event has in the ledger."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Hours of one event to be loaded by one run, oldest first; `digest` names all their objects."""

    customer: str
    event: str
    activation: int
    hours: tuple[Hour, ...]
    digest: str
    size_bytes: int
    objects: int

    @property
    def run_key(self) -> str:
        """The name of the run that loads exactly these objects for this activation."""
        ends = f"{self.hours[0]}|{self.hours[-1]}"
        return f"backfill|{self.customer}|{self.event}|{self.activation}|{ends}|{self.digest[:RUN_KEY_DIGITS]}"


@dataclass(slots=True)
class BackfillTick:
    """What a tick found; `problems` are back-fills that wait, and why, as `<customer>/<event>` -> text."""

    chunks: list[Chunk] = field(default_factory=list)
    finished: list[Backfill] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    hours_looked_at: int = 0


@dataclass
class BackfillSearch:
    """One tick of the search. `first_hour` is the first that has partitions, `limit` bounds the chunks of the tick."""

    store: HourStore
    discovery: Discovery
    ledger: Ledger
    clock: Clock
    first_hour: Hour
    retention_days: int
    limit: int
    timer: Callable[[], float] = time.monotonic
    tick: BackfillTick = field(default_factory=BackfillTick)

    def go_on(self, memory: RegistryMemory, snapshot: Snapshot) -> BackfillTick:
        """Search for the back-fills of the memory, one after the other; what can't be searched now waits."""
        started = self.timer()
        retention = {each.slug: each.policy.retention_days for each in snapshot.customers}
        seen = {(each.customer, each.slug): each.first_seen_hour for each in snapshot.events}
        away: set[str] = set()
        for backfill in list(memory.backfills):
            if backfill.customer in away:
                continue
            if self._is_full() or self.timer() - started >= SEARCH_SECONDS:
                break
            try:
                start = self._start(
                    backfill, retention[backfill.customer], seen.get((backfill.customer, backfill.event))
                )
                is_done = self._search(backfill, start, started)
            except ClickstreamError as error:
                self.tick.problems[f"{backfill.customer}/{backfill.event}"] = str(error)
                # The others have their turn first, next time.
                memory.backfills.remove(backfill)
                memory.backfills.append(backfill)
                if isinstance(error, RetryableError):
                    away.add(backfill.customer)  # each try of what is away costs time; others have other warehouses
            else:
                if is_done:
                    memory.finish(backfill)
                    self.tick.finished.append(backfill)
        return self.tick

    def _start(self, backfill: Backfill, retention_days: int | None, first_seen_hour: str | None) -> Hour:
        """Return the hour to go on with: at first the first with a record, within what is kept."""
        if backfill.next_hour is not None:
            return backfill.next_hour
        days = min(self.retention_days, retention_days or self.retention_days)
        oldest = max(self.first_hour, Hour.of(self.clock.now() - timedelta(days=days)))
        # Records of the look-back may have arrived and not have been announced yet.
        recent = self.discovery.recent_hours()[0]
        return max(oldest, min(recent, Hour.parse(first_seen_hour) if first_seen_hour else recent))

    def _search(self, backfill: Backfill, start: Hour, started: float) -> bool:
        """Add the chunks of one back-fill from an hour on; False when it must go on in the next tick."""
        ledger = self.ledger(backfill.customer, backfill.event)
        found: list[Manifest] = []
        for hour in self._hours_with_objects:
            if hour < start:
                continue
            if self._is_full() or self.timer() - started >= SEARCH_SECONDS:
                self._close_chunk(backfill, found)
                backfill.next_hour = hour
                return False
            manifest = self._missing(Stream(backfill.customer, backfill.event), hour, ledger)
            if manifest is None:
                continue
            if found and not _fits(found, manifest):
                self._close_chunk(backfill, found)
                backfill.next_hour, found = hour, []
                if len(self.tick.chunks) >= self.limit:
                    return False
            found.append(manifest)
        self._close_chunk(backfill, found)
        return True

    def _is_full(self) -> bool:
        return len(self.tick.chunks) >= self.limit or self.tick.hours_looked_at >= MAX_HOURS_PER_TICK

    @cached_property
    def _hours_with_objects(self) -> list[Hour]:
        """The hours that have raw objects of anybody, up to now: one listing of prefixes."""
        return sorted(hour for hour in _hours(self.store) if self.discovery.is_known(hour))

    def _missing(self, stream: Stream, hour: Hour, ledger: Mapping[Hour, str]) -> Manifest | None:
        """Return the input of a stream-hour that is ready and not loaded as it is."""
        self.tick.hours_looked_at += 1
        objects = [
            ObjectRef(item.key, item.size, item.etag)
            for item in self.store.list_objects(raw_prefix(hour, stream))
            if _is_raw_object(item.key, stream)
        ]
        manifest = Manifest.freeze(stream, hour, objects)
        if not objects or ledger.get(hour) == manifest.digest:
            return None
        return manifest if self.discovery.is_closed(hour) or stream.customer in self._sealed(hour) else None

    def _sealed(self, hour: Hour) -> frozenset[str]:
        """Return the customers whose part of an hour that has not closed by time is complete."""
        if hour not in self._looks:
            look = self.discovery.look(hour)
            self._looks[hour] = frozenset(each.customer for each in look.ready) if look else frozenset()
        return self._looks[hour]

    @cached_property
    def _looks(self) -> dict[Hour, frozenset[str]]:
        return {}

    def _close_chunk(self, backfill: Backfill, manifests: list[Manifest]) -> None:
        if manifests:
            digest = hashlib.sha256("".join(manifest.digest for manifest in manifests).encode()).hexdigest()[:40]
            hours = tuple(manifest.hour for manifest in manifests)
            size_bytes = sum(manifest.size_bytes for manifest in manifests)
            objects = sum(len(manifest.objects) for manifest in manifests)
            chunk = Chunk(backfill.customer, backfill.event, backfill.activation, hours, digest, size_bytes, objects)
            self.tick.chunks.append(chunk)


def _fits(found: list[Manifest], manifest: Manifest) -> bool:
    """Whether a chunk takes one more hour; hours between that need nothing cost the run next to nothing."""
    size_bytes = sum(each.size_bytes for each in found) + manifest.size_bytes
    return size_bytes <= MAX_CHUNK_BYTES and manifest.hour < found[0].hour.plus(MAX_CHUNK_HOURS)


def _hours(store: HourStore) -> Iterator[Hour]:
    for prefix in store.list_prefixes(RAW_PREFIX):
        try:
            yield hour_of_prefix(prefix)
        except InvalidNameError:
            continue  # some other folder below raw/


def _is_raw_object(key: str, stream: Stream) -> bool:
    try:
        return RawObjectKey.parse(key).stream == stream
    except InvalidNameError:
        return False
