"""Keys that an object has twice. As in every JSON reader of the path the last one wins; the values lost are counted.

Belongs here: noticing and naming such values of one line. Does not: what becomes of them (`transform.records`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason
from clickstream_platform.transform.layout import Path
from clickstream_platform.transform.parsing import RawNumber, dump_text

_KEY_END = re.compile(rb'"\s*:')


class _Members(list[tuple[str, Any]]):
    """The members of an object, as often as they occur."""


def may_repeat_keys(line: bytes, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Tell whether `line`, read as `value`, may have an object with a key twice; never False when it has."""
    # Written anew, a value is never longer than it was; with as many bytes nothing of it is missing.
    if len(dump_text(value).encode()) == len(line):
        return False
    return len(_KEY_END.findall(line)) != _count_keys(value)


def lost_members(line: bytes) -> list[tuple[Path, Any]]:
    """Return path and value of each member that a later one of the same key replaces with something else.

    What lies in an array has the path of the array. Raises RejectedRecordError for a line nested too deeply to tell.
    """
    try:
        root = json.loads(line, object_pairs_hook=_Members, parse_int=RawNumber, parse_float=RawNumber)
    except RecursionError as error:
        raise RejectedRecordError(RejectReason.NESTED_TOO_DEEPLY, str(error)) from error
    lost: list[tuple[Path, Any]] = []
    waiting: list[tuple[Path, bool, Any]] = [((), False, root)]
    while waiting:
        path, in_array, value = waiting.pop()
        if type(value) is _Members:
            last = dict(value)
            for key, member in value:
                place = path if in_array else (*path, key)
                if member is last[key]:
                    waiting.append((place, in_array, member))
                elif _text(member) != _text(last[key]):
                    lost.append((place, _plain(member)))
        elif type(value) is list:
            waiting.extend((path, True, member) for member in value)
    return lost


def _count_keys(value: Any) -> int:  # noqa: ANN401 - any JSON value
    count, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            count += len(item)
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)
    return count


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return dump_text(_plain(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with dicts for its objects."""
    if type(value) is _Members:
        return {key: _plain(member) for key, member in value}
    return [_plain(member) for member in value] if type(value) is list else value
