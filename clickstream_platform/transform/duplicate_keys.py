"""Keys that an object has twice. As in every JSON reader of the path the last one wins; the values lost are counted.

Belongs here: noticing and naming such values of one line. Does not: what becomes of them (`transform.records`).
"""

from __future__ import annotations

import re
from typing import Any

from clickstream_platform.transform.json_values import Members, dump_members, dump_text
from clickstream_platform.transform.layout import Path
from clickstream_platform.transform.parsing import parse_members

_KEY_END = re.compile(rb'"\s*:')


def may_repeat_keys(line: bytes, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Tell whether `line`, read as `value`, may have an object with a key twice; never False when it has."""
    # Written anew, a value is never longer than it was; with as many bytes nothing of it is missing.
    if len(dump_text(value).encode()) == len(line):
        return False
    return len(_KEY_END.findall(line)) != _count_keys(value)


def lost_members(line: bytes) -> list[tuple[Path, str]]:
    """Return path and JSON text of each member that a later one of the same key replaces with something else.

    A null is no value. What lies in an array has the path of the array.
    """
    lost: list[tuple[Path, str]] = []
    waiting: list[tuple[Path, bool, Any]] = [((), False, parse_members(line))]
    while waiting:
        path, in_array, value = waiting.pop()
        if type(value) is Members:
            last = dict(value)
            for key, member in value:
                place = path if in_array else (*path, key)
                if member is last[key]:
                    waiting.append((place, in_array, member))
                elif member is not None and (text := dump_members(member)) != dump_members(last[key]):
                    lost.append((place, text))
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
