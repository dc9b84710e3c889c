"""Tokens of an OpenID Connect issuer, checked with the keys that a server gives out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.registry.http.app import OidcSettings
from clickstream_platform.registry.http.oidc import OidcVerifier
from clickstream_platform_tests.registry.http.issuing import AUDIENCE, Issuer, ask
from clickstream_platform_tests.registry.http.serving import OTHER, OWN, Api


def test_both_kinds_of_keys_open(trusting: Api, issuer: Issuer) -> None:
    assert ask(trusting, issuer.token()).status_code == 200
    assert ask(trusting, issuer.token(key=issuer.ec, algorithm="ES256", kid="e")).status_code == 200
    assert issuer.asked == 2, "the keys are fetched once"
    assert trusting.send("GET", "/v1/customers").status_code == 200, "API tokens are taken beside them"


def test_changes_are_logged_by_who_made_them(trusting: Api, issuer: Issuer) -> None:
    actors: list[tuple[dict[str, Any], str]] = [
        ({"email": "jane@example.com", "email_verified": True}, "oidc:jane@example.com"),
        ({"email": "boss@example.com"}, "oidc:jane"),
        ({"email": "boss@example.com", "email_verified": "true"}, "oidc:jane"),
    ]
    for number, (claims, actor) in enumerate(actors):
        headers = {"Authorization": f"Bearer {issuer.token(**claims)}"}
        body = {"name": f"New {number}"}
        assert trusting.client.post("/v1/customers", json=body, headers=headers).status_code == 201
        assert trusting.registry.list_audit(limit=1)[0].actor == actor


def test_a_customer_scope_is_for_one_customer(trusting: Api, issuer: Issuer) -> None:
    token = issuer.token(clickstream_scope="customer_read", clickstream_customer=OWN)
    assert [each["slug"] for each in ask(trusting, token).json()["items"]] == [OWN]
    assert ask(trusting, token, f"/v1/customers/{OTHER}").status_code == 404
    assert ask(trusting, token, "/v1/snapshot").status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"clickstream_scope": None},
        {"clickstream_scope": "owner"},
        {"clickstream_scope": "admin operator"},
        {"clickstream_scope": 7},
        {"clickstream_scope": "customer_read"},
        {"clickstream_scope": "customer_read", "clickstream_customer": "Not A Slug"},
        {"clickstream_scope": "customer_read", "clickstream_customer": [OWN]},
    ],
)
def test_a_token_that_gives_no_scope_of_ours(trusting: Api, issuer: Issuer, claims: dict[str, Any]) -> None:
    assert trusting.problem(ask(trusting, issuer.token(**claims))) == (403, "CP-1004")


@pytest.mark.parametrize("scope", [["profile", "admin"], "openid admin"])
def test_a_scope_among_others(trusting: Api, issuer: Issuer, scope: Any) -> None:
    assert ask(trusting, issuer.token(clickstream_scope=scope), "/v1/tokens").status_code == 200


FORGED: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 120),
    "not yet": lambda issuer: issuer.token(nbf=int(time.time()) + 120),
    "without an end": lambda issuer: issuer.token(exp=None),
    "without a subject": lambda issuer: issuer.token(sub=None),
    "for somebody else": lambda issuer: issuer.token(aud="another"),
    "for nobody": lambda issuer: issuer.token(aud=None),
    "of another issuer": lambda issuer: issuer.token(iss="https://elsewhere.example"),
    "with an unknown key": lambda issuer: issuer.token(kid="x"),
    "signed by somebody else": lambda _: Issuer.token(_, key=rsa.generate_private_key(65_537, 2048)),
    "with another algorithm": lambda issuer: issuer.token(algorithm="RS512"),
    "with the public key as a secret": lambda issuer: jwt.encode(
        {"iss": issuer.address, "aud": AUDIENCE, "sub": "jane", "exp": int(time.time()) + 60}, "k" * 32, "HS256"
    ),
    "without a signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "unsigned": lambda issuer: (
        ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": "none", "kid": "r"}, {"iss": issuer.address, "aud": AUDIENCE, "sub": "jane"})
        )
        + "."
    ),
    "without a name of its key": lambda issuer: issuer.token(kid=None),
    "nested too deep": lambda issuer: ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg": "RS256"}', b"[" * 5_000, b"a")
    ),
    "no token at all": lambda _: "a.b.c",
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_token_that_is_not_valid(trusting: Api, issuer: Issuer, forged: str) -> None:
    assert trusting.problem(ask(trusting, FORGED[forged](issuer))) == (401, "CP-1003")


def test_unknown_keys_do_not_make_us_ask_every_time(trusting: Api, issuer: Issuer) -> None:
    assert ask(trusting, issuer.token()).status_code == 200
    asked = issuer.asked
    for number in range(5):
        assert ask(trusting, issuer.token(kid=f"x{number}")).status_code == 401
    assert issuer.asked == asked


@pytest.mark.parametrize("issuer_address", ["http://login.example.com", "ftp://a", "", "file:///etc/passwd"])
def test_an_issuer_without_tls_is_not_trusted(issuer_address: str) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_OIDC_ISSUER"):
        OidcVerifier(OidcSettings(issuer=issuer_address, audience=AUDIENCE))


def test_an_audience_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_OIDC_AUDIENCE"):
        OidcVerifier(OidcSettings(issuer="https://login.example.com", audience=""))
