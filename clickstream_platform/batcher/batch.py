"""One batch of a shard: the records behind the checkpoint, without duplicates, by stream-hour.

Belongs here: taking Kinesis records apart and sending each event to its stream-hour. Does not: when a batch ends
(`bounds`), writing it (`writing`).

A Kinesis record that holds no events (another producer's, or of a newer collector) stops nothing and is not lost: it
goes to the strays, as it is.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clickstream_platform.batcher.consumer import ShardRecord
from clickstream_platform.batcher.id_arrays import HOUR_MS, hash_id
from clickstream_platform.batcher.names import FIRST_HOUR, LAST_HOUR
from clickstream_platform.batcher.seen_ids import SeenIds
from clickstream_platform.batcher.spool import Spool, Target
from clickstream_platform.errors import ClickstreamError, InvalidNameError
from clickstream_platform.model.kinesis_records import KinesisEvent, decode_events
from clickstream_platform.model.streams import UNIDENTIFIED, Stream

STRAY = ""
"""The customer and event of strays in a target; no slug is empty."""


@dataclass(slots=True)
class BatchCounts:
    """Events of a batch: `records` are written, `duplicates` not; `strays` are Kinesis records without events."""

    records: int = 0
    duplicates: int = 0
    strays: int = 0


class Batch:
    """Takes the records of one shard in their order."""

    def __init__(self, first: ShardRecord, seen: SeenIds, spool: Spool, window_seconds: int) -> None:
        """Begin with the record that will be added first; its arrival decides which ids count as seen."""
        self._seen, self._spool = seen, spool
        self.counts = BatchCounts()
        self.last_sequence, self.last_arrived_ms = first.sequence, first.arrived_ms
        self._streams: dict[tuple[str, str], bool] = {}
        seen.begin(first.arrived_ms, window_seconds)

    @property
    def size_bytes(self) -> int:
        """The bytes of all lines so far."""
        return self._spool.size_bytes

    @property
    def objects(self) -> int:
        """The number of objects so far."""
        return self._spool.count

    def add(self, records: Sequence[ShardRecord]) -> None:
        """Take the next records."""
        taken: list[tuple[ShardRecord, list[KinesisEvent]]] = []
        ids: list[bytes] = []
        for record in records:
            events = self._events(record)
            taken.append((record, events))
            ids += [_id(event) for event in events if event.message_id]
        answers = iter(self._seen.are_new(ids))
        for record, events in taken:
            self._add_events(record, events, lambda: next(answers))
            self._spool.end_record()
        if records:
            self.last_sequence, self.last_arrived_ms = records[-1].sequence, records[-1].arrived_ms

    def _add_events(self, record: ShardRecord, events: list[KinesisEvent], is_new: Callable[[], bool]) -> None:
        if not events:
            self.counts.strays += 1
            self._spool.add((record.arrived_ms // HOUR_MS, STRAY, STRAY), record.sequence, _stray_line(record))
        for event in events:
            if event.message_id and not is_new():
                self.counts.duplicates += 1
                continue
            target: Target = (event.received_ms // HOUR_MS, event.customer, event.event)
            self._spool.add(target, record.sequence, event.line)
            self.counts.records += 1

    def _events(self, record: ShardRecord) -> list[KinesisEvent]:
        """Return a record's events; none when any of them can't be placed, for then nothing of it is understood."""
        try:
            events = decode_events(record.data)
        except ClickstreamError:
            return []
        return events if all(map(self._has_place, events)) else []

    def _has_place(self, event: KinesisEvent) -> bool:
        names = (event.customer, event.event)
        if names not in self._streams:
            self._streams[names] = _is_stream(*names)
        return self._streams[names] and FIRST_HOUR <= event.received_ms // HOUR_MS <= LAST_HOUR


def _id(event: KinesisEvent) -> bytes:
    # What was rejected must not make a duplicate of a good event that comes with the same id later.
    return hash_id(event.customer, event.message_id, is_rejected=event.event == UNIDENTIFIED)


def _is_stream(customer: str, event: str) -> bool:
    try:
        Stream(customer, event)
    except InvalidNameError:
        return False
    return True


def _stray_line(record: ShardRecord) -> bytes:
    body = {
        "sequence": str(record.sequence),
        "arrived_ms": record.arrived_ms,
        "data_base64": b64encode(record.data).decode(),
    }
    return json.dumps(body, separators=(",", ":")).encode()
