"""The raw line of an item: its own bytes, and what the collector adds.

Added are `receivedAt`; `messageId` when there is no usable one; `type` when the path alone told it; `sentAt`,
`context` and `integrations` of the batch where the item has none; `timestamp` by the collector's clock, with the sent
one as `originalTimestamp`; `context.ip` when the sender named none. `writeKey` is left out, and a `_discarded` of the
sender's own gets another name: it is the platform's word for what it replaced. Every other byte stays as it was sent,
but for line breaks between values, so that the raw line says what the sender said, digit by digit.

Members are spliced into the bytes where that is certain to hit the right place; else the item is taken apart and
written again (`mending`). Belongs here: the rules of what is added, and both ways. Does not: rejecting (`judging`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from clickstream_platform.collector.mending import Members, RawNumber, as_sent, read_tree, write_tree
from clickstream_platform.collector.reading import SHARED_MEMBERS
from clickstream_platform.collector.skew import corrected, in_milliseconds, written
from clickstream_platform.model.mended_values import MENDED_KEY, SENT_KEY, MendedValue, write_mended
from clickstream_platform.model.records import MAX_MESSAGE_ID_BYTES, DiscardReason
from clickstream_platform.model.timestamps import parse_timestamp

_Changes = dict[str, bytes | None]


class SharedMember(NamedTuple):
    """A member of a batch as its items get it: one line of strict JSON, and what became null in it."""

    json: bytes
    notes: tuple[MendedValue, ...] = ()


@dataclass(frozen=True)
class Arrival:
    """What is the same for all items of a request."""

    customer: str
    received_at: datetime
    """UTC, whole milliseconds."""
    client_ip: str | None = None
    kind: str | None = None
    """The record type that the path names; None for batches."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The members of a batch other than its items, as `reading` gives them."""

    def __post_init__(self) -> None:
        """Write once what every item of the request gets."""
        text = written(self.received_at)
        sent_at = self.fields.get("sentAt") if self.kind is None else None
        shared: dict[str, Any] = {"received_text": text, "received_ms": in_milliseconds(self.received_at)}
        shared["received_json"] = f'"{text}"'.encode()
        shared["sent_text"] = sent_at if isinstance(sent_at, str) and parse_timestamp(sent_at) else None
        if self.kind is None:
            given = {name: self.fields.get(name) for name in SHARED_MEMBERS}
            shared["shared"] = {
                name: _shared(name, raw, self.client_ip) for name, raw in given.items() if type(raw) is bytes
            }
        for name, value in shared.items():
            object.__setattr__(self, name, value)

    received_text: str = field(init=False, default="")
    received_ms: int = field(init=False, default=0)
    received_json: bytes = field(init=False, default=b"")
    sent_text: str | None = field(init=False, default=None)
    shared: Mapping[str, SharedMember] = field(init=False, default_factory=dict)

    @property
    def shared_bytes(self) -> int:
        """How much longer an item may become by what the batch says for all."""
        return sum(len(member.json) for member in self.shared.values())


def complete(data: bytes, arrival: Arrival, record: dict[str, Any] | None) -> tuple[bytes, dict[str, Any]]:
    """Return the raw line of an item and its members as they are in it, shallow for an item that needed mending.

    `record` is the item as strict JSON, None when it is none; then RejectedRecordError may be raised.
    """
    if record is not None:
        changes = plan_changes(record, arrival)
        if notes := _notes_of_shared(record, arrival):
            changes[MENDED_KEY] = write_mended(notes)
        line = _splice(data, record, changes)
        if line is not None:
            return line, _with(record, changes)
    return _rewrite(data, arrival)


def plan_changes(record: Mapping[str, Any], arrival: Arrival) -> _Changes:
    """Return the members to set, as JSON, or to remove (None)."""
    changes: _Changes = {"receivedAt": arrival.received_json}
    if not is_usable_id(record.get("messageId")):
        changes["messageId"] = f'"{uuid.uuid4()}"'.encode()
    if arrival.kind is not None and record.get("type") is None:
        changes["type"] = f'"{arrival.kind}"'.encode()
    sent = record.get("sentAt")
    if sent is None and arrival.sent_text is not None:
        sent, changes["sentAt"] = arrival.sent_text, _json(arrival.sent_text)
    _plan_times(record, sent, arrival, changes)
    if "writeKey" in record:
        changes["writeKey"] = None
    changes |= {name: member.json for name, member in arrival.shared.items() if record.get(name) is None}
    _plan_client_ip(record, arrival, changes)
    return changes


