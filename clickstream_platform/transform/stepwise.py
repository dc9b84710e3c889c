"""A strict JSON reader without recursion, token by token: slow, but for any depth and with every member.

For the few lines that orjson gives up on or may not have read to their end. Belongs here: the grammar. Does not: which
lines these are (`parsing`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from clickstream_platform.transform.json_values import RawNumber

_TOKEN = re.compile(rb'[ \t\n\r]*([{}\[\],:]|"(?:[^"\\]|\\.)*"|[^ \t\n\r{}\[\],:"]+)', re.DOTALL)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CONSTANTS = {b"true": True, b"false": False, b"null": None}
_END = b""


class NestedTooDeeplyError(ValueError):
    """The text is nested deeper than allowed."""


@dataclass(slots=True)
class _Open:
    """An array or object that is not closed yet; `key` waits for its value."""

    is_object: bool
    members: list[Any] = field(default_factory=list)
    key: str | None = None


def read_stepwise(text: bytes, make_object: Callable[[list[tuple[str, Any]]], Any], max_nesting: int) -> Any:  # noqa: ANN401
    """Return the value of a text, with RawNumbers for numbers and `make_object` of each object's members.

    Raises ValueError when it is no strict JSON, NestedTooDeeplyError when it is nested deeper than `max_nesting`.
    """
    tokens = _tokens(text)
    opened: list[_Open] = []
    token = next(tokens)
    while True:
        if token in (b"{", b"["):
            opened.append(_Open(token == b"{"))
            if len(opened) > max_nesting:
                raise NestedTooDeeplyError(f"nested deeper than {max_nesting} levels")
            token = next(tokens)
            if token != (b"}" if opened[-1].is_object else b"]"):
                token = _key(opened[-1], token, tokens)
                continue
            value: Any = _close(opened.pop(), make_object)
        else:
            value = _scalar(token)
        while True:
            token = next(tokens)
            if not opened:
                if token != _END:
                    raise ValueError("something follows the value")
                return value
            inner = opened[-1]
            inner.members.append((inner.key, value) if inner.is_object else value)
            if token == b",":
                token = _key(inner, next(tokens), tokens)
                break
            if token != (b"}" if inner.is_object else b"]"):
                raise ValueError(f"{_shown(token)} where a comma or the end is expected")
            value = _close(opened.pop(), make_object)


def _tokens(text: bytes) -> Iterator[bytes]:
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        yield match[1]
    if text[position:].strip(b" \t\n\r"):
        raise ValueError(f"{_shown(text[position:])} is no JSON")
    yield _END
    raise ValueError("unexpected end")


def _key(inner: _Open, token: bytes, tokens: Iterator[bytes]) -> bytes:
    """Read the key of an object's next member, and return the first token of its value."""
    if not inner.is_object:
        return token
    if token[:1] != b'"' or next(tokens) != b":":
        raise ValueError(f"{_shown(token)} where a key is expected")
    inner.key = orjson.loads(token)
    return next(tokens)


def _close(inner: _Open, make_object: Callable[[list[tuple[str, Any]]], Any]) -> Any:  # noqa: ANN401
    return make_object(inner.members) if inner.is_object else inner.members


def _scalar(token: bytes) -> Any:  # noqa: ANN401 - any JSON value
    if token[:1] == b'"':
        return orjson.loads(token)
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    if _NUMBER.fullmatch(token):
        return RawNumber(token.decode())
    raise ValueError(f"{_shown(token)} is no JSON value")


def _shown(token: bytes) -> str:
    return repr(token[:20].decode("utf-8", "backslashreplace"))
