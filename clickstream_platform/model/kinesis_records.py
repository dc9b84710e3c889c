r"""The data of a Kinesis record: what the collector puts on the Kinesis stream and the batcher takes off it.

One Kinesis record holds one or more events, each as two lines that end with `\n`: a header, then the raw line.

    {"v":1,"c":"acme","e":"order_completed","t":1795340523931,"m":"022bb90c-…"}
    {"receivedAt":"2026-11-22T09:02:03.931Z","messageId":"022bb90c-…","type":"track", … }

- `v` is the version of this form, `c` the customer and `e` the event (slugs; `_unidentified` for what was rejected),
  `t` the arrival in milliseconds since 1970 (its hour is the hour; `receivedAt` says the same), `m` the messageId.
- The raw line is the line of the raw object, byte for byte: nobody between collector and raw object reads its JSON.
- Forms concatenate: the data of two Kinesis records in a row is that of one record with the events of both.

Belongs here: writing and reading that form, and its limits. Does not: what a raw line says, partition keys, sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import NamedTuple

from clickstream_platform.errors import InvalidNameError

VERSION = 1
MAX_DATA_BYTES = 1_048_576 - 1024  # Kinesis takes 1 MiB of data and partition key together (keys are below 1 KB)
PAYLOAD_UNIT_BYTES = 25 * 1024  # Kinesis bills in these, so small events share a Kinesis record of up to one unit


class KinesisEvent(NamedTuple):
    """One event on the Kinesis stream; `line` is its raw line without line end, `received_ms` since 1970."""

    customer: str
    event: str
    message_id: str
    received_ms: int
    line: bytes


def encode_event(event: KinesisEvent) -> bytes:
    """Return the two lines of one event; raise InvalidNameError when its raw line holds a line break."""
    if b"\n" in event.line:
        raise InvalidNameError(
            "writing a Kinesis record",
            where=f"{event.customer}/{event.event}",
            cause="its raw line holds a line break",
            remedy="Write the event as one line of JSON.",
        )
    # Slugs need no escaping in JSON. Line breaks in an id are escaped by encode_basestring.
    header = (
        f'{{"v":{VERSION},"c":"{event.customer}","e":"{event.event}","t":{event.received_ms}'
        f',"m":{encode_basestring(event.message_id)}}}\n'
    )
    return b"".join((header.encode(), event.line, b"\n"))


def encode_events(events: Iterable[KinesisEvent]) -> bytes:
    """Return the data of one Kinesis record that holds these events in their order."""
    return b"".join(map(encode_event, events))


def decode_events(data: bytes) -> list[KinesisEvent]:
    """Return the events of one Kinesis record; raise InvalidNameError when any part of it is not of this form."""
    lines = data.split(b"\n")
    if len(lines) < 3 or len(lines) % 2 == 0 or lines[-1]:
        raise _damaged("it does not consist of pairs of lines")
    return [_event(header, line) for header, line in zip(lines[:-1:2], lines[1::2], strict=True)]


def _event(header: bytes, line: bytes) -> KinesisEvent:
    try:
        body = json.loads(header)
        version, customer, event = body["v"], body["c"], body["e"]
        message_id, received_ms = body["m"], body["t"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(f"no header: {type(error).__name__}") from error
    if version != VERSION:
        raise _damaged(f"its version is {version!r}, not {VERSION}")
    if type(customer) is not str or type(event) is not str or type(message_id) is not str:
        raise _damaged("customer, event or messageId is no text")
    if type(received_ms) is not int:
        raise _damaged("its arrival is no whole number of milliseconds")
    return KinesisEvent(customer, event, message_id, received_ms, line)


def _damaged(cause: str) -> InvalidNameError:
    return InvalidNameError(
        "reading a Kinesis record",
        cause=cause,
        remedy="Only a collector of the same or an older version may write to this Kinesis stream.",
    )