def is_usable_id(value: object) -> bool:
    """Whether a messageId names a record: a text that isn't blank, of at most 4,096 bytes, or a whole number."""
    if type(value) is not str:
        return type(value) is int or (type(value) is RawNumber and value.removeprefix("-").isdigit())
    if not value.strip() or "\0" in value:
        return False
    try:
        return len(value if value.isascii() else value.encode()) <= MAX_MESSAGE_ID_BYTES
    except UnicodeEncodeError:
        return False


def id_text(value: object) -> str:
    """Return a usable messageId as text, the same however the item was read: numbers know no negative zero."""
    return "0" if type(value) is RawNumber and value == "-0" else str(value)


def _plan_times(record: Mapping[str, Any], sent: Any, arrival: Arrival, changes: _Changes) -> None:  # noqa: ANN401
    time, original = record.get("timestamp"), record.get("originalTimestamp")
    source = time if time is not None else original
    if type(source) is not str:
        if time is None:
            changes["timestamp"] = arrival.received_json
        return  # a time that is no text is a discard of its column, as it is from any other producer
    happened = _moment(source)
    if happened is None:  # as a text it would be lost to `timestamp`; it stays to be seen as the original
        changes["timestamp"] = arrival.received_json
    else:
        text = corrected(happened, _moment(sent) if type(sent) is str else None, arrival.received_at)
        if text is not None or time is None:
            changes["timestamp"] = _json(text or source)
    if original is None and is_text(source):
        changes["originalTimestamp"] = _json(source)


def _plan_client_ip(record: Mapping[str, Any], arrival: Arrival, changes: _Changes) -> None:
    if arrival.client_ip is None:
        return
    ip = f'"ip":"{arrival.client_ip}"'.encode()
    context = record.get("context")
    if context is None:
        changes.setdefault("context", b"{%s}" % ip)  # the batch's has it already
    elif isinstance(context, dict) and context.get("ip") is None:
        changes[_IP] = ip


_MAX_TIME_CHARACTERS = 64
# Stands among the changes for the member `ip` of the item's own context.
_IP = "context.ip"


def is_text(text: str) -> bool:
    """Whether a text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(text: str) -> datetime | None:
    # A long text is none, and must not be kept.
    return _short_moment(text) if len(text) <= _MAX_TIME_CHARACTERS else None


@lru_cache(maxsize=256)
def _short_moment(text: str) -> datetime | None:
    return parse_timestamp(text)


def _json(text: str) -> bytes:
    """Return a text without halves of surrogate pairs as JSON."""
    return orjson.dumps(text)


def _shared(name: str, raw: bytes, client_ip: str | None) -> SharedMember:
    """Return a batch's own member as its items get it, digit by digit; a context gets the client's address."""
    ip = client_ip if name == "context" else None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = None
    if value is not None and (ip is None or value.get("ip") is not None):
        return SharedMember(_one_line(raw))
    if value is not None and "ip" not in value and ip is not None:
        rest = raw[raw.index(b"{") + 1 :].lstrip()
        return SharedMember(_one_line(b'{"ip":"%s"%s%s' % (ip.encode(), b"" if rest == b"}" else b",", rest)))
    tree: Any = read_tree(raw, "surrogateescape")
    if ip is not None and dict(tree).get("ip") is None:
        tree = _with_ip(tree, ip)
    line, notes = write_tree(Members([(name, tree)]))
    return SharedMember(line[len(name) + len(b'{"":') : -1], tuple(notes))


def _notes_of_shared(record: Mapping[str, Any], arrival: Arrival) -> list[MendedValue]:
    members = arrival.shared.items()
    return [note for name, member in members if member.notes and record.get(name) is None for note in member.notes]


def _one_line(data: bytes) -> bytes:
    """Return strict JSON without the line breaks that are between its values."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in data or b"\r" in data else data


