"""The headers of every answer of the pages: what a browser may load, keep and tell others.

Belongs here: the policy and the middleware that adds it. Does not: the cookie (`login_pages`).
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it a browser hides from the page's own forms where they come from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the headers to what an application answers."""

    def __init__(self, app: ASGIApp, policy: str = CONTENT_SECURITY_POLICY) -> None:
        """Wrap an application; `policy` is its Content-Security-Policy."""
        self.app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the application, and the headers."""
        # Static files have their digest in the address; pages hold what only this reader may see, secrets among it.
        # Their place is told from the path below what this is mounted at: a customer may be called `static`.
        inner = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        is_static = inner.startswith(("/static/", "/statics/"))
        caching = "public, max-age=86400" if is_static else "no-store"
        added = {**_ALWAYS, "Content-Security-Policy": self._policy, "Cache-Control": caching}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers)
