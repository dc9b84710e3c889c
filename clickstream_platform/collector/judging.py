"""One item of a request: an event for its table, or a rejected record for quarantine. Nothing is dropped.

A rejected item goes the same durable way as every event, to the stream `_unidentified` of its customer, as the marker
line (`model.damage_marker`) that the transform puts into quarantine with its reason and its bytes.

Belongs here: what an item must be to name a stream. Does not: what is added to it (`completing`), reading bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from clickstream_platform.collector.completing import Arrival, complete, id_text, is_text
from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.kinesis_records import KinesisEvent
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import TABLE_OF_TYPE, UNIDENTIFIED

MAX_EVENT_BYTES = 1_000_000
"""The longest raw line: with its header, of 25 KB at most, it fits into one Kinesis record of 1 MiB."""
REST_BYTES = 700_000  # of a rejected item per Kinesis record, where base64 makes a third more of them
_SOURCE = "collector"
_SHOWN_CHARACTERS = 100


class Judged(NamedTuple):
    """The events of a request in the order of its items, and the reasons of those that were rejected."""

    events: list[KinesisEvent]
    rejected: list[RejectReason]


def judge_items(items: list[bytes], arrival: Arrival, max_event_bytes: int = MAX_EVENT_BYTES) -> Judged:
    """Judge every item by itself; none is longer than MAX_EVENT_BYTES, whatever the limit says."""
    judged, max_event_bytes = Judged([], []), min(max_event_bytes, MAX_EVENT_BYTES)
    for number, item in enumerate(items, 1):
        try:
            judged.events.append(_accept(item, arrival, max_event_bytes))
        except RecursionError:
            error = RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY)
        except RejectedRecordError as refusal:
            error = refusal
        else:
            continue
        judged.events.extend(reject(item, number, arrival, error))
        judged.rejected.append(RejectReason(error.reason))
    return judged


def reject(data: bytes, number: int, arrival: Arrival, error: RejectedRecordError) -> Iterator[KinesisEvent]:
    """Yield what keeps a rejected item, or a whole body as its only item, until it is in quarantine; nearly always one.

    The id is made of its bytes: an SDK that repeats the request doesn't reject anything twice.
    """
    whole = DamageMarker(RejectReason(error.reason), error.detail, _SOURCE, number)
    digest = sha256(data).hexdigest()[:32]
    for part, start in enumerate(range(0, max(1, len(data)), REST_BYTES)):
        line = replace(whole, part=part, rest=data[start : start + REST_BYTES]).to_line()
        yield KinesisEvent(arrival.customer, UNIDENTIFIED, f"rejected-{digest}-{part}", arrival.received_ms, line)


def _accept(data: bytes, arrival: Arrival, max_event_bytes: int) -> KinesisEvent:
    if len(data) > max_event_bytes:
        raise RejectedRecordError(RejectReason.TOO_LARGE, f"{len(data)} bytes, not {max_event_bytes} at most")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        line, record = complete(data, arrival, None)
    else:
        if type(value) is not dict:
            raise RejectedRecordError(RejectReason.NOT_AN_OBJECT, f"a JSON {type(value).__name__}")
        line, record = complete(data, arrival, value)
    event = _event_of(record)
    identity = id_text(record["messageId"])
    if len(line) > max_event_bytes:
        raise RejectedRecordError(RejectReason.TOO_LARGE, f"{len(line)} bytes, not {max_event_bytes} at most")
    return KinesisEvent(arrival.customer, event, identity, arrival.received_ms, line)


def _event_of(record: dict[str, Any]) -> str:
    """Return the event slug that a record names; raise RejectedRecordError when it names none."""
    kind = record.get("type")
    table = TABLE_OF_TYPE.get(kind) if isinstance(kind, str) else None
    if table is not None:
        return table
    if kind != "track":
        raise RejectedRecordError(RejectReason.UNKNOWN_TYPE, f"type is {_shown(kind)}")
    name = record.get("event")
    if not isinstance(name, str) or not name.strip() or not is_text(name):
        raise RejectedRecordError(RejectReason.NO_EVENT_NAME, f"event is {_shown(name)}")
    return event_slug(name)


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN_CHARACTERS]