@lru_cache(maxsize=64)
def _member(name: str) -> re.Pattern[bytes]:
    """The member with a text or null as its value, and a comma on one of its sides."""
    return re.compile(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*+"|null)(\s*,)?' % name.encode(), re.DOTALL)


# As names may be written: such a member is not found by its name, but one of the same name further in may be.
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_CONTEXT = re.compile(rb'"context"\s*:\s*\{\s*(\})?')


def _splice(data: bytes, record: dict[str, Any], changes: _Changes) -> bytes | None:
    """Return the line with the changes made in its bytes; None when that isn't certain to be right."""
    data = data.strip(b" \t\r\n")
    if data[:1] != b"{" or not record or ("messageId" in changes and record.get("messageId") is not None):
        return None
    if MENDED_KEY in record or (b"\\u00" in data and _ESCAPED_LETTER.search(data) is not None):
        return None
    added = []
    for name, value in changes.items():
        if name is _IP:
            spliced = _splice_ip(data, value or b"")
        elif name in record:
            spliced = _splice_member(data, name, record[name], value)
        else:
            spliced = data
            added.append(b'"%s":%s,' % (name.encode(), value))
        if spliced is None:
            return None
        data = spliced
    rest = _one_line(data)[1:].lstrip()
    if rest == b"}":  # what was sent is all removed
        return None
    return b"{" + b"".join(added) + rest


def _splice_member(data: bytes, name: str, sent: Any, value: bytes | None) -> bytes | None:  # noqa: ANN401
    """Set or remove a member of the item itself; only its sole mention that has its value is it for certain."""
    if (sent is not None and type(sent) is not str) or data.count(b'"%s"' % name.encode()) != 1:
        return None
    match = _member(name).search(data)
    if match is None or orjson.loads(match[1]) != sent:
        return None
    if value is not None:
        return data[: match.start(1)] + value + data[match.end(1) :]
    before = data[: match.start()].rstrip()
    if match[2] is None:  # the last member, and not the only one: there the comma is before it
        before = before.removesuffix(b",")
    return before + data[match.end() :]


def _splice_ip(data: bytes, ip: bytes) -> bytes | None:
    match = _CONTEXT.search(data) if data.count(b'"context"') == 1 and b'"ip"' not in data else None
    if match is None:
        return None
    opened = data.index(b"{", match.start()) + 1
    return b"".join((data[:opened], ip, b"" if match[1] else b",", data[opened:]))


def _rewrite(data: bytes, arrival: Arrival) -> tuple[bytes, dict[str, Any]]:
    """Take the item apart, change it, and write it as strict JSON, with notes of what became null."""
    sent = read_tree(data.strip(b" \t\r\n"))
    tree = Members((SENT_KEY if key == MENDED_KEY else key, value) for key, value in sent)
    record = {key: dict(value) if type(value) is Members else value for key, value in tree}
    sent_id = record.get("messageId")
    changes = plan_changes(record, arrival)
    replaced = {"messageId", "writeKey"} & changes.keys()  # a key is told to nobody, a messageId is told whole
    notes = [note for note in write_tree(tree)[1] if note.path[0] not in replaced]
    if "messageId" in changes and sent_id is not None:
        text = as_sent([value for key, value in tree if key == "messageId"][-1])
        notes.append(MendedValue(("messageId",), text, DiscardReason.NO_MESSAGE_ID))
    notes += _notes_of_shared(record, arrival)
    if notes:
        changes[MENDED_KEY] = write_mended(notes)
    ip = changes.pop(_IP, None)
    kept = Members((key, value) for key, value in tree if key not in changes)
    if ip is not None and arrival.client_ip is not None:
        kept = Members((key, _with_ip(value, arrival.client_ip) if key == "context" else value) for key, value in kept)
    line = write_tree(kept)[0]
    added = [b'"%s":%s' % (name.encode(), value) for name, value in changes.items() if value is not None]
    if line != b"{}":
        added.append(line[1:-1])
    return b"{%s}" % b",".join(added), _with(record, changes)


def _with_ip(context: Any, ip: str) -> Any:  # noqa: ANN401 - any JSON value
    if type(context) is not Members:
        return context
    return Members([("ip", ip), *((key, value) for key, value in context if key != "ip")])


def _with(record: dict[str, Any], changes: _Changes) -> dict[str, Any]:
    for name in ("type", "messageId"):
        value = changes.get(name)
        if value is not None:
            record[name] = orjson.loads(value)
    return record
