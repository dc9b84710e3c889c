"""A YAML or JSON document as a tree that remembers its lines.

Belongs here: reading text into `Node`s, and refusing what makes a document mean something else than it seems to:
duplicate keys, aliases (which can also blow up), tags, several documents. Does not: which fields there are (`layout`).

Scalars are read by the core schema of YAML 1.2, not by YAML 1.1: a customer called `no` stays a text, and so does every
time of day. Keys are always text. Parsing is a loop, so that depth is a limit and not the end of the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeAlias

import yaml

from clickstream_platform.registry.exchange.faults import DocumentError, Fault

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 300
"""More than the registry stores: a contract is written with 254 levels at most."""
MAX_INTEGER_DIGITS = 40

Scalar: TypeAlias = str | int | float | bool | None

# The parser of libyaml is twenty times as fast; an installation without it has the same one in Python.
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# JSON writes a character beyond the first plane as two escapes, which YAML does not know.
_PAIRED_ESCAPE = re.compile(r"\\u[dD][89abAB]")
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile("true|True|TRUE"), re.compile("false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(slots=True)
class Node:
    """One value of a document: a scalar, the items of a list, or the fields of a mapping."""

    value: Scalar | list[Node] | dict[str, Node]
    line: int | None = None
    """Where it begins, from 1: the line of its key if it has one. None for a document that was never text."""

    def plain(self) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """Return the value as plain lists, mappings and scalars."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        return self.value


def parse_text(text: str | bytes) -> Node:
    """Read one YAML or JSON document; raise DocumentError with every fault found."""
    decoded = _decoded(text)
    tree = _read_json(decoded) if _PAIRED_ESCAPE.search(decoded) else None
    return tree or _Builder().build(decoded)


def parse_value(value: object, depth: int = 0) -> Node:
    """Return a plain value as a tree without lines; raise DocumentError for what a document cannot hold."""
    if depth > MAX_DEPTH:
        raise DocumentError([_too_deep(None)])
    if isinstance(value, Mapping):
        return Node({_key(name): parse_value(item, depth + 1) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return Node([parse_value(item, depth + 1) for item in value])
    if isinstance(value, str):
        return Node(_whole_text(value))
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return Node(value)
    raise DocumentError([Fault(None, "", f"{value!r:.80} is nothing that a document holds")])


def read_scalar(text: str) -> Scalar:
    """Return what an unquoted scalar means; raise ValueError for a number beyond all use."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_INTEGER_DIGITS:
            raise ValueError(f"a number of {len(text)} digits is too long; use at most {MAX_INTEGER_DIGITS}")
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not isfinite(number):
            raise ValueError("the number is too large")
        return number
    return text


def _read_json(text: str) -> Node | None:
    """Return the tree of a JSON document; None for any other, which the YAML parser is to name the faults of."""
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        return None
    return parse_value(value)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(fields := dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _key(name: object) -> str:
    if not isinstance(name, str):
        raise DocumentError([Fault(None, f"{name!r:.80}", "a key is text")])
    return _whole_text(name)


def _whole_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DocumentError([Fault(None, ascii(text)[:80], "it has half of a surrogate pair")]) from error
    return text


def _too_deep(line: int | None) -> Fault:
    return Fault(line, "", f"it is nested deeper than {MAX_DEPTH} levels")


def _decoded(text: str | bytes) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_DOCUMENT_BYTES:
        limit = MAX_DOCUMENT_BYTES // 1024**2
        raise DocumentError([Fault(None, "", f"it has {size:,} bytes, more than {limit} MiB")])
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        decoded.encode("utf-8")
    except UnicodeError as error:
        line = None
        if isinstance(error, UnicodeDecodeError):
            line = error.object[: error.start].count(b"\n") + 1
        raise DocumentError([Fault(line, "", "it is not UTF-8")]) from error
    return decoded.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet, and the key that waits for its value."""

    node: Node
    path: str
    key: str | None = None
    key_line: int = 0


@dataclass(slots=True)
class _Builder:
    """Builds the tree from the events of the YAML parser."""

    faults: list[Fault] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    root: Node | None = None

    def build(self, text: str) -> Node:
        documents = 0
        for event in self._events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fault(event, "a second document begins here; put everything into one")
                    break
            elif isinstance(event, yaml.NodeEvent):
                self._check_plainness(event)
                self._take(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.open.pop()
        if self.faults:
            raise DocumentError(self.faults)
        return self.root or Node(None, 1)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)  # nothing is constructed: these are tokens of the text
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else _line_at(text, getattr(error, "position", None))
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
            self.faults.append(Fault(line, "", f"it is not YAML: {problem}"))

    def _take(self, event: yaml.NodeEvent) -> None:
        line = _line(event)
        if isinstance(event, yaml.CollectionStartEvent):
            node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], line)
            if len(self.open) >= MAX_DEPTH:
                raise DocumentError([*self.faults, _too_deep(line)])
            path = self._place(node)
            self.open.append(_Open(node, path))
        elif isinstance(event, yaml.ScalarEvent):
            self._place(Node(self._scalar(event), line), key=event.value)
        else:
            self._place(Node(None, line), key="*")

    def _place(self, node: Node, key: str | None = None) -> str:
        """Put a node where the text has it and return its path; in a mapping, every other node is a key."""
        if not self.open:
            self.root = node
            return ""
        top = self.open[-1]
        holder = top.node.value
        if isinstance(holder, list):
            holder.append(node)
            return f"{top.path}[{len(holder) - 1}]"
        if top.key is None:
            line = node.line or 0
            if key is None:
                self.faults.append(Fault(line, top.path, "a list or mapping cannot be a key"))
            top.key, top.key_line = key or "", line
            return top.path
        path = f"{top.path}.{top.key}" if top.path else top.key
        if isinstance(holder, dict):
            if top.key in holder:
                self.faults.append(Fault(top.key_line, path, f"it is there already, in line {holder[top.key].line}"))
            node.line = top.key_line
            holder[top.key] = node
        top.key = None
        return path

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        if not event.implicit[0] or self._is_key():
            return str(event.value)
        try:
            return read_scalar(event.value)
        except ValueError as error:
            self._fault(event, str(error))
            return None

    def _is_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].node.value, dict) and self.open[-1].key is None

    def _check_plainness(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, f"aliases (*{event.anchor}) are not taken; write it out")
        elif event.anchor is not None:
            self._fault(event, f"anchors (&{event.anchor}) are not taken; write it out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._fault(event, f"tags ({tag}) are not taken; leave it out")

    def _fault(self, event: yaml.Event, problem: str) -> None:
        path = self.open[-1].path if self.open else ""
        self.faults.append(Fault(_line(event), path, problem))


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _line_at(text: str, position: int | None) -> int | None:
    return None if position is None else text[:position].count("\n") + 1
