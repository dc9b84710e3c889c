"""Who sends a request: an API token of the registry, or a token of an OpenID Connect issuer.

Belongs here: reading the header, and which of the two a token is. Does not: what a caller may do (`access`,
`dependencies`), checking tokens of an issuer (`oidc`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from clickstream_platform.registry.access import Principal
from clickstream_platform.registry.http.oidc import OidcVerifier
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.secret_texts import hash_of
from clickstream_platform.registry.service import RegistryService

MAX_TOKEN_CHARACTERS = 8_192
_REMEMBERED = 10_000
_HEADER = re.compile(rf"bearer +([\x21-\x7e]{{1,{MAX_TOKEN_CHARACTERS}}}) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved who they are."""

    principal: Principal
    key: str
    """What their requests and idempotency keys are counted by; unlike a name, no two have the same."""


class Authenticator:
    """Finds out who a bearer token belongs to; shared by the threads of a process."""

    def __init__(self, registry: RegistryService, oidc: OidcVerifier | None) -> None:
        """Ask the registry and, where there is one, the issuer."""
        self._registry, self._oidc = registry, oidc
        self._good: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def authenticate(self, token: str) -> Caller:
        """Return the caller; raise UnauthenticatedError, or ProblemError for a token that opens nothing here."""
        if self._oidc is not None and token.count(".") == 2:
            caller = Caller(*self._oidc.verify(token))
        else:
            found = self._registry.authenticate(token)
            caller = Caller(Principal(f"token:{found.name}", found.scope, found.customer), f"token:{found.id}")
        self._remember(token)
        return caller

    def was_good(self, token: str) -> bool:
        """Whether the token was valid not long ago: such a caller does not wait for others at the same address."""
        with self._lock:
            return hash_of(token) in self._good

    def forget(self, token: str) -> None:
        """Take back that the token was good."""
        with self._lock:
            self._good.pop(hash_of(token), None)

    def _remember(self, token: str) -> None:
        with self._lock:
            self._good[hash_of(token)] = None
            self._good.move_to_end(hash_of(token))
            if len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token of a request's headers; raise ProblemError when there is none, or none that can be one."""
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise ProblemError(Problem.NO_TOKEN)
    match = _HEADER.fullmatch(values[0].decode("latin-1")) if len(values) == 1 else None
    if match is None:
        raise ProblemError(Problem.BAD_TOKEN, "The header Authorization is not `Bearer` and one token.")
    return match[1]
