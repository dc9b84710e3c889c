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
from typing import Any

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.mended_values import MendedValue
from clickstream_platform.model.records import DiscardReason, RejectReason

MAX_NOTES_BYTES = 1_000_000
"""Of all notes of an item together: with more of them its line would be too long in any case."""

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


_decode = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=RawNumber, parse_float=RawNumber, parse_constant=_NotANumber, strict=False
).decode


def read_tree(data: bytes, errors: str = "strict") -> Members:
    """Return an item as a tree; raise RejectedRecordError when it is no object or can't be read at all.

    With `errors` "surrogateescape" bytes that are no UTF-8 cost only the text they are in.
    """
    try:
        tree = _decode(data.decode("utf-8", errors))
    except UnicodeDecodeError as error:
        raise RejectedRecordError(RejectReason.NOT_UTF8, str(error)[:200]) from error
    except RecursionError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY) from error
    except ValueError as error:
        raise RejectedRecordError(RejectReason.NOT_JSON, str(error)[:200]) from error
    if type(tree) is not Members:
        raise RejectedRecordError(RejectReason.NOT_AN_OBJECT, "it is no JSON object")
    return tree


def write_tree(tree: Members) -> tuple[bytes, list[MendedValue]]:
    """Return a tree as one line of strict JSON, and what every value was that became null in it, each once a path."""
    writer = _Writer()
    try:
        writer.write(tree, ())
    except RecursionError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY) from error
    return "".join(writer.parts).encode(), list(writer.notes)


def as_sent(value: Any) -> str:  # noqa: ANN401 - any value of a tree
    """Return a tree's value as JSON text with everything in it that is no strict JSON; for notes, and people."""
    kind = type(value)
    if kind is str:
        return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", encode_basestring(value))
    if kind is Members:
        return f"{{{','.join(f'{as_sent(key)}:{as_sent(member)}' for key, member in value)}}}"
    if kind is list:
        return f"[{','.join(map(as_sent, value))}]"
    if kind is RawNumber or kind is _NotANumber:
        return str(value)
    return "null" if value is None else "true" if value else "false"


class _Writer:
    """Writes one tree. What lies in an array has the path of the array: that is its column."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.notes: dict[MendedValue, None] = {}  # each once, in their order
        self._room = MAX_NOTES_BYTES

    def _note(self, path: tuple[str, ...], value: str, reason: DiscardReason) -> None:
        """Keep a note; each has the whole path to its value, so that a short item could have gigabytes of them."""
        note = MendedValue(path, value, reason)
        if note in self.notes:
            return
        self._room -= len(value) + sum(map(len, path)) + 3 * len(path)
        if self._room < 0:
            raise RejectedRecordError(RejectReason.TOO_LARGE, "too much of it, each with its path, can't be kept")
        self.notes[note] = None

    def write(self, value: Any, path: tuple[str, ...], *, in_array: bool = False) -> None:  # noqa: ANN401
        kind = type(value)
        if kind is Members:
            self._write_members(value, path, in_array=in_array)
        elif kind is list:
            separator = "["
            for item in value:
                self.parts.append(separator)
                self.write(item, path, in_array=True)
                separator = ","
            self.parts.append("]" if value else "[]")
        elif kind is _NotANumber:
            self.parts.append("null")
            self._note(path, value, DiscardReason.NOT_A_NUMBER)
        elif kind is str and _SURROGATE.search(value) is not None:
            self.parts.append("null")
            self._note(path, as_sent(value), DiscardReason.LONE_SURROGATE)
        else:
            self.parts.append(as_sent(value))

    def _write_members(self, members: Members, path: tuple[str, ...], *, in_array: bool) -> None:
        separator = "{"
        for key, value in members:
            if _SURROGATE.search(key) is not None:  # no column could have that name
                place = path if in_array else (*path, key.encode("utf-8", "replace").decode())
                text = as_sent(Members([(key, value)]))
                self._note(place, text, DiscardReason.LONE_SURROGATE)
                continue
            self.parts.append(f"{separator}{encode_basestring(key)}:")
            self.write(value, path if in_array else (*path, key), in_array=in_array)
            separator = ","
        self.parts.append("{}" if separator == "{" else "}")
