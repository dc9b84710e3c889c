"""PostgreSQL's wire protocol 3.0 as bytes: messages in, messages out.

Belongs here: framing and the layout of single messages. Does not: what a message makes happen (`session`, `backend`).
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
PROTOCOL = 196608


class ConnectionGoneError(Exception):
    """The other side closed the connection."""


class DroppedError(Exception):
    """A fault wants this connection closed without another word."""


@dataclass
class SqlError(Exception):
    """An error as SQL clients get it: SQLSTATE, message, detail."""

    code: str
    message: str
    detail: str = ""
    hint: str = ""
    severity: str = "ERROR"

    def __str__(self) -> str:
        return f"{self.code} {self.message} {self.detail}".rstrip()

    def encoded(self) -> bytes:
        """Return the ErrorResponse."""
        fields = {"S": self.severity, "C": self.code, "M": self.message, "D": self.detail, "H": self.hint}
        body = b"".join(key.encode() + text.encode() + b"\0" for key, text in fields.items() if text)
        return message(b"E", body + b"\0")

    @classmethod
    def decoded(cls, body: bytes) -> SqlError:
        """Read the body of an ErrorResponse."""
        fields = {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        return cls(
            fields.get("C", "XX000"), fields.get("M", ""), fields.get("D", ""), fields.get("H", ""), fields.get("S", "")
        )


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Return one message with its length."""
    return kind + struct.pack("!i", len(body) + 4) + body


def parameter_status(name: str, value: str) -> bytes:
    """Return a ParameterStatus."""
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def notice(text: str) -> bytes:
    """Return a NoticeResponse with Redshift's INFO severity."""
    return message(b"N", b"SINFO\0C00000\0M" + text.encode() + b"\0\0")


def startup(parameters: dict[str, str]) -> bytes:
    """Return a StartupMessage."""
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, PROTOCOL) + body


def cut_string(body: bytes, start: int = 0) -> tuple[bytes, int]:
    """Return the string that starts at an offset and the offset behind its NUL."""
    end = body.index(b"\0", start)
    return body[start:end], end + 1


@dataclass
class Wire:
    """A connection that reads whole messages and collects what it writes until `flush`."""

    socket: socket.socket
    _pending: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._reader = self.socket.makefile("rb", buffering=65536)

    def read_exactly(self, size: int) -> bytes:
        """Read that many bytes; raise ConnectionGoneError when there are none any more."""
        try:
            data: bytes = self._reader.read(size)
        except (OSError, ValueError) as error:
            raise ConnectionGoneError(str(error)) from error
        if len(data) < size:
            raise ConnectionGoneError("closed")
        return data

    def read(self) -> tuple[bytes, bytes]:
        """Read one message: kind and body."""
        head = self.read_exactly(5)
        return head[:1], self.read_exactly(struct.unpack("!i", head[1:])[0] - 4)

    def read_startup(self) -> tuple[int, bytes]:
        """Read a message of the start: code and body."""
        size = struct.unpack("!i", self.read_exactly(4))[0]
        body = self.read_exactly(size - 4)
        return struct.unpack("!i", body[:4])[0], body[4:]

    def write(self, data: bytes) -> None:
        """Collect bytes to be sent."""
        self._pending += data

    @property
    def pending_bytes(self) -> int:
        """Return how much is collected."""
        return len(self._pending)

    def discard(self) -> None:
        """Forget what was collected."""
        self._pending.clear()

    def flush(self) -> None:
        """Send what was collected; raise ConnectionGoneError when nobody is there."""
        data, self._pending = bytes(self._pending), bytearray()
        try:
            if data:
                self.socket.sendall(data)
        except OSError as error:
            raise ConnectionGoneError(str(error)) from error

    def close(self) -> None:
        """Close the connection at once, also for a thread that is reading from it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, ValueError):
            self._reader.close()
        with suppress(OSError):
            self.socket.close()
