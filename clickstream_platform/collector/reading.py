"""Reads request bodies as leniently as can be: one odd item of a batch never costs the others.

Python's scanner is used because it tells where a value ends, and takes what real SDKs send (NaN, Infinity, control
characters, halves of surrogate pairs, any number). An item keeps its own bytes: `judging` reads it again, strictly.

Belongs here: cutting a body into items. Does not: what an item must be (`judging`), the request around the body.
"""

from __future__ import annotations

import json
import re
import sys
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented only by its use in the json module
from typing import Any, NamedTuple

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason

SHARED_MEMBERS = ("context", "integrations")
"""What a batch says once for all items that don't say it themselves."""
MAX_SKIPPED_TOKENS = 200_000
"""Brackets and strings of items that can't be read; a body with more of them is refused as a whole."""

# float as parse_int: integers of any length, where int() refuses more than 4,300 digits. Only texts are used here.
_scan = json.JSONDecoder(parse_int=float, strict=False).scan_once  # type: ignore[attr-defined]
_SPACE = re.compile(r"[ \t\n\r]*+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(r"[^,\[\]{}\"]*+")
_FAULTS = (ValueError, StopIteration, RecursionError, IndexError)


class _Text(str):
    """A body's text, for which the scanner does not look for line breaks: at each fault it would look through all."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return -1


class Body(NamedTuple):
    """A request's body: its members other than `batch`, and its items as sent."""

    fields: dict[str, Any]
    """Of a batch, SHARED_MEMBERS that are objects are the bytes as sent."""
    items: list[bytes]


def read_batch(data: bytes, max_items: int = sys.maxsize) -> Body:
    """Cut `{"batch":[…], …}` into items; raise RejectedRecordError when it is no object or its batch no array.

    An object without `batch` is itself the one item. Of more than `max_items` items only one more is read.
    """
    text = _text(data)
    try:
        body, end = _Cutter(text, max_items).read_object()
    except _TooManyItemsError as error:
        return error.body
    except _FAULTS as error:
        raise RejectedRecordError(RejectReason.NOT_JSON, _described(error)) from error
    if end != len(text):
        raise RejectedRecordError(RejectReason.NOT_JSON, f"something follows the object, at character {end}")
    if body.fields.get("batch") is not None:
        raise RejectedRecordError(RejectReason.NOT_AN_OBJECT, "batch is no array")
    if "batch" not in body.fields:
        return Body(body.fields, [_without_mark(data)])
    return body


def read_single(data: bytes) -> Body:
    """Take the whole body for one item; its members are only read for what the request says of itself."""
    try:
        fields, _ = _scan(_text(data), 0)
    except _FAULTS:
        fields = {}
    return Body(fields if type(fields) is dict else {}, [_without_mark(data)])


def _text(data: bytes) -> str:
    # Bytes that are no UTF-8 come through as they are: they cost their own item only.
    return _Text(_without_mark(data).decode("utf-8", "surrogateescape"))


def _without_mark(data: bytes) -> bytes:
    """Return a body without the space around it and the byte order mark that some clients begin with."""
    return data.strip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf")


def _described(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__


class _TooManyItemsError(Exception):
    """Ends the reading of a body of which nothing is taken."""

    def __init__(self, body: Body) -> None:
        self.body = body


class _Cutter:
    """Walks over the text of one body."""

    def __init__(self, text: str, max_items: int) -> None:
        self._text, self._max_items = text, max_items
        self._tokens = MAX_SKIPPED_TOKENS

    def read_object(self) -> tuple[Body, int]:
        """Return the body and where it ends."""
        text, body = self._text, Body({}, [])
        at = self._expect("{", 0)
        if text[at] == "}":
            return body, at + 1
        while True:
            if text[at] != '"':
                raise ValueError(f"no member at character {at}")
            key, at = scanstring(text, at + 1, False)
            at = self._expect(":", self._after_space(at))
            if key == "batch" and text[at] == "[":
                body.fields["batch"] = None  # there is one; a later member of the name that is no array shows
                at = self._read_items(at, body)
            elif key in SHARED_MEMBERS and text[at] == "{":
                # It belongs to every item: one that can't be read is a fault of the whole body.
                end = _scan(text, at)[1]
                body.fields[key] = text[at:end].encode("utf-8", "surrogateescape")
                at = end
            else:
                at, body.fields[key] = self._read_value(at)
            at = self._after_space(at)
            if text[at] == "}":
                return body, at + 1
            at = self._expect(",", at)

    def _read_items(self, at: int, body: Body) -> int:
        text, items = self._text, body.items
        at = self._expect("[", at)
        if text[at] == "]":
            return at + 1
        while True:
            end, _ = self._read_value(at)
            items.append(text[at:end].encode("utf-8", "surrogateescape"))
            if len(items) > self._max_items:
                raise _TooManyItemsError(body)
            at = self._after_space(end)
            if text[at] == "]":
                return at + 1
            at = self._expect(",", at)

    def _read_value(self, at: int) -> tuple[int, Any]:
        """Return where a value ends, and the value; None for one that can't be read but whose end is clear."""
        try:
            value, end = _scan(self._text, at)
        except _FAULTS:
            return self._skip(at), None
        return end, value

    def _skip(self, at: int) -> int:
        """Return where a value ends by its brackets; raise ValueError when they don't tell."""
        depth, text = 0, self._text
        if text[at] not in '"[{':
            scalar = _SCALAR.match(text, at)
            if scalar is None or scalar.end() == at:
                raise ValueError(f"no value at character {at}")
            return scalar.end()
        for token in _TOKEN.finditer(text, at):
            self._tokens -= 1
            if self._tokens < 0:
                raise ValueError("too much of it can't be read")
            first = text[token.start()]
            depth += (first in "[{") - (first in "]}")
            if depth <= 0:
                return token.end()
        raise ValueError(f"the value at character {at} has no end")

    def _after_space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _expect(self, character: str, at: int) -> int:
        """Return the place of the next token after the one that must be at `at`."""
        if self._text[at] != character:
            raise ValueError(f"{character!r} is missing at character {at}")
        return self._after_space(at + 1)
