"""An API that is served, and a client with a token of each scope.

Belongs here: what the tests of this folder share. Does not: tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import httpx
from fastapi import FastAPI

from clickstream_platform.registry.access import CUSTOMER_SCOPES, Scope
from clickstream_platform.registry.service import RegistryService

SCOPES: tuple[Scope, ...] = get_args(Scope)
OWN, OTHER, UNKNOWN = "acme", "rival", "nobody"


@dataclass
class Api:
    """A served API, and the tokens to ask it with."""

    app: FastAPI
    registry: RegistryService
    client: httpx.Client
    tokens: dict[Scope, str]
    """Those of customer scopes are for the customer OWN."""
    ids: dict[str, str] = field(default_factory=dict)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        scope: Scope = "admin",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send one request with the token of a scope, the body as JSON."""
        sent = {"Authorization": f"Bearer {self.tokens[scope]}", **(headers or {})}
        if body is not None:
            options["json"] = body
        return self.client.request(method, path, headers=sent, **options)

    def problem(self, response: httpx.Response) -> tuple[int, str]:
        """Return status and code of a refusal, which has to be a problem document."""
        assert response.headers["content-type"] == "application/problem+json", response.text
        document = response.json()
        assert document["status"] == response.status_code
        assert document["type"] == f"urn:clickstream-platform:problem:{document['code']}"
        assert document["title"]
        assert document["detail"]
        assert response.headers["x-request-id"]
        return response.status_code, document["code"]


def add_tokens(registry: RegistryService) -> dict[Scope, str]:
    """Add the customers OWN and OTHER and a token of each scope."""
    for slug in (OWN, OTHER):
        registry.add_customer(slug, display_name=slug.title())
    return {
        scope: registry.add_token(scope, scope, customer=OWN if scope in CUSTOMER_SCOPES else None)[1]
        for scope in SCOPES
    }
