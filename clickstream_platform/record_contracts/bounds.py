"""How much work a schema can make, found before it is compiled; and the schemas that are refused for it.

A contract is written by a customer and runs over every record in a process that other customers share. So its work must
be bounded by its size and the record's: no recursion, no doubling by references, few patterns.

Belongs here: the limits, and counting. Does not: what the keywords mean (`checking`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from clickstream_platform.errors import TerminalError

MAX_SCHEMA_BYTES = 200_000  # as ASCII, the longest form
MAX_SCHEMA_LEVELS = 64  # of nesting, references followed
MAX_SUBSCHEMAS = 10_000  # with every reference written out
MAX_PATTERNS = 100
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_JSON_LEVELS = 200  # what the validator reads is some more
# Subschemas for the value itself, and for values inside it.
_SAME_PLACE_LISTS, _SAME_PLACE = ("allOf", "anyOf", "oneOf"), ("not", "if", "then", "else")
_INSIDE_MAPS, _INSIDE_LISTS = ("properties", "patternProperties"), ("prefixItems",)
_INSIDE = (
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "items",
    "contains",
    "unevaluatedItems",
)
# Their meaning depends on how a record is walked through, or on other documents.
_REFUSED = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$anchor")


class InvalidSchemaError(TerminalError):
    """This is no JSON Schema that a contract can have."""


def refuse(cause: str, remedy: str = "Correct the schema.") -> InvalidSchemaError:
    """Return the error for a schema, to be raised."""
    return InvalidSchemaError("reading the schema of a contract", cause=cause, remedy=remedy)


@dataclass(slots=True)
class Work:
    """What a schema can make the validator do.

    `subschemas` counts them with references written out; `overlaps` is the most that speak of one value. `findings` is
    the most that one value can break at once; `names_add` says that every name in an object can add one.
    """

    subschemas: int = 0
    overlaps: int = 1
    findings: int = 0
    names_add: bool = False
    _own: list[int] = field(default_factory=list)

    def note(self, schema: Mapping[str, Any]) -> None:
        """Count one subschema; raise InvalidSchemaError when these are too many."""
        self.subschemas += 1
        if self.subschemas > MAX_SUBSCHEMAS:
            raise refuse(f"with its references written out it has more than {MAX_SUBSCHEMAS:,} subschemas")
        required = schema.get("required")
        dependent = schema.get("dependentRequired")
        names = len(required) if isinstance(required, list) else 0
        if isinstance(dependent, dict):
            names += sum(len(each) for each in dependent.values() if isinstance(each, list))
        self._own.append(len(schema) + names)
        self.overlaps += sum(len(schema[key]) for key in _SAME_PLACE_LISTS if isinstance(schema.get(key), list))
        self.overlaps += sum(key in schema for key in (*_SAME_PLACE, "$ref"))
        for key in ("dependentSchemas", "patternProperties"):
            self.overlaps += len(schema[key]) if isinstance(schema.get(key), dict) else 0
        self.names_add |= "propertyNames" in schema

    def close(self) -> Work:
        """Work out `findings`: so many subschemas can speak of one value, each about all that it demands."""
        self.findings = sum(sorted(self._own)[-self.overlaps :])
        return self


def read_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema as plain JSON; raise InvalidSchemaError unless it is an object within the limits."""
    if not isinstance(document, Mapping):
        raise refuse("it is no JSON object")
    try:
        json.dumps(dict(document), ensure_ascii=False).encode()
        text = json.dumps(dict(document), allow_nan=False)
    except UnicodeEncodeError as error:
        raise refuse("it has half of a surrogate pair") from error
    except RecursionError as error:
        raise refuse(f"it is nested deeper than {MAX_SCHEMA_LEVELS} levels") from error
    except (TypeError, ValueError) as error:
        raise refuse(f"it is no JSON ({error})") from error
    if len(text) > MAX_SCHEMA_BYTES:
        raise refuse(f"it is longer than {MAX_SCHEMA_BYTES:,} bytes")
    schema: dict[str, Any] = json.loads(text)
    if schema.get("$schema", DRAFT) not in (DRAFT, f"{DRAFT}#"):
        raise refuse(f"its $schema is not {DRAFT}", "Write it in draft 2020-12, or leave $schema out.")
    if _count_patterns(schema) > MAX_PATTERNS:
        raise refuse(f"it has more than {MAX_PATTERNS} regular expressions")
    return schema


def measure(schema: dict[str, Any]) -> Work:
    """Spell a schema out and return the work that it can make; raise InvalidSchemaError when that has no bounds."""
    work = Work()
    waiting: list[tuple[Any, int, tuple[str, ...]]] = [(schema, 1, ())]
    while waiting:
        item, level, references = waiting.pop()
        if not isinstance(item, dict):
            continue
        if level > MAX_SCHEMA_LEVELS:
            raise refuse(f"it is nested deeper than {MAX_SCHEMA_LEVELS} levels")
        work.note(item)
        _spell_out(item)
        _refuse_keywords(item, is_root=item is schema)
        waiting.extend((inner, level + 1, references) for inner in _subschemas(item))
        reference = item.get("$ref")
        if isinstance(reference, str):
            if reference in references:
                raise refuse(f"$ref {reference!r} leads back to itself", "Write the levels out that records have.")
            waiting.append((_resolve(schema, reference), level + 1, (*references, reference)))
    return work.close()


def _refuse_keywords(schema: Mapping[str, Any], *, is_root: bool) -> None:
    for keyword in (*_REFUSED, *(() if is_root else ("$id", "$schema"))):
        if keyword in schema:
            raise refuse(f"it uses {keyword}", "Refer to $defs with $ref, such as #/$defs/address.")


def _spell_out(schema: dict[str, Any]) -> None:
    """Write two keywords in a form that means the same, and for which the validator names the offending members."""
    if schema.get("additionalProperties") is False:
        schema.setdefault("properties", {})
    if schema.get("propertyNames") is False:
        schema["propertyNames"] = {"not": {}}


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for key in (*_SAME_PLACE, *_INSIDE):
        yield schema.get(key)
    for key in (*_SAME_PLACE_LISTS, *_INSIDE_LISTS):
        if isinstance(schema.get(key), list):
            yield from schema[key]
    for key in (*_INSIDE_MAPS, "dependentSchemas"):
        if isinstance(schema.get(key), dict):
            yield from schema[key].values()


def _resolve(schema: dict[str, Any], reference: str) -> Any:  # noqa: ANN401 - whatever is there
    if reference == "#":
        raise refuse("$ref '#' leads back to itself", "Write the levels out that records have.")
    if not reference.startswith("#/"):
        raise refuse(f"$ref {reference!r} leads outside of the schema", "Copy what it refers to into $defs.")
    found: Any = schema
    for part in unquote(reference[2:]).split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise refuse(f"$ref {reference!r} leads nowhere") from error
    return found


def _count_patterns(schema: dict[str, Any]) -> int:
    count = 0
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    while waiting:
        item, level = waiting.pop()
        if level > _JSON_LEVELS:
            raise refuse(f"it is nested deeper than {MAX_SCHEMA_LEVELS} levels")
        if isinstance(item, dict):
            count += isinstance(item.get("pattern"), str)
            count += len(item["patternProperties"]) if isinstance(item.get("patternProperties"), dict) else 0
            waiting.extend((inner, level + 1) for inner in item.values())
        elif isinstance(item, list):
            waiting.extend((inner, level + 1) for inner in item)
    return count
