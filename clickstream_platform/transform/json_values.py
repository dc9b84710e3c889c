"""JSON values beyond Python's own: numbers as they are written, objects with every member; and their text.

Belongs here: what a parsed line is made of, and writing it. Does not: reading it (`parsing`, `stepwise`).
"""

from __future__ import annotations

from typing import Any

import orjson


class RawNumber:
    """A number exactly as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Members(list[tuple[str, Any]]):
    """The members of an object in order, as often as they occur."""


def dump_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the JSON text of a value."""
    if isinstance(value, RawNumber):
        return value.text
    try:
        return orjson.dumps(value, default=_fragment).decode()
    except orjson.JSONEncodeError:  # orjson reads what is nested 1,023 levels deep but writes 254
        return dump_members(value)


def dump_members(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the JSON text of a value in which objects may be Members, without recursion."""
    texts: list[str] = []
    waiting = [value]  # what is written as it is waits as a RawNumber
    while waiting:
        item = waiting.pop()
        if type(item) is RawNumber:
            texts.append(item.text)
        elif type(item) is list:
            parts = [part for member in item for part in (RawNumber(","), member)]
            waiting.extend(reversed((RawNumber("["), *parts[1:], RawNumber("]"))))
        elif type(item) is dict or type(item) is Members:
            members = item.items() if type(item) is dict else item
            parts = [p for key, member in members for p in (RawNumber(f",{dump_text(key)}:"), member)]
            if parts:
                parts[0] = RawNumber(parts[0].text[1:])
            waiting.extend(reversed((RawNumber("{"), *parts, RawNumber("}"))))
        else:
            texts.append(orjson.dumps(item).decode())
    return "".join(texts)


def _fragment(value: RawNumber) -> orjson.Fragment:
    return orjson.Fragment(value.text.encode())
