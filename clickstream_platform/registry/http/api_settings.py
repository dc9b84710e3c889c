"""What the HTTP API can be told when it is created.

Belongs here: values and their limits. Does not: where they come from (`settings`, read by the command that serves).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """Which OpenID Connect tokens are taken."""

    issuer: str
    """As in the tokens; its `/.well-known/openid-configuration` names the keys."""
    audience: str
    scope_claim: str = "clickstream_scope"
    customer_claim: str = "clickstream_customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the API behaves."""

    rate_limit: str = "1200/minute"
    """Requests of one token, and of one address without a valid token; the notation of the library `limits`."""
    max_body_bytes: int = 1_000_000
    max_long_body_bytes: int = 32_000_000
    """Of an import and of an announcement of events."""
    registry_collector_url: str = "http://127.0.0.1:8080"
    """For the pages: what the tracking snippet names."""
    registry_secure_cookies: bool = False
    """For the pages: whether the cookie travels over HTTPS only."""
    oidc: OidcSettings | None = None
    """None takes API tokens only."""
