"""Parquet values as PostgreSQL's COPY text, with the checks that Redshift makes of each column.

Belongs here: types and values. Does not: files and manifests (`copy_load`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_MAX_SUPER_STRING_BYTES = 65535
_MAX_SUPER_BYTES = 16 * 1024 * 1024
_PATTERNS = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


@dataclass
class BadValueError(Exception):
    """A value that its column doesn't take; `column` is its position, `line` its row in the batch."""

    column: int
    reason: str
    line: int = 0
    value: str = ""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Target:
    """A column that COPY fills: inner and real name, type, size in bytes of a character type."""

    name: str
    real: str
    type: str
    size: int

    @property
    def length(self) -> str:
        """Return the size as the error views show it."""
        return str(self.size) if self.size else ""

    def mismatch(self, source: pa.DataType, serialize_to_json: bool) -> str:
        """Say why a Parquet type can't be loaded into the column; empty when it can."""
        if self.type == "super":
            return "" if serialize_to_json else "Loading into SUPER from Parquet needs SERIALIZETOJSON."
        accepts = _ACCEPTS.get(self.type)
        if accepts is None or not accepts(source):
            return f"Column type: {self.type.upper()}, Parquet schema: optional {source}."
        return ""


def _is_text(source: pa.DataType) -> bool:
    if pa.types.is_dictionary(source):
        return _is_text(source.value_type)
    return bool(pa.types.is_string(source) or pa.types.is_large_string(source))


_ACCEPTS: dict[str, Callable[[pa.DataType], bool]] = {
    "smallint": lambda source: source in (pa.int16(), pa.int32()),
    "integer": lambda source: source == pa.int32(),
    "bigint": lambda source: source == pa.int64(),
    "real": lambda source: source == pa.float32(),
    "double precision": lambda source: source == pa.float64(),
    "boolean": lambda source: source == pa.bool_(),
    "date": lambda source: source == pa.date32(),
    "timestamp without time zone": pa.types.is_timestamp,
    "timestamp with time zone": pa.types.is_timestamp,
    "character varying": _is_text,
    "character": _is_text,
    "numeric": pa.types.is_decimal,
}


def encode_rows(batch: pa.RecordBatch, targets: list[Target], serialize_to_json: bool, max_row_bytes: int) -> bytes:
    """Return the rows as COPY text; raise BadValueError for the first value that doesn't fit."""
    if not batch.num_rows:
        return b""
    columns = [_as_text(position, batch.column(position), target) for position, target in enumerate(targets)]
    _check_row_size(columns, max_row_bytes)
    escaped = [_escaped(column) for column in columns]
    tab = pa.scalar("\t", pa.large_string())
    lines = pc.binary_join_element_wise(*escaped, tab, null_handling="replace", null_replacement="\\N")
    text: str = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines.cast(pa.string())), "\n")[0].as_py()
    return text.encode() + b"\n"


def _as_text(position: int, column: pa.Array, target: Target) -> pa.Array:
    """Return a column as strings."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if target.type == "super":
        return _as_super(position, column)
    if _is_text(column.type):
        _check_text(position, column, target)
        return column.cast(pa.large_string())
    if pa.types.is_timestamp(column.type):
        # Redshift keeps UTC without saying so.
        column = column.cast(pa.timestamp("us"), safe=False)
    return column.cast(pa.large_string())


def _check_text(position: int, column: pa.Array, target: Target) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise BadValueError(position, "String contains invalid or unsupported UTF8 codepoints") from error
    sizes = pc.binary_length(column)
    longest = pc.max(sizes).as_py() or 0
    if longest > target.size > 0:
        line = pc.index(sizes, longest).as_py()
        reason = (
            f"The length of the data column {target.real} is longer than the length defined in the table. "
            f"Table: {target.size}, Data: {longest}"
        )
        raise BadValueError(position, reason, line + 1, column[line].as_py()[:1024])
    has_nul = pc.index(pc.match_substring(column, "\0"), True).as_py()
    if has_nul >= 0:
        raise BadValueError(position, "NULL byte (\\x00) in a string", has_nul + 1, column[has_nul].as_py()[:1024])


def _as_super(position: int, column: pa.Array) -> pa.Array:
    """SERIALIZETOJSON: what Parquet says the value is, a string stays a string."""
    texts: list[str | None] = []
    for line, value in enumerate(column.to_pylist(), start=1):
        text = None if value is None else json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
        if isinstance(value, str) and len(value.encode()) > _MAX_SUPER_STRING_BYTES:
            raise BadValueError(position, "String in SUPER exceeds 65535 bytes", line, value[:1024])
        if text is not None and len(text.encode()) > _MAX_SUPER_BYTES:
            raise BadValueError(position, "SUPER value exceeds 16 MB", line, text[:1024])
        texts.append(text)
    return pa.array(texts, pa.large_string())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _check_row_size(columns: list[pa.Array], max_row_bytes: int) -> None:
    total = pc.fill_null(pc.binary_length(columns[0]), 0)
    for column in columns[1:]:
        total = pc.add(total, pc.fill_null(pc.binary_length(column), 0))
    longest = pc.max(total).as_py()
    if longest > max_row_bytes:
        reason = f"Row of {longest} bytes exceeds the COPY limit of {max_row_bytes} bytes"
        raise BadValueError(0, reason, pc.index(total, longest).as_py() + 1)


def _escaped(column: pa.Array) -> pa.Array:
    for pattern, replacement in _PATTERNS:
        column = pc.replace_substring(column, pattern, replacement)
    return column
