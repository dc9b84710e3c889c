"""The one place where a name becomes part of SQL text."""

from __future__ import annotations

from functools import lru_cache

from clickstream_platform.errors import InvalidNameError

MAX_IDENTIFIER_BYTES = 127  # Amazon Redshift Database Developer Guide, "Names and identifiers"


@lru_cache(maxsize=200_000)
def quote_identifier(name: str) -> str:
    """Return a schema, table or column name quoted for SQL; raise InvalidNameError for one that no warehouse takes."""
    size = len(name.encode(errors="surrogatepass"))
    if not name or "\0" in name or size > MAX_IDENTIFIER_BYTES:
        raise InvalidNameError(
            "naming a table or column",
            cause=f"{name[:200]!r} is empty, holds NUL or is longer than {MAX_IDENTIFIER_BYTES} bytes",
            remedy="model.naming makes a name from any text.",
        )
    return '"' + name.replace('"', '""') + '"'
