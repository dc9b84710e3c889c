"""Operations on API tokens and on the page's sessions, and the answers kept for idempotency keys.

Belongs here: who a text belongs to. Does not: what they may do (`access`), headers and cookies (`http`, `pages`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.access import CUSTOMER_SCOPES, Scope
from clickstream_platform.registry.entities import ApiToken, StoredAnswer
from clickstream_platform.registry.operations import Operations, check_revision, find_live_customer
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.secret_texts import TOKEN_PREFIX, hash_of, new_id, new_secret

SESSION_HOURS = 12
ANSWERS_KEPT_HOURS = 24
_NOTED_AFTER = timedelta(minutes=1)


class TokenOperations(Operations):
    """What can be asked about tokens and done to them."""

    def add_token(
        self, name: str, scope: Scope, *, customer: str | None = None, expires_at: datetime | None = None
    ) -> tuple[ApiToken, str]:
        """Add an API token; return it with its text, which is not stored and so is seen only now."""
        rules.check_display_name(name)
        rules.check_expiry(expires_at, self._clock.now())
        rules.check_scope(scope, customer)
        with self._store.writing() as transaction:
            if customer is not None:
                find_live_customer(transaction, customer)
            text = TOKEN_PREFIX + new_secret()
            token = ApiToken(new_id("tk"), name, scope, customer, hash_of(text), self._clock.now(), expires_at)
            return self._write(transaction, "add", None, token), text

    def list_tokens(self) -> list[ApiToken]:
        """Return all tokens, revoked ones too."""
        with self._store.reading() as transaction:
            return transaction.tokens()

    def get_token(self, token_id: str) -> ApiToken:
        """Return one token; raise NotFoundError."""
        with self._store.reading() as transaction:
            token = transaction.token(token_id)
        if token is None:
            raise refusals.unknown_key("API token", token_id)
        return token

    def revoke_token(self, token_id: str, *, expected_revision: int | None = None) -> ApiToken:
        """Take a token back at once, and with it the sessions it opened."""
        with self._store.writing() as transaction:
            before = transaction.token(token_id)
            if before is None:
                raise refusals.unknown_key("API token", token_id)
            check_revision(before, expected_revision)
            if before.revoked_at is not None:
                return before
            return self._write(transaction, "revoke", before, replace(before, revoked_at=self._clock.now()))

    def authenticate(self, text: str) -> ApiToken:
        """Return the valid token with this text; raise UnauthenticatedError."""
        with self._store.reading() as transaction:
            token = transaction.token_with_hash(hash_of(text))
        return self._use(token)

    def open_session(self, text: str) -> str:
        """Open a session of the page with a token's text; return its secret, good for 12 hours or as long as the token.

        Raises UnauthenticatedError.
        """
        token, now, secret = self.authenticate(text), self._clock.now(), new_secret()
        with self._store.writing() as transaction:
            transaction.insert_session(hash_of(secret), token.id, now, now + timedelta(hours=SESSION_HOURS))
        return secret

    def session_token(self, secret: str) -> ApiToken:
        """Return the valid token that a session was opened with; raise UnauthenticatedError."""
        with self._store.reading() as transaction:
            token = transaction.token_of_session(hash_of(secret), self._clock.now())
        return self._use(token)

    def close_session(self, secret: str) -> None:
        """End a session; ending none is fine."""
        with self._store.writing() as transaction:
            transaction.delete_session(hash_of(secret))

    def find_answer(self, principal: str, key: str) -> StoredAnswer | None:
        """Return what this caller was answered to a request with this idempotency key within a day."""
        with self._store.reading() as transaction:
            return transaction.answer(hash_of(principal, key), self._clock.now())

    def keep_answer(self, principal: str, key: str, request_digest: str, status: int, body: str) -> None:
        """Keep an answer for a day; it must hold no secret."""
        now, answer = self._clock.now(), StoredAnswer(request_digest, status, body)
        with self._store.writing() as transaction:
            kept_until = now + timedelta(hours=ANSWERS_KEPT_HOURS)
            transaction.insert_answer(hash_of(principal, key), answer, now, kept_until)

    def _use(self, token: ApiToken | None) -> ApiToken:
        now = self._clock.now()
        if token is None or not token.is_valid(now):
            raise refusals.unauthenticated()
        if _is_to_note(token.last_used_at, now):
            # Whoever only reads must not wait for whoever writes; the next request notes it then.
            with suppress(RegistryUnavailableError), self._store.noting() as transaction:
                transaction.note_use(token.id, now)
        return token


def is_for_customer(scope: Scope) -> bool:
    """Whether a token of this scope names a customer."""
    return scope in CUSTOMER_SCOPES


def _is_to_note(last_used_at: datetime | None, now: datetime) -> bool:
    return last_used_at is None or now - last_used_at >= _NOTED_AFTER
