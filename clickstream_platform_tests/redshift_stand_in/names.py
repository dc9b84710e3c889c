"""Redshift takes identifiers of 127 bytes, PostgreSQL of 63: longer ones get a short inner name.

Belongs here: the inner names, and the folder that keeps what they stand for (PostgreSQL reads it, see `catalog.sql`).
Does not: where in a statement an identifier is (`translate`).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in.lexer import Token
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

MAX_BYTES = 127
_POSTGRES_BYTES = 63
_INNER = re.compile(r"\w{0,30}~[0-9a-f]{24}")
_INNER_BYTES = re.compile(rb"~[0-9a-f]{24}")


class LongNames:
    """What each inner name stands for; a file per name, so that no transaction hides it."""

    def __init__(self, folder: Path) -> None:
        """Keep the names in a folder that PostgreSQL's process can read."""
        self._folder = folder
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self._real = {path.name: path.read_bytes().decode() for path in folder.iterdir()}

    def inner(self, name: str) -> str:
        """Return the name PostgreSQL gets; raise SqlError for one that Redshift would not take."""
        size = len(name.encode())
        if size > MAX_BYTES:
            raise SqlError("42622", f'identifier "{name}" is {size} bytes long; Redshift takes {MAX_BYTES}')
        if not name or "\0" in name:
            raise SqlError("42601", "zero-length delimited identifier")
        if size <= _POSTGRES_BYTES:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:24]
        inner = re.sub(r"\W", "_", name.encode()[:30].decode(errors="ignore")) + "~" + digest
        if inner not in self._real:
            path = self._folder / inner
            path.write_bytes(name.encode())
            path.chmod(0o644)
            self._real[inner] = name
        return inner

    def real(self, text: str) -> str:
        """Put the long names back into a text."""
        return _INNER.sub(lambda found: self._real.get(found[0], found[0]), text) if "~" in text else text

    def is_in(self, data: bytes) -> bool:
        """Tell whether there may be an inner name in the data."""
        return _INNER_BYTES.search(data) is not None

    def token(self, token: Token) -> Token:
        """Return an identifier as PostgreSQL gets it: folded, and with its inner name where it is long."""
        if not token.is_name:
            return token
        name = token.name
        if token.kind == "word" and len(name) <= _POSTGRES_BYTES // 4 and not name.startswith("#"):
            return token
        inner = self.inner(name)
        if token.kind == "word" and inner == name:
            return token
        return Token("quoted", '"' + inner.replace('"', '""') + '"', token.space)
