"""Holds JSON values against a schema: whether one breaks it, and where and by which rule.

The validator is `jsonschema-rs` (docs/decisions/0010-contracts.md): exact with numbers of any size and precision, its
regular expressions take time in proportion to the text, and it fetches nothing.

Belongs here: verdicts. Does not: limits of schemas (`bounds`), records and what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind

from clickstream_platform.record_contracts.bounds import Work, measure, read_schema, refuse

MAX_FINDINGS = 50_000
MAX_LISTING_BYTES = 16_000_000
_PATTERN_BYTES = 3_000_000  # of one compiled pattern
_MASK = "the value"
_SHOWN_CHARACTERS = 200

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a value breaks, and where in it.

    `path` leads to the offending value, or to the place of a missing one; `message` is for people and repeats no value.
    """

    path: Path
    rule: str
    is_missing: bool = False
    message: str = ""

    @property
    def place(self) -> str:
        """The path as a JSON pointer; empty for the whole."""
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.path)

    def __str__(self) -> str:
        return f"{self.place or '/'} {self.rule}"


class Checker:
    """A compiled schema. Values are what a JSON reader makes of a text: numbers may be int, float or Decimal."""

    def __init__(self, schema: dict[str, Any], work: Work) -> None:
        """Compile a schema that `bounds` took; raise InvalidSchemaError when it is no valid JSON Schema."""
        self._work = work
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                offline=True,
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES),
                mask=_MASK,
            )
        except jsonschema_rs.ValidationError as error:
            place = "/".join(map(str, error.instance_path))
            raise refuse(f"{_first_line(error.message)}{f' (at {place})' if place else ''}") from error
        except ValueError as error:
            raise refuse(_first_line(str(error))) from error

    def is_broken_by(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Whether the value breaks the schema."""
        return not self._validator.is_valid(value)

    def violations(self, value: Any, size_bytes: int) -> list[Violation] | None:  # noqa: ANN401 - any JSON value
        """Return everything in a value that breaks the schema, in a fixed order.

        `size_bytes` is the length of the text it came from. None when the value breaks it, but is so large that the
        list might take more memory than a record is worth.
        """
        if not self._can_list(value, size_bytes):
            return None if self.is_broken_by(value) else []
        try:
            found = {each for error in self._validator.iter_errors(value) for each in _violations(error)}
        except ValueError:  # nested deeper than the validator describes
            return None
        return sorted(found, key=_order)

    def _can_list(self, value: Any, size_bytes: int) -> bool:  # noqa: ANN401 - any JSON value
        """Whether listing is cheap: the validator makes all findings at once, each with a copy of its value."""
        work, most = self._work, MAX_FINDINGS // self._work.overlaps
        values = size_bytes // 2  # of one digit and a comma
        if values > most:
            values = count_values(value, most + 1)
        findings = work.findings + (values if work.names_add else 0)
        return values <= most and size_bytes * findings <= MAX_LISTING_BYTES


def compile_schema(document: Mapping[str, Any]) -> Checker:
    """Compile a schema; raise InvalidSchemaError when it is none, or more than a contract may be."""
    schema = read_schema(document)
    return Checker(schema, measure(schema))


def check_schema(document: Mapping[str, Any]) -> None:
    """Raise InvalidSchemaError, which says why, unless the document can be the schema of a contract."""
    compile_schema(document)


def count_values(value: Any, enough: int) -> int:  # noqa: ANN401 - any JSON value
    """Count the members and elements in a value, stopping at `enough`."""
    count, waiting = 0, [value]
    while waiting and count < enough:
        item = waiting.pop()
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        count += len(inner)
        waiting.extend(each for each in inner if isinstance(each, dict | list))
    return count


def _violations(error: jsonschema_rs.ValidationError) -> Iterator[Violation]:
    """Yield what one finding of the validator says, of each value by itself."""
    path, kind = tuple(error.instance_path), error.kind
    if isinstance(kind, Kind.Required):
        yield Violation((*path, kind.property), "required", is_missing=True, message="is missing")
    elif isinstance(kind, Kind.AdditionalProperties | Kind.UnevaluatedProperties):
        for name in kind.unexpected:
            yield Violation((*path, name), kind.name, message="is not in the contract")
    elif isinstance(kind, Kind.PropertyNames):
        yield Violation((*path, str(kind.error.instance)), kind.name, message="has a name that does not fit")
    else:
        yield Violation(path, kind.name, message=_first_line(error.message)[:_SHOWN_CHARACTERS])


def _order(violation: Violation) -> tuple[tuple[tuple[bool, int, str], ...], str, str]:
    steps = tuple((isinstance(s, str), s if isinstance(s, int) else 0, str(s)) for s in violation.path)
    return steps, violation.rule, violation.message


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")
