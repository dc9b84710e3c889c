"""Holds a record to its event's contract, by the contract's mode.

Belongs here: which part of a record a contract speaks of, numbers as the validator must see them, and what is taken out
of a record that breaks it. Does not: the rules of JSON Schema (`record_contracts`). See docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from math import isfinite
from typing import Any, Literal

import orjson

from clickstream_platform.errors import RejectedRecordError
from clickstream_platform.model.records import RejectReason
from clickstream_platform.model.streams import TYPE_OF_TABLE
from clickstream_platform.record_contracts.checking import Checker, Violation, compile_schema
from clickstream_platform.transform.json_values import RawNumber
from clickstream_platform.transform.layout import SECTION_OF_TYPE, Path
from clickstream_platform.transform.parsing import may_be_inexact, parse_line

ContractMode = Literal["evolve", "freeze", "reject"]

_SHOWN_VIOLATIONS = 5
_SHOWN_CHARACTERS = 100
_GREATEST = 10**400  # numbers beyond are held for this one: nobody's rule tells them apart
_SURELY_EXACT = 15  # digits that every double holds
_EXACT = Context(prec=400, Emax=400, Emin=-400, traps=[])


@dataclass(frozen=True, slots=True)
class ContractRule:
    """The contract of one event that is in force."""

    version: int
    mode: ContractMode
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class StreamContract:
    """A contract ready to hold the records of one stream to; `section` is the member of a record it speaks of."""

    version: int
    mode: ContractMode
    section: str
    checker: Checker

    def is_broken_by(self, line: bytes) -> bool | None:
        """Tell quickly whether a line, if it is a record of the stream, breaks the contract; None when it is none."""
        try:
            record = orjson.loads(line)
            # Written anew as it was, no number of it can have changed; searching for those takes ten times as long.
            is_inexact = orjson.dumps(record) != line and may_be_inexact(line)
            record = parse_line(line) if is_inexact else record
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, RejectedRecordError):
            return None
        if type(record) is not dict:
            return None
        return self._is_broken(record, is_inexact=is_inexact)

    def violations(self, record: Mapping[str, Any], size_bytes: int) -> list[Violation] | None:
        """Return how a parsed record of a line of so many bytes breaks the contract; None when in too many ways."""
        section = record.get(self.section)
        if section is not None and type(section) is not dict:
            return [Violation((), "type", message="is no object")]
        return self.checker.violations(exact_numbers(section or {}), size_bytes)

    def hold(self, record: dict[str, Any], size_bytes: int) -> tuple[bool, list[tuple[Path, Any]]]:
        """Return whether a parsed record breaks the contract, and the values that are taken out of it, by path.

        Raises RejectedRecordError when the contract refuses it.
        """
        if not self._is_broken(record):
            return False, []
        if self.mode == "evolve":
            return True, []
        violations = self.violations(record, size_bytes)
        if self.mode == "reject" or violations is None:
            raise RejectedRecordError(RejectReason.CONTRACT, self._describe(violations))
        section = record.get(self.section)
        if type(section) is not dict:
            return True, []  # it is a discard as it is
        paths = outermost({part for each in violations if (part := _removable(each))})
        frozen = [((self.section, *path), _take_out(section, path)) for path in paths]
        return True, [(path, value) for path, value in frozen if value is not None and value != {}]

    def _is_broken(self, record: Mapping[str, Any], *, is_inexact: bool = True) -> bool:
        section = record.get(self.section)
        if section is None:
            section = {}
        if type(section) is not dict:
            return True
        return self.checker.is_broken_by(exact_numbers(section) if is_inexact else section)

    def _describe(self, violations: list[Violation] | None) -> str:
        if violations is None:
            return f"contract version {self.version}: broken in more ways than can be told apart"
        shown = [f"{each.place[:_SHOWN_CHARACTERS] or '/'} {each.rule}" for each in violations[:_SHOWN_VIOLATIONS]]
        more = len(violations) - len(shown)
        return f"contract version {self.version}: {'; '.join(shown)}{f'; and {more} more' if more else ''}"


def open_contract(event: str, rule: ContractRule | None) -> StreamContract | None:
    """Make the contract of a stream ready; raise InvalidSchemaError when its schema is none."""
    if rule is None:
        return None
    section = SECTION_OF_TYPE[TYPE_OF_TABLE.get(event, "track")]
    return StreamContract(rule.version, rule.mode, section, compile_schema(rule.schema))


def exact_numbers(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value with numbers for all RawNumbers, none of which lost a digit."""
    holder = [value]
    waiting: list[tuple[Any, Any]] = [(holder, 0)]
    while waiting:
        container, key = waiting.pop()
        item = container[key]
        if type(item) is RawNumber:
            container[key] = number_of(item.text)
        elif type(item) is dict:
            container[key] = copy = dict(item)
            waiting.extend((copy, name) for name, inner in copy.items() if type(inner) in _OPENED)
        elif type(item) is list:
            container[key] = elements = list(item)
            waiting.extend((elements, index) for index, inner in enumerate(elements) if type(inner) in _OPENED)
    return holder[0]


_OPENED = (RawNumber, dict, list)


def number_of(text: str) -> int | float | Decimal:
    """Return the number that a JSON text stands for: a float where that is the same number, else a Decimal.

    Numbers beyond 10**400 are cut to it, digits after the 400th are rounded.
    """
    if len(text) <= _SURELY_EXACT and "e" not in text and "E" not in text:
        return float(text) if "." in text else int(text)
    exact = _EXACT.create_decimal(text)
    if not exact.is_finite():
        return -_GREATEST if exact.is_signed() else _GREATEST
    if not set(text) & set(".eE"):
        return int(exact)
    number = float(exact)
    return number if isfinite(number) and Decimal(repr(number)) == exact else exact


def outermost(paths: set[Path]) -> list[Path]:
    """Return the paths that lie below no other, in order."""
    kept: list[Path] = []
    for path in sorted(paths):
        if not kept or path[: len(kept[-1])] != kept[-1]:
            kept.append(path)
    return kept


def _removable(violation: Violation) -> Path:
    """Return the path of the value to take out, empty when that would not help: nothing mends what is missing.

    An array is one value of the warehouse: half of one would be another array.
    """
    if violation.is_missing:
        return ()
    path: list[str] = []
    for part in violation.path:
        if isinstance(part, int):
            break
        path.append(part)
    return tuple(path)


def _take_out(section: dict[str, Any], path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for part in path[:-1]:
        section = section[part]
    return section.pop(path[-1])
