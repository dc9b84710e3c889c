"""Strict JSON of one line, with its numbers as they are written; the one judge of what is JSON.

Vectorised engines may be laxer or faster, but a line they are not sure of comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason

# Numbers that a reader and writer of JSON may write otherwise than they were: more than 15 digits, an exponent, zeros
# at the end of a fraction, tiny ones, minus zero. Every other number comes back digit by digit. What looks like one
# inside a string costs time, nothing else. RE2 understands the pattern too.
ODD_NUMBER = r"[:,\[]\s*(?:-0\s*[,\]}]|-?(?:[0-9.]{17}|0\.0000|[0-9]+(?:\.[0-9]+)?[eE]|[0-9]+\.[0-9]+0\s*[,\]}]))"
_ODD_NUMBER = re.compile(ODD_NUMBER.encode())
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_INFINITE = "number is infinity"


class RawNumber:
    """A number exactly as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def parse_line(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of one line; raise RejectedRecordError with the reason when it is no strict JSON."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if _INFINITE not in str(error):
            _refuse(line, str(error))
        return _parse_with_raw_numbers(line)
    return _parse_with_raw_numbers(line) if _ODD_NUMBER.search(line) else value


def dump_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the JSON text of a value that `parse_line` returned."""
    if isinstance(value, RawNumber):
        return value.text
    try:
        return orjson.dumps(value, default=_fragment).decode()
    except orjson.JSONEncodeError:  # orjson reads what is nested 1,023 levels deep but writes 254
        return _dump_deep(value)


def strings_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield every string in a value, keys among them, however deep."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is str:
            yield item
        elif type(item) is list:
            waiting.extend(item)
        elif type(item) is dict:
            yield from item
            waiting.extend(item.values())


def _dump_deep(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write without recursion; what is written as it is waits as a RawNumber."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is RawNumber:
            texts.append(item.text)
        elif type(item) is list:
            parts = [part for member in item for part in (RawNumber(","), member)]
            waiting.extend(reversed((RawNumber("["), *parts[1:], RawNumber("]"))))
        elif type(item) is dict:
            parts = [p for key, member in item.items() for p in (RawNumber(f",{dump_text(key)}:"), member)]
            if parts:
                parts[0] = RawNumber(parts[0].text[1:])
            waiting.extend(reversed((RawNumber("{"), *parts, RawNumber("}"))))
        else:
            texts.append(orjson.dumps(item).decode())
    return "".join(texts)


def _fragment(value: RawNumber) -> orjson.Fragment:
    return orjson.Fragment(value.text.encode())


def _refuse(line: bytes, detail: str) -> NoReturn:
    reason = RejectReason.NOT_JSON
    try:
        line.decode()
    except UnicodeDecodeError as error:
        reason, detail = RejectReason.NOT_UTF8, str(error)
    if "surrogate" in detail and reason is RejectReason.NOT_JSON:
        reason = RejectReason.LONE_SURROGATE
    elif "depth limit" in detail:
        reason = RejectReason.NESTED_TOO_DEEPLY
    raise RejectedRecordError(reason, detail)


def _constant(text: str) -> NoReturn:
    raise RejectedRecordError(RejectReason.NOT_JSON, f"{text} is not JSON")


def _parse_with_raw_numbers(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(line, parse_int=RawNumber, parse_float=RawNumber, parse_constant=_constant)
    except (RecursionError, ValueError) as error:
        deep = isinstance(error, RecursionError)
        raise RejectedRecordError(
            RejectReason.NESTED_TOO_DEEPLY if deep else RejectReason.NOT_JSON, str(error)
        ) from error
    if _SURROGATE.search(line):  # json takes half a pair, which has no UTF-8 form
        for text in strings_of(value):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise RejectedRecordError(RejectReason.LONE_SURROGATE, str(error)) from error
    return value
