"""Tokens of an OpenID Connect issuer: whose they are and which scope they give.

Belongs here: checking a token, reading our two claims. Does not: the issuer's keys (`issuer_keys`), API tokens
(`authentication`). Signatures and the claims iss, aud, exp, nbf, iat are checked by PyJWT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast, get_args

import jwt

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.naming import is_slug
from clickstream_platform.registry.access import CUSTOMER_SCOPES, Principal, Scope
from clickstream_platform.registry.http.api_settings import OidcSettings
from clickstream_platform.registry.http.issuer_keys import IssuerKeys, is_safe
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.refusals import unauthenticated
from clickstream_platform.registry.secret_texts import hash_of

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 30
_NAME = re.compile(r"[\x21-\x7e]{1,200}")


class OidcVerifier:
    """Checks tokens of one issuer; its keys are fetched when the first token comes, and kept for five minutes."""

    def __init__(self, settings: OidcSettings) -> None:
        """Trust an issuer; raise ConfigurationError for one without TLS (loopback apart) or without an audience."""
        if not is_safe(settings.issuer) or not settings.audience:
            raise ConfigurationError(
                "setting up OpenID Connect",
                where=settings.issuer,
                cause="the issuer is no https URL, or the audience is missing",
                remedy="Set CLICKSTREAM_OIDC_ISSUER and CLICKSTREAM_OIDC_AUDIENCE.",
            )
        self._settings, self._keys = settings, IssuerKeys(settings.issuer)

    def verify(self, token: str) -> tuple[Principal, str]:
        """Return who a token belongs to, and what they are counted by.

        Raises UnauthenticatedError for a token that is not valid, ProblemError for a valid one without a scope of ours
        and while the issuer does not answer.
        """
        key = self._keys.key(self._key_name(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, OverflowError) as error:  # the second: a moment that is no number of seconds
            raise unauthenticated() from error
        return self._principal(claims), f"oidc:{claims['sub']}"

    def _key_name(self, token: str) -> str:
        """Return the `kid` of what says that it is a token of the issuer: for nothing else the issuer is asked."""
        try:
            said = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError) as error:
            raise unauthenticated() from error
        header, issuer = said["header"], said["payload"].get("iss")
        name = header.get("kid")
        if header.get("alg") not in ALGORITHMS or issuer != self._settings.issuer or not isinstance(name, str):
            raise unauthenticated()
        return name

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


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name for the log of changes; an address that nobody verified could be anybody's."""
    email, subject = claims.get("email"), claims["sub"]
    if claims.get("email_verified") is True and isinstance(email, str) and _NAME.fullmatch(email):
        return email
    return subject if _NAME.fullmatch(subject) else hash_of(subject)[:16]
