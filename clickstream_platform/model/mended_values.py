"""Values that the collector replaced by null: the member of a raw line that tells of them.

A raw line is strict JSON, so a NaN, half of a surrogate pair or an unusable messageId can't be in it as it was sent.
What it was stands in `"_discarded":[{"path":[…],"value":"NaN","reason":"not_a_number"}]`, of which the transform makes
rows of `_discards`. The collector renames a sender's own `_discarded`, so it can't speak for the platform.

Belongs here: the written form. Does not: finding such values (`collector`), what becomes of them (`transform`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

from clickstream_platform.model.records import DiscardReason

MENDED_KEY = "_discarded"
"""The member of a raw line."""
SENT_KEY = "_discarded_"
"""The name under which the collector passes on a sender's own `_discarded`: of the same column, without the meaning."""
MENDED_REASONS = frozenset({DiscardReason.NOT_A_NUMBER, DiscardReason.LONE_SURROGATE, DiscardReason.NO_MESSAGE_ID})

_CONTROL = re.compile("[\0-\x1f]")  # in no JSON text, and NUL in no column


class MendedValue(NamedTuple):
    """Where in the record a value was (never inside of an array), what it was as JSON text, and why it isn't there."""

    path: tuple[str, ...]
    value: str
    reason: DiscardReason


def write_mended(values: Iterable[MendedValue]) -> bytes:
    """Return the member's JSON."""
    return json.dumps([value._asdict() for value in values], ensure_ascii=False, separators=(",", ":")).encode()


def read_mended(member: object) -> list[MendedValue] | None:
    """Return the values that a parsed member tells of; None for everything that `write_mended` does not write."""
    if type(member) is not list or not member:
        return None
    values = [_read(entry) for entry in member]
    return None if None in values else [value for value in values if value is not None]


def _read(entry: object) -> MendedValue | None:
    if type(entry) is not dict or entry.keys() != {"path", "value", "reason"}:
        return None
    path, value, reason = entry["path"], entry["value"], entry["reason"]
    if type(path) is not list or not path or not all(type(part) is str for part in path):
        return None
    if type(value) is not str or _CONTROL.search(value) or type(reason) is not str or reason not in MENDED_REASONS:
        return None
    return MendedValue(tuple(path), value, DiscardReason(reason))
