"""A session on the PostgreSQL behind the stand-in, one message or one simple query at a time.

Belongs here: sending, waiting, reading rows. Does not: what to send (`session`, `copy_load`).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in.wire import ConnectionGoneError, SqlError, Wire, message, startup

Row = list[str | None]
_GOODBYE_SECONDS = 10


@dataclass
class Answer:
    """What a simple query gave: rows as text, the last command tag, the first error."""

    rows: list[Row] = field(default_factory=list)
    tag: bytes = b""
    error: SqlError | None = None


class Backend:
    """One connection; `status` is `I` idle, `T` in a transaction, `E` in a failed one."""

    def __init__(self, socket_file: Path, user: str, database: str, settings: dict[str, str] | None = None) -> None:
        """Connect over the Unix socket, as any user: it is in a folder that nobody else can enter."""
        raw = socket.socket(socket.AF_UNIX)
        try:
            raw.connect(str(socket_file))
        except OSError as error:
            raw.close()
            raise SqlError("08006", f"the stand-in's PostgreSQL doesn't answer: {error}", severity="FATAL") from error
        self.wire = Wire(raw)
        self.status = "I"
        self.key_data = b""
        self.wire.write(startup({"user": user, "database": database, "client_encoding": "UTF8"} | (settings or {})))
        self.wire.flush()
        kind = b""
        while kind != b"Z":
            kind, body = self.wire.read()
            if kind == b"E":
                self.wire.close()
                raise SqlError.decoded(body)
            if kind == b"K":
                self.key_data = body

    @property
    def pid(self) -> int:
        """Return the process id that `pg_backend_pid()` gives."""
        pid: int = struct.unpack("!i", self.key_data[:4])[0]
        return pid

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Send one message now."""
        self.wire.write(message(kind, body))
        self.wire.flush()

    def receive(self) -> tuple[bytes, bytes]:
        """Read one message; ReadyForQuery updates `status`."""
        kind, body = self.wire.read()
        if kind == b"Z":
            self.status = body.decode()
        return kind, body

    def query(self, sql: str) -> Answer:
        """Run a simple query to its end."""
        self.send(b"Q", sql.encode() + b"\0")
        return self._answer()

    def run(self, sql: str) -> list[Row]:
        """Run a simple query and return its rows; raise SqlError."""
        answer = self.query(sql)
        if answer.error:
            raise answer.error
        return answer.rows

    def copy_in(self, sql: str, chunks: Callable[[], Iterable[bytes]]) -> bytes:
        """Run a COPY FROM STDIN with chunks of text; return its tag, raise SqlError or what the chunks raise."""
        self.send(b"Q", sql.encode() + b"\0")
        kind, body = self.receive()
        while kind not in (b"G", b"E"):
            kind, body = self.receive()
        if kind == b"E":
            self._answer()
            raise SqlError.decoded(body)
        try:
            for chunk in chunks():
                self.send(b"d", chunk)
        except BaseException:
            self.send(b"f", b"stopped\0")
            self._answer()
            raise
        self.send(b"c")
        answer = self._answer()
        if answer.error:
            raise answer.error
        return answer.tag

    def cancel(self, socket_file: Path) -> None:
        """Ask PostgreSQL to stop what this session is doing."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(socket_file))
            raw.sendall(struct.pack("!ii", 16, 80877102) + self.key_data)

    def close(self) -> None:
        """End the session and wait until PostgreSQL has forgotten it."""
        with suppress(ConnectionGoneError):
            self.wire.discard()
            self.send(b"X")
            self.wire.socket.settimeout(_GOODBYE_SECONDS)
            while True:
                self.wire.read()
        self.wire.close()

    def _answer(self) -> Answer:
        answer = Answer()
        while True:
            kind, body = self.receive()
            if kind == b"D":
                answer.rows.append(_row(body))
            elif kind == b"C":
                answer.tag = body[:-1]
            elif kind == b"E" and answer.error is None:
                answer.error = SqlError.decoded(body)
            elif kind == b"Z":
                return answer


def _row(body: bytes) -> Row:
    (count,) = struct.unpack_from("!h", body)
    offset, row = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, offset)
        offset += 4
        row.append(None if size < 0 else body[offset : offset + size].decode())
        offset += max(size, 0)
    return row
