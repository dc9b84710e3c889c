"""Redshift's column types and encodings, and what PostgreSQL calls the types.

Belongs here: reading one type or encoding. Does not: columns and tables (`ddl`).
"""

from __future__ import annotations

from clickstream_platform_tests.redshift_stand_in.lexer import Cursor, text_of, words
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

MAX_VARCHAR_BYTES = 65535
_ENCODINGS = words("auto raw az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 runlength text255 text32k zstd")
_PLAIN_TYPES = {
    "smallint": "smallint", "int2": "smallint", "integer": "integer", "int": "integer", "int4": "integer",
    "bigint": "bigint", "int8": "bigint", "real": "real", "float4": "real", "float8": "double precision",
    "float": "double precision", "boolean": "boolean", "bool": "boolean", "date": "date", "super": "super",
    "timestamp": "timestamp", "timestamptz": "timestamptz", "time": "time", "timetz": "timetz",
}  # fmt: skip


def column_type(cursor: Cursor) -> str:
    """Read a type and return PostgreSQL's; VARCHAR counts bytes (see `catalog.sql`)."""
    token = cursor.next()
    word = token.word
    if word == "double":
        cursor.expect("precision")
        return "double precision"
    if word in ("varchar", "nvarchar", "text") or (word == "character" and cursor.accept("varying")):
        return f"varchar({_length(cursor, 256, MAX_VARCHAR_BYTES)})"
    if word in ("char", "character", "nchar", "bpchar"):
        return f"char({_length(cursor, 256 if word == 'bpchar' else 1, 4096)})"
    if word in ("decimal", "numeric"):
        inside = text_of(cursor.parenthesised()) if cursor.peek().word == "(" else "18, 0"
        if int(inside.split(",")[0]) > 38:
            raise SqlError("22023", "NUMERIC precision must be between 1 and 38")
        return f"numeric({inside})"
    if word == "varbyte":
        _length(cursor, 64000, 16777216)
        return "bytea"
    if word not in _PLAIN_TYPES:
        raise SqlError("42704", f'type "{token.text}" does not exist')
    if word in ("timestamp", "time"):
        if cursor.accept("with", "time", "zone"):
            return f"{word}tz"
        cursor.accept("without", "time", "zone")
    return _PLAIN_TYPES[word]


def encoding(cursor: Cursor) -> str:
    """Read the name of a compression encoding."""
    word = cursor.next().word
    if word not in _ENCODINGS:
        raise SqlError("42601", f'invalid encoding type specified: "{word}"')
    return word


def _length(cursor: Cursor, default: int, limit: int) -> int:
    if cursor.peek().word != "(":
        return default
    text = text_of(cursor.parenthesised())
    length = limit if text.lower() == "max" else int(text) if text.isdigit() else -1
    if not 1 <= length <= limit:
        raise SqlError("22023", f"length for type character varying cannot exceed {limit}")
    return length
