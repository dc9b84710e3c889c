"""`users` and `accounts`: tables of the newest value of everything known about a user or an account.

Belongs here: what they are made of. Does not: when they are written (`load.hour_load`).
"""

from __future__ import annotations

from collections.abc import Iterable

from clickstream_platform.load.statements import Newest
from clickstream_platform.model.schemas import VARCHAR_STEPS_BYTES, Column, ColumnType
from clickstream_platform.model.streams import ACCOUNTS, TABLE_OF_TYPE, USERS

NEWEST = (
    Newest(USERS, TABLE_OF_TYPE["identify"], "user_id"),
    Newest(ACCOUNTS, TABLE_OF_TYPE["group"], "group_id"),
)
_SHORTEST_ID_BYTES = VARCHAR_STEPS_BYTES[0]
# What is true of one record, not of whom it is about.
_OF_THE_RECORD = frozenset(
    {"id", "anonymous_id", "user_id", "sent_at", "original_timestamp", "timestamp", "channel", "batch_hour"}
)


def newest_columns(newest: Newest, source: Iterable[Column]) -> tuple[Column, ...]:
    """Return the table's columns when its source has these: `id`, the key's value, then all but the record's."""
    source = tuple(source)
    length = max((column.length for column in source if column.name == newest.key), default=_SHORTEST_ID_BYTES)
    key = Column("id", ColumnType.VARCHAR, length)
    return (key, *(column for column in source if column.name not in _OF_THE_RECORD and column.name != newest.key))
