"""Tokens of an OpenID Connect issuer: whose they are and which scope they give.

Belongs here: finding the issuer's keys, checking a token, reading our two claims. Does not: API tokens
(`authentication`). Signatures and the claims iss, aud, exp, nbf, iat are checked by PyJWT.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from threading import Lock
from typing import Any, cast, get_args
from urllib.error import HTTPError
from urllib.parse import urlsplit

import jwt

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.naming import is_slug
from clickstream_platform.registry.access import CUSTOMER_SCOPES, Principal, Scope
from clickstream_platform.registry.http.api_settings import OidcSettings
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.refusals import unauthenticated
from clickstream_platform.registry.secret_texts import hash_of

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 30
TIMEOUT_SECONDS = 5
MAX_DOCUMENT_BYTES = 1_000_000
_NAME = re.compile(r"[\x21-\x7e]{1,200}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcVerifier:
    """Checks tokens of one issuer; its keys are fetched when the first token comes, and kept for five minutes."""

    def __init__(self, settings: OidcSettings) -> None:
        """Trust an issuer; raise ConfigurationError for one without TLS (loopback apart) or without an audience."""
        if not _is_safe(settings.issuer) or not settings.audience:
            raise ConfigurationError(
                "setting up OpenID Connect",
                where=settings.issuer,
                cause="the issuer is no https URL, or the audience is missing",
                remedy="Set CLICKSTREAM_OIDC_ISSUER and CLICKSTREAM_OIDC_AUDIENCE.",
            )
        self._settings = settings
        self._keys: jwt.PyJWKClient | None = None
        self._lock = Lock()

    def verify(self, token: str) -> tuple[Principal, str]:
        """Return who a token belongs to, and what they are counted by.

        Raises UnauthenticatedError for a token that is not valid, ProblemError for a valid one without a scope of ours
        and while the issuer does not answer.
        """
        try:
            key = self._jwks().get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ProblemError(Problem.OUTSIDE_AWAY) from error
        except jwt.PyJWTError as error:
            raise unauthenticated() from error
        except ValueError as error:  # the issuer's keys are no JSON
            raise ProblemError(Problem.OUTSIDE_AWAY) from error
        return self._principal(claims), f"oidc:{claims['sub']}"

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        given = claims.get(self._settings.scope_claim)
        # Some issuers send a text of words, others a list.
        words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        scopes = [word for word in words if word in get_args(Scope)]
        if len(scopes) != 1:
            detail = f"The claim {self._settings.scope_claim} has to hold exactly one scope of the registry."
            raise ProblemError(Problem.NOT_ALLOWED, detail)
        scope = cast("Scope", scopes[0])
        customer = claims.get(self._settings.customer_claim) if scope in CUSTOMER_SCOPES else None
        if scope in CUSTOMER_SCOPES and not (isinstance(customer, str) and is_slug(customer)):
            detail = f"The claim {self._settings.customer_claim} has to hold the slug of the customer."
            raise ProblemError(Problem.NOT_ALLOWED, detail)
        return Principal(f"oidc:{_name(claims)}", scope, customer)

    def _jwks(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._keys is None:
                self._keys = jwt.PyJWKClient(self._find_keys(), timeout=TIMEOUT_SECONDS)
            return self._keys

    def _find_keys(self) -> str:
        """Ask the issuer where its keys are."""
        address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
                document = json.loads(answer.read(MAX_DOCUMENT_BYTES))
            found = document["jwks_uri"] if document["issuer"] == self._settings.issuer else ""
        except HTTPError as error:
            error.close()  # it holds the answer
            raise ProblemError(Problem.OUTSIDE_AWAY) from error
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise ProblemError(Problem.OUTSIDE_AWAY) from error
        if not isinstance(found, str) or not _is_safe(found):
            raise ProblemError(Problem.OUTSIDE_AWAY)
        return found


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name for the log of changes; an address that nobody verified could be anybody's."""
    email, subject = claims.get("email"), claims["sub"]
    if claims.get("email_verified") is True and isinstance(email, str) and _NAME.fullmatch(email):
        return email
    return subject if _NAME.fullmatch(subject) else hash_of(subject)[:16]


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
