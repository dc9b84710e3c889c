"""The port that clients connect to: TLS, start-up parameters, password, then a session in a thread of its own.

Belongs here: accepting and logging in. Does not: statements (`session`).
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import ssl
import struct
import threading
import traceback
from contextlib import suppress

from clickstream_platform_tests.redshift_stand_in.backend import Backend
from clickstream_platform_tests.redshift_stand_in.execution import Execution
from clickstream_platform_tests.redshift_stand_in.server_state import ServerState
from clickstream_platform_tests.redshift_stand_in.session import Session
from clickstream_platform_tests.redshift_stand_in.wire import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    PROTOCOL,
    SSL_REQUEST,
    ConnectionGoneError,
    DroppedError,
    SqlError,
    Wire,
    message,
    parameter_status,
)

# What Redshift tells every client; the driver can't read a newer PostgreSQL's version.
_PARAMETERS = {
    "server_version": "8.0.2",
    "server_encoding": "UNICODE",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "is_superuser": "off",
    "standard_conforming_strings": "off",
    "datashare_enabled": "off",
}


class Server:
    """Accepts connections until it is stopped."""

    def __init__(self, state: ServerState, tls: ssl.SSLContext, host: str, port: int, *, require_tls: bool) -> None:
        """Listen on a port; 0 takes a free one."""
        self._state, self._tls, self._require_tls = state, tls, require_tls
        self._listener = socket.create_server((host, port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: dict[int, tuple[socket.socket, Backend | None]] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self._drops = 0
        self._thread = threading.Thread(target=self._accept, name="redshift-stand-in", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        self._is_stopping = True
        # Closing alone wouldn't wake the thread that is waiting for a connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        self.drop_all()

    def drop_all(self) -> None:
        """Close every connection at once, as a cluster does that is restarted."""
        with self._lock:
            self._drops += 1
            connections = list(self._open.values())
        for raw, backend in connections:
            for closing in (raw, backend.wire.socket if backend else None):
                try:
                    if closing is not None:
                        closing.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _accept(self) -> None:
        while not self._is_stopping:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(raw,), name="redshift-session", daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with self._lock:
            drops, self._open[id(raw)] = self._drops, (raw, None)
        wire = Wire(raw)
        backend: Backend | None = None
        try:
            wire, parameters = self._start_up(wire)
            if not parameters:
                return
            user, database = parameters.get("user", ""), parameters.get("database", "")
            backend = self._log_in(wire, user, database, parameters)
            with self._lock:
                self._open[id(raw)] = (wire.socket, backend)
                if self._drops != drops:
                    return  # all connections were dropped while this one was being made
            Session(wire, Execution(self._state, wire, backend, user, database)).run()
        except (ConnectionGoneError, DroppedError, ssl.SSLError, OSError):
            pass  # nobody is left to be told
        except SqlError as error:
            self._tell(wire, error)
        except Exception as error:  # noqa: BLE001 - a mistake of the stand-in must be seen by its user
            where = traceback.format_exc()[-1500:]
            self._tell(wire, SqlError("XX000", f"mistake in the Redshift stand-in: {error!r}", where, severity="FATAL"))
        finally:
            with self._lock:
                self._open.pop(id(raw), None)
            # First the server's side: a client that sees its connection end finds its transaction rolled back.
            if backend is not None:
                backend.close()
            wire.close()

    def _start_up(self, wire: Wire) -> tuple[Wire, dict[str, str]]:
        """Return the wire, encrypted if the client wants it, and its parameters; none for a cancel request."""
        while True:
            code, body = wire.read_startup()
            if code == SSL_REQUEST:
                wire.socket.sendall(b"S")
                wire = Wire(self._tls.wrap_socket(wire.socket, server_side=True))
            elif code == GSS_REQUEST:
                wire.socket.sendall(b"N")
            elif code == CANCEL_REQUEST:
                self._cancel(body)
                return wire, {}
            elif code == PROTOCOL:
                break
            else:
                raise SqlError("08P01", f"unsupported frontend protocol {code}", severity="FATAL")
        if self._require_tls and not isinstance(wire.socket, ssl.SSLSocket):
            raise SqlError("28000", "no pg_hba.conf entry for host: SSL off", severity="FATAL")
        parts = body.split(b"\0")
        return wire, {parts[i].decode(): parts[i + 1].decode() for i in range(0, len(parts) - 2, 2) if parts[i]}

    def _log_in(self, wire: Wire, user: str, database: str, parameters: dict[str, str]) -> Backend:
        fault = self._state.faults.refusing(user)
        if fault is not None and fault.error is not None:
            raise fault.error
        salt = secrets.token_bytes(4)
        wire.write(message(b"R", struct.pack("!i", 5) + salt))
        wire.flush()
        kind, body = wire.read()
        password = self._state.users.get(user)
        if kind != b"p" or password is None or body[:-1].decode() != _digest(user, password, salt):
            raise SqlError("28000", f'password authentication failed for user "{user}"', severity="FATAL")
        settings = {"application_name": parameters.get("application_name", "")[:63]}
        backend = Backend(self._state.postgres.socket_file, user, database, settings)
        wire.write(message(b"R", struct.pack("!i", 0)))
        for name, value in _PARAMETERS.items():
            wire.write(parameter_status(name, value))
        wire.write(message(b"K", backend.key_data) + message(b"Z", b"I"))
        wire.flush()
        return backend

    def _cancel(self, key_data: bytes) -> None:
        with self._lock:
            backends = [backend for _, backend in self._open.values() if backend is not None]
        for backend in backends:
            if backend.key_data == key_data:
                backend.cancel(self._state.postgres.socket_file)

    @staticmethod
    def _tell(wire: Wire, error: SqlError) -> None:
        try:
            wire.write(error.encoded())
            wire.flush()
        except ConnectionGoneError:
            return


def _digest(user: str, password: str, salt: bytes) -> str:
    inner = hashlib.md5(password.encode() + user.encode(), usedforsecurity=False).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
