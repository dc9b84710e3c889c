"""Reading a tree by a grammar: records with known fields, tables of named things, lists, and values of one type each.

Belongs here: the building blocks of a grammar, each of which notes what is wrong and goes on. Does not: the grammar
(`layout`), and the lines (`nodes`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from clickstream_platform.registry.exchange.faults import Fault
from clickstream_platform.registry.exchange.nodes import Node
from clickstream_platform.registry.refusals import InvalidRequestError

Read: TypeAlias = Callable[[Node, str], Any]
"""Reads the node at a path; what is wrong with it is noted, and then the result is of no use."""
Check: TypeAlias = Callable[[Any], None]
"""Raises InvalidRequestError for a value outside its limits."""

_NOUNS: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
    dict: "a mapping",
    list: "a list",
}


class Grammar:
    """Makes readers that note their faults in one place."""

    def __init__(self) -> None:
        """Begin without faults."""
        self.faults: list[Fault] = []

    def fault(self, node: Node, path: str, problem: str) -> None:
        """Note what is wrong with a node."""
        self.faults.append(Fault(node.line, path, problem))

    def value(self, kind: type, check: Check | None = None, *, optional: bool = False) -> Read:
        """Read a text (str), whole number (int) or truth (bool); `optional` takes nothing, as None, too."""

        def read(node: Node, path: str) -> Any:  # noqa: ANN401 - of the given kind
            value = node.value
            if value is None and optional:
                return None
            if type(value) is not kind:
                hint = "; put it in quotes" if kind is str and not isinstance(value, list | dict | None) else ""
                self.fault(node, path, f"it is {_noun(value)}, not {_NOUNS[kind]}{hint}")
            elif check is not None:
                self._check(node, path, check, value)
            return value

        return read

    def choice(self, choices: Collection[str]) -> Read:
        """Read one of a few words."""

        def check(word: str) -> None:
            if word not in choices:
                raise InvalidRequestError(
                    "choosing", cause=f"{word!r:.80} is none of {', '.join(choices)}", remedy="Use one of them."
                )

        return self.value(str, check)

    def time(self) -> Read:
        """Read a time with its zone, in ISO 8601, or nothing; gives the same time in UTC as text."""
        text = self.value(str, _check_time, optional=True)

        def read(node: Node, path: str) -> str | None:
            found = len(self.faults)
            value = text(node, path)
            return None if value is None or len(self.faults) > found else _parse_time(value).isoformat()

        return read

    def record(self, fields: Mapping[str, Read], required: Collection[str] = ()) -> Read:
        """Read a mapping with known fields; those that are not there are left out."""

        def read(node: Node, path: str) -> dict[str, Any]:
            known: dict[str, Any] = {}
            for name, item in self._items(node, path):
                at = join(path, name)
                if name in fields:
                    known[name] = fields[name](item, at)
                else:
                    close = difflib.get_close_matches(name, fields, n=1)
                    meant = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(fields)}"
                    self.fault(item, at, f"there is no such field{meant}")
            for name in required:
                if name not in known and isinstance(node.value, dict):
                    self.fault(node, path, f"the field {name} is missing")
            return known

        return read

    def table(self, item: Read, check_name: Check) -> Read:
        """Read a mapping of things by their names."""

        def read(node: Node, path: str) -> dict[str, Any]:
            read: dict[str, Any] = {}
            for name, each in self._items(node, path):
                at = join(path, name)
                self._check(each, at, check_name, name)
                # A name with nothing behind it stands for the thing with everything as it is, or by default.
                read[name] = item(Node({}, each.line) if each.value is None else each, at)
            return read

        return read

    def items(self, item: Read) -> Read:
        """Read a list."""

        def read(node: Node, path: str) -> list[Any]:
            if not isinstance(node.value, list):
                self.fault(node, path, f"it is {_noun(node.value)}, not a list")
                return []
            return [item(each, f"{path}[{index}]") for index, each in enumerate(node.value)]

        return read

    def anything(self, kind: type, check: Check | None = None) -> Read:
        """Read a value of JSON, of any inner form, that is a mapping (dict)."""

        def read(node: Node, path: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
            if not isinstance(node.value, kind):
                self.fault(node, path, f"it is {_noun(node.value)}, not {_NOUNS[kind]}")
                return None
            value = node.plain()
            if check is not None:
                self._check(node, path, check, value)
            return value

        return read

    def _items(self, node: Node, path: str) -> list[tuple[str, Node]]:
        if isinstance(node.value, dict):
            return list(node.value.items())
        self.fault(node, path, f"it is {_noun(node.value)}, not a mapping")
        return []

    def _check(self, node: Node, path: str, check: Check, value: object) -> None:
        try:
            check(value)
        except InvalidRequestError as error:
            self.fault(node, path, f"{error.cause}. {error.remedy}".rstrip(". "))


def join(path: str, name: str) -> str:
    """Return the path of a field."""
    return f"{path}.{name}" if path else name


def _noun(value: object) -> str:
    return _NOUNS.get(type(value), type(value).__name__)


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _check_time(text: str) -> None:
    try:
        is_complete = datetime.fromisoformat(text).tzinfo is not None and bool(_parse_time(text))
    except (ValueError, OverflowError):
        is_complete = False
    if not is_complete:
        raise InvalidRequestError(
            "reading a time", cause=f"{text!r:.80} is no time with its zone", remedy="Write 2026-11-22T09:30:00Z."
        )
