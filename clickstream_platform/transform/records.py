"""One record at a time: validation and flattening by the rules of docs/tables.md. The reference for every engine.

Belongs here: what a single record becomes, as column -> JSON text. Does not: types, duplicates, batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.mended_values import MENDED_KEY, read_mended
from clickstream_platform.model.naming import event_slug
from clickstream_platform.model.records import MAX_MESSAGE_ID_BYTES, DiscardReason, RejectReason
from clickstream_platform.model.streams import RECORD_TYPES, TABLE_OF_TYPE
from clickstream_platform.transform.contracts import StreamContract
from clickstream_platform.transform.duplicate_keys import lost_members, may_repeat_keys
from clickstream_platform.transform.json_values import RawNumber, dump_text
from clickstream_platform.transform.layout import OBJECT_FIELDS, Path, column_of
from clickstream_platform.transform.parsing import parse_line

_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Note:
    """A value of a loaded record that is not loaded (or not as sent): its column, JSON text in full, and why."""

    column: str
    text: str
    reason: DiscardReason


@dataclass(slots=True)
class FlatRecord:
    """A record's columns as JSON text (no nulls), what was left out, and whether it breaks its contract."""

    columns: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    is_broken: bool = False


def read_record(
    line: bytes, event: str, *, max_depth: int, contract: StreamContract | None = None
) -> tuple[FlatRecord, dict[str, Any]]:
    """Return the flattened record of one line of the stream `event`, and the parsed record itself.

    A record that breaks the stream's contract loses the values that break it, or is refused, by the contract's mode.
    Raises RejectedRecordError with the reason when the line is no valid record of this stream.
    """
    record = parse_line(line)
    if type(record) is not dict:
        raise RejectedRecordError(RejectReason.NOT_AN_OBJECT, f"a JSON {type(record).__name__}")
    record_type = _check_envelope(record, event)
    flat, repeats_keys = FlatRecord(), may_repeat_keys(line, record)
    if contract is not None:
        flat.is_broken, frozen = contract.hold(record, len(line))
        for path, value in frozen:
            column = column_of(record_type, path[: max_depth + 1]) or path[0]
            flat.notes.append(Note(column, dump_text(value), DiscardReason.CONTRACT))
    if MENDED_KEY in record and (mended := read_mended(record[MENDED_KEY])) is not None:
        del record[MENDED_KEY]
        for path, text, reason in mended:
            flat.notes.append(Note(column_of(record_type, path[: max_depth + 1]) or path[0], text, reason))
    # The envelope first: a page's own name wins over a property `name`, wherever in the record they are.
    for key, value in record.items():
        if key not in OBJECT_FIELDS:
            _add(flat, record_type, (key,), value, max_depth)
    for key, value in record.items():
        if key not in OBJECT_FIELDS or value is None:
            continue
        if type(value) is dict:
            _flatten(flat, record_type, (key,), value, max_depth)
        else:
            flat.notes.append(Note(key, dump_text(value), DiscardReason.NOT_AN_OBJECT))
    if repeats_keys:
        for path, text in lost_members(line):
            column = column_of(record_type, path[: max_depth + 1]) or path[0]
            flat.notes.append(Note(column, text, DiscardReason.DUPLICATE_KEY))
    return flat, record


def _check_envelope(record: dict[str, Any], event: str) -> str:
    record_type = record.get("type")
    if not isinstance(record_type, str) or record_type not in RECORD_TYPES:
        raise RejectedRecordError(RejectReason.UNKNOWN_TYPE, f"type is {_shown(record_type)}")
    table = TABLE_OF_TYPE.get(record_type)
    if table is None:
        name = record.get("event")
        if not isinstance(name, str) or not name.strip():
            raise RejectedRecordError(RejectReason.NO_EVENT_NAME, f"event is {_shown(name)}")
        table = event_slug(name)
    if table != event:
        raise RejectedRecordError(RejectReason.WRONG_STREAM, f"this is a record of {table!r}")
    identity = record.get("messageId")
    if isinstance(identity, int | RawNumber) and not isinstance(identity, bool):
        identity = record["messageId"] = dump_text(identity)
    elif isinstance(identity, str) and identity.endswith(" "):
        identity = record["messageId"] = identity.rstrip(" ")  # Redshift takes ids that differ in these for equal
    if not isinstance(identity, str) or not identity.strip() or "\0" in identity:
        raise RejectedRecordError(RejectReason.NO_MESSAGE_ID, f"messageId is {_shown(identity)}")
    if len(identity.encode()) > MAX_MESSAGE_ID_BYTES:
        raise RejectedRecordError(RejectReason.NO_MESSAGE_ID, f"messageId is longer than {MAX_MESSAGE_ID_BYTES} bytes")
    return record_type


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return dump_text(value)[:_SHOWN_CHARACTERS]


def _flatten(flat: FlatRecord, record_type: str, path: Path, members: dict[str, Any], max_depth: int) -> None:
    for key, value in members.items():
        _add(flat, record_type, (*path, key), value, max_depth)


def _add(flat: FlatRecord, record_type: str, path: Path, value: Any, max_depth: int) -> None:  # noqa: ANN401
    if value is None:
        return
    if type(value) is dict and (len(path) <= max_depth or not value):
        _flatten(flat, record_type, path, value, max_depth)
        return
    column = column_of(record_type, path)
    if column is None:
        return
    text = value.text if type(value) is RawNumber else dump_text(value)
    known = flat.columns.setdefault(column, text)
    if known != text:
        flat.notes.append(Note(column, text, DiscardReason.NAME_COLLISION))
