"""What a record is on the wire: reason codes of rejected records, of discarded values, and the standard columns.

Belongs here: vocabulary shared by collector, transform and load. Does not: the checks (`transform.records`).
"""

from __future__ import annotations

from enum import StrEnum

from clickstream_platform.model.schemas import Column, ColumnType

MAX_RECORD_BYTES = 4_000_000  # one row of a Redshift COPY is at most 4 MB
MAX_MESSAGE_ID_BYTES = 4096


class RejectReason(StrEnum):
    """Why a record is in quarantine."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NOT_AN_OBJECT = "not_an_object"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    NO_EVENT_NAME = "no_event_name"
    NO_MESSAGE_ID = "no_message_id"
    WRONG_STREAM = "wrong_stream"
    UNKNOWN_COLUMN = "unknown_column"  # schema_mode = reject
    CONTRACT = "contract"  # breaks the event's contract, whose mode is reject
    GZIP_TRUNCATED = "gzip_truncated"
    GZIP_CORRUPT = "gzip_corrupt"
    GZIP_CHECKSUM = "gzip_checksum"
    GZIP_TRAILING_BYTES = "gzip_trailing_bytes"


class DiscardReason(StrEnum):
    """Why one value is in `_discards` while its row is loaded without it."""

    TYPE_CONFLICT = "type_conflict"
    OUT_OF_RANGE = "out_of_range"  # an integer beyond int64 or a number beyond double
    INEXACT = "inexact"  # an integer that a DOUBLE column can't hold exactly
    TOO_LONG = "too_long"
    NAME_COLLISION = "name_collision"
    COLUMN_LIMIT = "column_limit"
    FROZEN_SCHEMA = "frozen_schema"
    NOT_AN_OBJECT = "not_an_object"  # properties, traits or context that are no object
    NUL_CHARACTER = "nul_character"
    DUPLICATE_KEY = "duplicate_key"  # an object has the key again further on: the last wins
    CONTRACT = "contract"  # breaks the event's contract, whose mode is freeze
    NOT_A_NUMBER = "not_a_number"  # NaN or an infinity, which the collector replaced by null
    LONE_SURROGATE = "lone_surrogate"  # a text with half of a surrogate pair, which the collector replaced by null
    NO_MESSAGE_ID = "no_message_id"  # a messageId that is none, for which the collector made another


_T = ColumnType
# Always present in every event table, in this order; their types never depend on the data.
ENVELOPE_COLUMNS = (
    Column("id", _T.VARCHAR, MAX_MESSAGE_ID_BYTES),
    Column("anonymous_id", _T.VARCHAR, 512),
    Column("user_id", _T.VARCHAR, 512),
    Column("received_at", _T.TIMESTAMP),
    Column("sent_at", _T.TIMESTAMP),
    Column("original_timestamp", _T.TIMESTAMP),
    Column("timestamp", _T.TIMESTAMP),
)
TRACK_COLUMNS = (Column("event", _T.VARCHAR, 512), Column("event_text", _T.VARCHAR, 4096))
NAME_COLUMNS = (Column("name", _T.VARCHAR, 512), Column("category", _T.VARCHAR, 512))
GROUP_COLUMNS = (Column("group_id", _T.VARCHAR, 512),)
ALIAS_COLUMNS = (Column("previous_id", _T.VARCHAR, 512),)
LOAD_COLUMNS = (Column("uuid_ts", _T.TIMESTAMP), Column("batch_hour", _T.TIMESTAMP))

# Record type -> its own fixed columns beside the envelope.
TYPE_COLUMNS: dict[str, tuple[Column, ...]] = {
    "track": TRACK_COLUMNS,
    "page": NAME_COLUMNS,
    "screen": NAME_COLUMNS,
    "group": GROUP_COLUMNS,
    "alias": ALIAS_COLUMNS,
    "identify": (),
}
