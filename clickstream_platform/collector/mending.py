"""Items that are no strict JSON, value by value: what can't be kept becomes null, with a note of what it was.

By the rules of docs/tables.md: a bare NaN or Infinity, and a text with half of a surrogate pair, cost that value only
(reasons `not_a_number`, `lone_surrogate`); numbers of any size and NUL characters are valid JSON and stay. An item that
is no UTF-8, nested too deeply or no JSON even so is rejected.

Belongs here: an item as a tree that keeps numbers as they are written and every member, and writing it. Does not:
deciding what is added to it (`completing`).
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason

NOT_A_NUMBER, LONE_SURROGATE = "not_a_number", "lone_surrogate"
_SURROGATE = re.compile("[\ud800-\udfff]")


class RawNumber(str):
    """A number exactly as it was written."""

    __slots__ = ()


class _NotANumber(str):
    """NaN, Infinity or -Infinity."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object in order, as often as they occur."""

    __slots__ = ()


class Note(NamedTuple):
    """A value that became null: where it was, what it was as JSON text, and why."""

    path: tuple[str, ...]
    value: str
    reason: str


_decode = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=RawNumber, parse_float=RawNumber, parse_constant=_NotANumber, strict=False
).decode


def read_tree(data: bytes) -> Members:
    """Return an item as a tree; raise RejectedRecordError when it is no object or can't be read at all."""
    try:
        tree = _decode(data.decode())
    except UnicodeDecodeError as error:
        raise RejectedRecordError(RejectReason.NOT_UTF8, str(error)[:200]) from error
    except RecursionError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY) from error
    except ValueError as error:
        raise RejectedRecordError(RejectReason.NOT_JSON, str(error)[:200]) from error
    if type(tree) is not Members:
        raise RejectedRecordError(RejectReason.NOT_AN_OBJECT, "it is no JSON object")
    return tree


def write_tree(tree: Members) -> tuple[bytes, list[Note]]:
    """Return a tree as one line of strict JSON, and a note of every value that became null in it."""
    notes: list[Note] = []
    parts: list[str] = []
    try:
        _write(tree, (), parts, notes)
    except RecursionError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY) from error
    return "".join(parts).encode(), notes


def _write(value: Any, path: tuple[str, ...], parts: list[str], notes: list[Note]) -> None:  # noqa: ANN401
    kind = type(value)
    if kind is str:
        if _SURROGATE.search(value) is None:
            parts.append(encode_basestring(value))
        else:
            parts.append("null")
            notes.append(Note(path, json.dumps(value), LONE_SURROGATE))
    elif kind is RawNumber:
        parts.append(value)
    elif kind is _NotANumber:
        parts.append("null")
        notes.append(Note(path, str(value), NOT_A_NUMBER))
    elif kind is Members:
        _write_members(value, path, parts, notes)
    elif kind is list:
        separator = "["
        for item in value:
            parts.append(separator)
            _write(item, path, parts, notes)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        parts.append("null" if value is None else "true" if value else "false")


def _write_members(members: Members, path: tuple[str, ...], parts: list[str], notes: list[Note]) -> None:
    separator = "{"
    for key, value in members:
        if _SURROGATE.search(key) is not None:  # no column could have that name
            name = key.encode("utf-8", "replace").decode()
            notes.append(Note((*path, name), json.dumps({key: _plain(value)}), LONE_SURROGATE))
            continue
        parts.append(f"{separator}{encode_basestring(key)}:")
        _write(value, (*path, key), parts, notes)
        separator = ","
    parts.append("{}" if separator == "{" else "}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a tree's value as Python's own, for a note."""
    if type(value) is Members:
        return {key: _plain(item) for key, item in value}
    return [_plain(item) for item in value] if type(value) is list else value
