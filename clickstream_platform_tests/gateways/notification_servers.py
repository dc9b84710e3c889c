"""Servers that messages arrive at: HTTP that keeps every request, and SMTP that keeps every mail.

Belongs here: servers for tests. Does not: tests.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class HttpInbox:
    """What an HTTP server was sent: path and body, JSON where it is."""

    port: int = 0
    requests: list[tuple[str, Any]] = field(default_factory=list)
    status: int = 200
    answer: bytes = b'{"ok": true}'
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def http_inbox() -> Iterator[HttpInbox]:
    """Serve on a free port until the block's end."""
    inbox = HttpInbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                content = json.loads(body)
            except ValueError:
                content = body.decode()
            inbox.requests.append((self.path, content))
            inbox.headers.append(dict(self.headers))
            self.send_response(inbox.status)
            self.end_headers()
            self.wfile.write(inbox.answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's names
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailInbox:
    """What an SMTP server was sent."""

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    """Recipients and mail."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail, as aiosmtpd asks."""
        mail = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 taken"


@contextmanager
def mail_inbox() -> Iterator[MailInbox]:
    """Serve on a free port until the block's end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        inbox = MailInbox(free.getsockname()[1])
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()
