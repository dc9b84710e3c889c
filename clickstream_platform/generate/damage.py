"""What goes wrong on the way: lines that are no valid record, values of another type, properties that nobody announced.

Belongs here: changes to the bytes of a good record, and the reason for which each damaged one must be rejected. Does
not: which lines are changed (`plan`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clickstream_platform.model.records import RejectReason

_CONTEXT = b'"context":{'
_NEW_PROPERTIES: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("experiment_bucket", (b'"control"', b'"treatment"')),
    ("is_beta_user", (b"true", b"false")),
    ("loyalty_points", (b"120", b"4830", b"0")),
    ("Delivery Window", (b'"morning"', b'"evening"')),
    ("aiScore", (b"0.8125", b"0.25", b"1.5")),
    ("gift_message", (b'"Happy birthday!"', '"お誕生日おめでとう"'.encode())),
    ("größentabelle_version", (b"3", b"4")),
    ("consent_given_at", (b'"2026-01-04T08:15:00.000Z"', b'"2026-02-11T19:42:10.500Z"')),
    ("utm", (b'{"id":"u-1","term":"shoes"}', b'{"id":"u-2","term":null}')),
    ("bundle_items", (b'["a1","b2"]', b"[]")),
    ("warehouse_distance_km", (b"12", b"7.5")),
    ("referral_code", (b'"FRIEND-77"', b"null")),
)
_NAMES_PER_HOUR = 4


@dataclass(frozen=True)
class Damage:
    """One way to make a record invalid, and why it must then be rejected."""

    reason: RejectReason
    apply: Callable[[bytes, int], bytes]


def damage_of(record_type: str, detail: int) -> Damage:
    """Return the damage for a line; every kind is as likely as the others that are possible for its record type."""
    possible = _DAMAGES if record_type == "track" else _DAMAGES[:-1]
    return possible[detail % len(possible)]


def with_conflict(line: bytes, payload: str, key: str, value: bytes) -> bytes:
    """Put a value of another type in the place of the number under `key` in the payload."""
    start = line.index(b'"%s":' % key.encode(), line.index(_opening(payload))) + len(key) + 3
    ends = (line.find(b",", start), line.find(b"}", start))
    return line[:start] + value + line[min(end for end in ends if end >= 0) :]


def with_new_property(line: bytes, payload: str, hour_number: int, detail: int) -> bytes:
    """Add a property to the payload; each hour a new name comes into use and an old one goes out of use."""
    name, values = _NEW_PROPERTIES[(hour_number + detail % _NAMES_PER_HOUR) % len(_NEW_PROPERTIES)]
    value = values[detail // _NAMES_PER_HOUR % len(values)]
    return _inserted(line, _opening(payload), b'"%s":%s,' % (name.encode(), value))


def _opening(payload: str) -> bytes:
    return b'"%s":{' % payload.encode()


def _inserted(line: bytes, after: bytes, text: bytes) -> bytes:
    place = line.index(after) + len(after)
    return line[:place] + text + line[place:]


def _truncated(line: bytes, detail: int) -> bytes:
    """A connection that broke: between a fifth and four fifths of the record."""
    return line[: len(line) // 5 + detail // 16 % (len(line) * 3 // 5)]


def _latin_1(line: bytes, _detail: int) -> bytes:
    """A server that believes everything is ISO-8859-1."""
    return _inserted(line, _CONTEXT, b'"city":"Orl\xe9ans",')


def _not_a_number(line: bytes, _detail: int) -> bytes:
    """A serialiser that writes what JSON has no word for."""
    return _inserted(line, _CONTEXT, b'"scroll_ratio":NaN,')


def _control_byte(line: bytes, _detail: int) -> bytes:
    """A control byte that should have been escaped."""
    return _inserted(line, _CONTEXT, b'"note":"a\x01b",')


def _lone_surrogate(line: bytes, _detail: int) -> bytes:
    """An emoji cut in half by a length limit in UTF-16."""
    return _inserted(line, _CONTEXT, b'"mood":"\\ud83d",')


def _array(line: bytes, _detail: int) -> bytes:
    """A batch of one, sent as an array."""
    return b"[" + line + b"]"


def _no_type(line: bytes, _detail: int) -> bytes:
    """A record without `type`, which is always the first key here."""
    return b"{" + line[line.index(b",") + 1 :]


def _wrong_type(line: bytes, _detail: int) -> bytes:
    """A type that the specification doesn't know."""
    return b'{"type":"pageview",' + line[line.index(b",") + 1 :]


def _no_event(line: bytes, _detail: int) -> bytes:
    """A track record without `event`, which is always the key before `messageId`."""
    return b'{"type":"track",' + line[line.index(b'"messageId":') :]


_R = RejectReason
_DAMAGES = (
    Damage(_R.NOT_JSON, _truncated),
    Damage(_R.NOT_UTF8, _latin_1),
    Damage(_R.NOT_JSON, _not_a_number),
    Damage(_R.NOT_JSON, _control_byte),
    Damage(_R.LONE_SURROGATE, _lone_surrogate),
    Damage(_R.NOT_AN_OBJECT, _array),
    Damage(_R.UNKNOWN_TYPE, _no_type),
    Damage(_R.UNKNOWN_TYPE, _wrong_type),
    Damage(_R.NO_EVENT_NAME, _no_event),  # last: only possible for track
)
