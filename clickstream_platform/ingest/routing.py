"""Which stream-hour a line belongs to, and the two keys that a raw line always has.

Belongs here: reading just enough of a line to route it, and completing its bytes. Does not: judging the record: what
names a stream goes there as it is, and the transform decides whether it becomes a row.

- The stream is named by `type`, and for `track` by `event`. A line that names none (no JSON, no UTF-8, no object,
  another type, no event name) goes unchanged to the stream `_unidentified`: the raw objects hold every line.
- The hour is that of `receivedAt`; where that is missing or no time of the years 1970 to 9998, the default hour.
- `receivedAt` and `messageId` are spliced in where the record lacks them: behind the opening brace when the key is
  absent, before the closing one when its value is null, for of two equal keys the last counts. All other bytes stay.
- What is spliced in depends on the line and its hour only: ingesting a file again, or in halves, gives the same
  lines. So `receivedAt` is the start of the hour, and `messageId` a hash of the line; equal lines are duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.streams import TABLE_OF_TYPE, UNIDENTIFIED
from clickstream_platform.model.timestamps import parse_timestamp

MESSAGE_ID_PREFIX = "auto-"
MESSAGE_ID_HEX_DIGITS = 32
# Outside of these years an hour has no written form of its own, or no end; a clock that says so is broken anyway.
FIRST_YEAR, LAST_YEAR = 1970, 9998


class Place(NamedTuple):
    """Where a line belongs. `is_dated` tells that the record itself states the hour, by its `receivedAt`."""

    event: str
    hour: Hour
    is_dated: bool = False

    @property
    def is_unidentified(self) -> bool:
        """Whether the line names no stream."""
        return self.event == UNIDENTIFIED


class Router:
    """Routes lines; those that state no hour belong to the default hour."""

    def __init__(self, default_hour: Hour) -> None:
        """Take the hour of lines that state none."""
        self.unidentified = Place(UNIDENTIFIED, default_hour)
        self._default_hour = default_hour
        # A record that lacks `receivedAt` states no hour, so this one value serves all of them.
        self._received_at = f"{default_hour}:00:00Z"

    def route(self, line: bytes) -> tuple[Place, bytes]:
        """Return where one line (without its line end) belongs, and the raw line to write there."""
        record = parse_record(line)
        event = None if record is None else event_of(record)
        if record is None or event is None:
            return self.unidentified, line
        hour = stated_hour(record)
        place = Place(event, hour or self._default_hour, hour is not None)
        return place, complete(line, record, self._received_at)


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the object that a line holds, or None when it holds none. Its numbers are not to be relied on."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _parse_slowly(line)
    return value if type(value) is dict else None


def event_of(record: Mapping[str, Any]) -> str | None:
    """Return the event slug of the stream that a record names, or None when it names none."""
    kind = record.get("type")
    if kind == "track":
        name = record.get("event")
        return event_slug(name) if isinstance(name, str) and name.strip() else None
    return TABLE_OF_TYPE.get(kind) if isinstance(kind, str) else None


def stated_hour(record: Mapping[str, Any]) -> Hour | None:
    """Return the hour of a record's own `receivedAt`, or None when it states no usable one."""
    text = record.get("receivedAt")
    moment = parse_timestamp(text) if isinstance(text, str) else None
    return Hour.of(moment) if moment is not None and FIRST_YEAR <= moment.year <= LAST_YEAR else None


def complete(line: bytes, record: Mapping[str, Any], received_at: str) -> bytes:
    """Return the line with `receivedAt` and `messageId` spliced in where its record lacks them."""
    has_time, has_id = record.get("receivedAt") is not None, record.get("messageId") is not None
    if has_time and has_id:
        return line
    first = last = ""
    for key, is_there, value in (("receivedAt", has_time, received_at), ("messageId", has_id, "")):
        if is_there:
            continue
        filler = value or message_id(line)
        if key in record:  # with null, and of two equal keys the last counts
            last += f',"{key}":"{filler}"'
        else:
            first += f'"{key}":"{filler}",'
    # A record that names a stream has at least its type, so a comma is right on both sides.
    opened, closed = line.index(b"{") + 1, line.rindex(b"}")
    return b"".join((line[:opened], first.encode(), line[opened:closed], last.encode(), line[closed:]))


def message_id(line: bytes) -> str:
    """Return the id of a record that came without one: `auto-` and a hash of its line as received."""
    return f"{MESSAGE_ID_PREFIX}{sha256(line).hexdigest()[:MESSAGE_ID_HEX_DIGITS]}"


def _parse_slowly(line: bytes) -> object:
    """Parse what orjson refuses although it can be routed: numbers beyond a double, and half of a surrogate pair."""
    try:
        return _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        return None


def _number(_: str) -> int:
    return 0


def _refuse(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are no JSON


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_refuse)
