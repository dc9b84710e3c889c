"""The keys that an OpenID Connect issuer signs with.

Belongs here: finding and keeping them, and staying quick while the issuer is slow or away. Does not: checking tokens
(`oidc`).

One thread at a time asks the issuer. Nobody waits for it, or an issuer that hangs would hold every thread of the
service, of callers with API tokens too.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from threading import Lock
from urllib.error import HTTPError
from urllib.parse import urlsplit

import jwt

from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.refusals import unauthenticated

TIMEOUT_SECONDS = 5
MAX_DOCUMENT_BYTES = 1_000_000
KEPT_SECONDS = 300
GRACE_SECONDS = 30
"""How much longer keys are used while another thread asks for new ones."""
COOL_DOWN_SECONDS = 30
"""So long after keys were fetched an unknown key is no reason to ask for more."""
FAILURE_SECONDS = 30
"""So long after the issuer failed it is not asked again."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _Held:
    """Keys and when they were fetched, replaced together: others look at them while they are replaced."""

    keys: Mapping[str, jwt.PyJWK]
    fetched_at: float


class IssuerKeys:
    """The keys of one issuer; shared by the threads of a process."""

    def __init__(self, issuer: str, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """Take an issuer that is safe to ask, and what tells the seconds that passed."""
        self._issuer, self._seconds = issuer, seconds
        self._asking = Lock()
        self._address = ""
        self._held = _Held({}, float("-inf"))
        self._failed_at = float("-inf")

    def key(self, name: str) -> jwt.PyJWK:
        """Return the key of this `kid`.

        Raises UnauthenticatedError when the issuer has none, ProblemError while it does not answer, or another thread
        is asking it.
        """
        held = self._held
        known, age = held.keys.get(name), self._seconds() - held.fetched_at
        if known is not None and age < KEPT_SECONDS:
            return known
        if age < COOL_DOWN_SECONDS:
            raise unauthenticated()
        if not self._asking.acquire(blocking=False):
            if known is not None and age < KEPT_SECONDS + GRACE_SECONDS:
                return known
            raise ProblemError(Problem.OUTSIDE_AWAY)
        try:
            self._ask()
        finally:
            self._asking.release()
        found = self._held.keys.get(name)
        if found is None:
            raise unauthenticated()
        return found

    def _ask(self) -> None:
        if self._seconds() - self._failed_at < FAILURE_SECONDS:
            raise ProblemError(Problem.OUTSIDE_AWAY)
        if self._seconds() - self._held.fetched_at < COOL_DOWN_SECONDS:
            return  # another thread was done between the look and the turn
        try:
            self._address = self._address or self._find_address()
            client = jwt.PyJWKClient(self._address, cache_jwk_set=False, timeout=TIMEOUT_SECONDS)
            keys = {str(each.key_id): each for each in client.get_signing_keys()}
        except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError, jwt.PyJWTError) as error:
            self._failed_at = self._seconds()
            if isinstance(error, HTTPError):
                error.close()  # it holds the answer
            raise ProblemError(Problem.OUTSIDE_AWAY) from error
        self._held = _Held(keys, self._seconds())

    def _find_address(self) -> str:
        """Ask the issuer where its keys are; raise ValueError when it does not say."""
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked by `oidc`
            document = json.loads(answer.read(MAX_DOCUMENT_BYTES))
        found = document["jwks_uri"] if document["issuer"] == self._issuer else ""
        if not isinstance(found, str) or not is_safe(found):
            raise ValueError("no address of keys that is safe to ask")
        return found


def is_safe(address: str) -> bool:
    """Whether an address has TLS, or is this machine's own."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
