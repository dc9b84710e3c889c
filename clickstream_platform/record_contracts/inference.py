"""A schema from values that are there: every value it was shown fits it.

Built with `genson`, which merges types, properties and what all objects have in common. Belongs here: keeping that
bounded. Does not: which values are shown.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from genson import SchemaBuilder

from clickstream_platform.model.data_names import looks_like_data
from clickstream_platform.record_contracts.bounds import DRAFT, InvalidSchemaError
from clickstream_platform.record_contracts.checking import check_schema

MAX_LEVELS = 10  # below, a schema says only whether there is an object or an array
MAX_NAMES = 2_000  # of all objects together; a schema does not speak of others
MAX_NAME_CHARACTERS = 200

# Names that were met: name -> the names below it.
_Names = dict[str, "_Names"]


class SchemaFromValues:
    """Takes values one by one, and makes their schema."""

    def __init__(self) -> None:
        """Start without a value."""
        self._builder = SchemaBuilder(schema_uri=DRAFT)
        self._names: _Names = {}
        self._count = 0

    def add(self, value: dict[str, Any]) -> None:
        """Take one value, an object as a JSON reader gives it; numbers may be int, float or Decimal."""
        self._builder.add_object(self._reduce(value, self._names, 1))

    def schema(self) -> dict[str, Any]:
        """Return a schema that a contract can have and that all values fit."""
        schema: dict[str, Any] = self._builder.to_schema()
        for levels in range(MAX_LEVELS, 0, -1):
            try:
                check_schema(schema)
            except InvalidSchemaError:
                schema = _cut(schema, levels - 1)
            else:
                return schema
        return {"$schema": DRAFT, "type": "object"}

    def _reduce(self, value: Any, names: _Names, level: int) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value with the same types, without what the schema will not speak of."""
        if isinstance(value, dict):
            if level > MAX_LEVELS:
                return {}
            kept = {}
            for name, inner in value.items():
                below = names.get(name)
                if below is None:
                    if self._count >= MAX_NAMES or len(name) > MAX_NAME_CHARACTERS or looks_like_data(name):
                        continue
                    below = names[name] = {}
                    self._count += 1
                kept[name] = self._reduce(inner, below, level + 1)
            return kept
        if isinstance(value, list):
            return self._reduce_elements(value, names, level)
        return float(value) if isinstance(value, Decimal) else value

    def _reduce_elements(self, values: list[Any], names: _Names, level: int) -> list[Any]:
        """Return one element of each plain type, and all arrays and objects."""
        if level > MAX_LEVELS:
            return []
        plain: dict[type, Any] = {}
        opened = []
        for value in values:
            if isinstance(value, dict | list):
                opened.append(self._reduce(value, names, level + 1))
            else:
                reduced = self._reduce(value, names, level)
                plain.setdefault(type(reduced), reduced)
        return [*plain.values(), *opened]


def _cut(schema: Any, levels: int) -> Any:  # noqa: ANN401 - a schema
    """Return the schema without what it says more than so many levels down."""
    if not isinstance(schema, dict):
        return schema
    cut = {key: value for key, value in schema.items() if key not in ("properties", "required", "items", "anyOf")}
    if "anyOf" in schema:
        cut["anyOf"] = [_cut(each, levels) for each in schema["anyOf"]]
    if levels > 0:
        if "properties" in schema:
            cut["properties"] = {name: _cut(inner, levels - 1) for name, inner in schema["properties"].items()}
        if "required" in schema:
            cut["required"] = schema["required"]
        if "items" in schema:
            cut["items"] = _cut(schema["items"], levels - 1)
    return cut
