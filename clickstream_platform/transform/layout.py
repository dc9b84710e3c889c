"""Where each field of a record goes: the path of a value to its column, per record type. See docs/tables.md.

Belongs here: the wire's envelope and sections. Does not: how a name is written (`model.naming`) or typed.
"""

from __future__ import annotations

from functools import lru_cache

from clickstream_platform.model import naming
from clickstream_platform.model.records import ENVELOPE_COLUMNS, LOAD_COLUMNS, TRACK_COLUMNS, TYPE_COLUMNS

Path = tuple[str, ...]

_ENVELOPE: dict[str, str] = {
    "messageId": "id",
    "anonymousId": "anonymous_id",
    "userId": "user_id",
    "receivedAt": "received_at",
    "sentAt": "sent_at",
    "originalTimestamp": "original_timestamp",
    "timestamp": "timestamp",
    "channel": "channel",
}
_OWN_FIELDS: dict[str, dict[str, str]] = {
    "track": {"event": "event_text"},
    "page": {"name": "name", "category": "category"},
    "screen": {"name": "name", "category": "category"},
    "group": {"groupId": "group_id"},
    "alias": {"previousId": "previous_id"},
    "identify": {},
}
# The object whose members become columns of the event's own table.
SECTION_OF_TYPE = {
    "track": "properties",
    "page": "properties",
    "screen": "properties",
    "identify": "traits",
    "group": "traits",
    "alias": "traits",  # no specification gives it any; some senders do
}
# Instructions for routing and SDK bookkeeping: not data of the customer. The raw object keeps them.
NOT_LOADED = frozenset({"type", "integrations", "writeKey", "_metadata", "projectId", "version", "request_ip"})
OBJECT_FIELDS = frozenset({"properties", "traits", "context"})
_NAMES_SHARED_WITH_PROPERTIES = frozenset({"name", "category"})


@lru_cache(maxsize=16)
def standard_columns(record_type: str) -> frozenset[str]:
    """Return the columns that a property must not take over in a table of this record type."""
    columns = {c.name for c in (*ENVELOPE_COLUMNS, *LOAD_COLUMNS, *TRACK_COLUMNS, *TYPE_COLUMNS[record_type])}
    # RudderStack and Segment fill a page's name and category from its properties: the same column.
    return frozenset(columns - _NAMES_SHARED_WITH_PROPERTIES | {"channel"})


@lru_cache(maxsize=200_000)
def column_of(record_type: str, path: Path) -> str | None:
    """Return the column of the value at `path`; None when this field is not loaded.

    Fields that no specification knows are loaded like properties: nothing a customer sends is dropped.
    """
    head = path[0]
    if len(path) == 1:
        if head in NOT_LOADED:
            return None
        own = _OWN_FIELDS[record_type].get(head) or _ENVELOPE.get(head)
        if own:
            return own
    elif head in NOT_LOADED:
        return None
    elif head == "context":
        return naming.column_name(path)
    elif head == SECTION_OF_TYPE.get(record_type):
        return naming.property_column(path[1:], standard=standard_columns(record_type))
    return naming.property_column(path, standard=standard_columns(record_type))


@lru_cache(maxsize=200_000)
def is_common_column(name: str) -> bool:
    """Whether a column of an event table is in `tracks` too: the envelope, the context and the event's names."""
    return name.startswith("context_") or name in _COMMON


_COMMON = frozenset({c.name for c in (*ENVELOPE_COLUMNS, *TRACK_COLUMNS)} | {"channel"})
