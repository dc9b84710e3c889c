"""Pieces of JSON text written in advance, from which records are joined: the reason why generating is fast.

Belongs here: pools of such pieces and how a property of each kind becomes one. Does not: which properties an event has
(`profiles`) and the joining (`events`). A piece is one `"key":value`, or several that belong together (a product).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Value = str | int | float | bool | list[object] | dict[str, object] | None
Row = Mapping[str, object]
Link = Literal["random", "popular", "page", "device"]

_DIGIT_GROUP = 10_000  # numbers of many values are joined from groups of four digits
_CHOICES = 997  # a prime, so that steps of money and time don't all end in the same digits
_CALENDAR_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Pool:
    """Pieces of JSON to choose from.

    `link` says how: at random, at random with the first ones more popular, or by an index that all pools of the same
    record share (its page, its device), so that they fit together.
    """

    pieces: npt.NDArray[np.object_]
    link: Link


class Shared(Enum):
    """A value that is made anew for every record, beside those that come from pools."""

    EVENT = "event"
    MESSAGE_ID = "message_id"
    ANONYMOUS_ID = "anonymous_id"
    USER_ID = "user_id"  # JSON: null or a text with its quotes
    KNOWN_USER_ID = "known_user_id"  # JSON, never null
    TIMESTAMP = "timestamp"
    ORIGINAL_TIMESTAMP = "original_timestamp"
    SENT_AT = "sent_at"
    RECEIVED_AT = "received_at"


Part = bytes | Pool | Shared
Property = tuple[Part, ...]


def to_json(value: object) -> bytes:
    """Write a value as compact JSON in UTF-8, as JavaScript does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def pool(pieces: Iterable[bytes], link: Link = "random") -> Pool:
    """Make a pool of pieces that are written already."""
    listed = list(pieces)
    return Pool(np.fromiter(listed, dtype=np.object_, count=len(listed)), link)


def rows(entries: Iterable[Row], link: Link = "random") -> Property:
    """Several keys whose values belong together, one entry per choice."""
    return (pool((to_json(dict(entry))[1:-1] for entry in entries), link),)


def nested(key: str, entries: Iterable[Row], link: Link = "random") -> Property:
    """An object with keys that belong together."""
    return rows(({key: dict(entry)} for entry in entries), link)


def one_of(key: str, *values: Value) -> Property:
    """One of a few values; give a value twice to make it twice as likely."""
    return rows({key: value} for value in values)


def integers(key: str, low: int, high: int, link: Link = "random") -> Property:
    """An integer from `low` to `high`, at most about a thousand different ones."""
    return rows(({key: number} for number in range(low, high + 1, max(1, (high - low) // _CHOICES))), link)


def amounts(key: str, low: float, high: float) -> Property:
    """A sum of money in two decimals; whole ones are written without a fraction, as JavaScript does."""
    cents = range(round(low * 100), round(high * 100) + 1, max(1, round((high - low) * 100) // _CHOICES))
    return rows({key: amount(number)} for number in cents)


def amount(cents: int) -> int | float:
    """Return cents as the number a browser would send."""
    return cents // 100 if cents % 100 == 0 else cents / 100


def fractions(key: str, low: float, high: float, digits: int = 4) -> Property:
    """A measured value with many digits."""
    scale = 10**digits
    first, last = round(low * scale), round(high * scale)
    return rows({key: number / scale} for number in range(first, last + 1, max(1, (last - first) // _CHOICES)))


def identifiers(key: str, prefix: str, groups: int = 2) -> Property:
    """A text of a prefix and `4 * groups` digits, practically never twice the same."""
    return (to_json(key) + b':"' + prefix.encode(), *[_digit_groups()] * groups, b'"')


def instants(key: str, days: int) -> Property:
    """An ISO-8601 time within so many days of 2024-01-01."""
    step = timedelta(days=days) / _CHOICES
    moments = (_CALENDAR_START + number * step for number in range(_CHOICES))
    return rows({key: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")} for moment in moments)


def object_of(properties: Iterable[Property]) -> Property:
    """Join properties to the inside of a JSON object: its parts with commas between."""
    parts: list[Part] = []
    for number, each in enumerate(properties):
        parts.extend((b",", *each) if number else each)
    return tuple(parts)


def merged(parts: Iterable[Part]) -> Property:
    """Join neighbouring constant parts to one, so that fewer pieces are joined per record."""
    result: list[Part] = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return tuple(result)


@cache
def _digit_groups() -> Pool:
    return pool(b"%04d" % number for number in range(_DIGIT_GROUP))
