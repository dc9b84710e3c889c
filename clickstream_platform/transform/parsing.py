"""Strict JSON of one line, with its numbers as they are written; the one judge of what is JSON.

Vectorised engines may be laxer or faster, but a line they are not sure of comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason
from clickstream_platform.transform.json_values import Members, RawNumber
from clickstream_platform.transform.stepwise import NestedTooDeeplyError, read_stepwise

# Numbers that a reader and writer of JSON may write otherwise than they were: more than 15 digits, an exponent, zeros
# at the end of a fraction, tiny ones, minus zero. Every other number comes back digit by digit. What looks like one
# inside a string costs time, nothing else. RE2 understands the pattern too.
ODD_NUMBER = r"[:,\[]\s*(?:-0\s*[,\]}]|-?(?:[0-9.]{17}|0\.0000|[0-9]+(?:\.[0-9]+)?[eE]|[0-9]+\.[0-9]+0\s*[,\]}]))"
_ODD_NUMBER = re.compile(ODD_NUMBER.encode())
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_INFINITE = "number is infinity"
MAX_NESTING = 1024  # levels; orjson's limit
_SURELY_SHALLOW = 200  # brackets


def parse_line(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of one line; raise RejectedRecordError with the reason when it is no strict JSON."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if _INFINITE not in str(error):
            _refuse(line, str(error))
        return _parse_raw(line, dict)
    return _parse_raw(line, dict) if may_be_inexact(line) else value


def may_be_inexact(line: bytes) -> bool:
    """Tell whether a reader of JSON may read a number of the line as another one; never False when it may."""
    return _ODD_NUMBER.search(line) is not None


def parse_members(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a line with Members for objects and RawNumbers for numbers; raise like `parse_line`."""
    return _parse_raw(line, Members)


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


def _parse_raw(line: bytes, make_object: Callable[[list[tuple[str, Any]]], Any]) -> Any:  # noqa: ANN401
    """Read numbers as they are written; what the json module might read otherwise than orjson is read stepwise."""
    try:
        if _SURROGATE.search(line) or line.count(b"[") + line.count(b"{") > _SURELY_SHALLOW:
            return read_stepwise(line, make_object, MAX_NESTING)
        return json.loads(
            line, object_pairs_hook=make_object, parse_int=RawNumber, parse_float=RawNumber, parse_constant=_constant
        )
    except NestedTooDeeplyError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY, str(error)) from error
    except ValueError as error:
        _refuse(line, str(error))
