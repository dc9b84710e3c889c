"""Write keys, API tokens, sessions and kept answers in the registry's database: what is found by a hash.

Belongs here: their queries. Does not: making and hashing secrets (`secrets`), those of other entities (`transactions`).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from clickstream_platform.registry import rows, tables
from clickstream_platform.registry.entities import ApiToken, StoredAnswer, WriteKey


class SecretRows:
    """Queries about keys, tokens, sessions and answers, within one transaction."""

    connection: sa.Connection

    def write_keys(self, customer: str | None = None, *, include_revoked: bool = True) -> list[WriteKey]:
        """Return the write keys of a customer, or of all that are not removed, by customer and id."""
        table, owner = tables.write_keys, tables.customers
        query = sa.select(table).join(owner, owner.c.slug == table.c.customer)
        query = query.where(owner.c.removed_at.is_(None) if customer is None else table.c.customer == customer)
        if not include_revoked:
            query = query.where(table.c.revoked_at.is_(None))
        found = self.connection.execute(query.order_by(table.c.customer, table.c.id))
        return [rows.write_key_of(row) for row in found]

    def write_key(self, customer: str, key_id: str) -> WriteKey | None:
        """Return one write key of a customer."""
        table = tables.write_keys
        query = sa.select(table).where(table.c.customer == customer, table.c.id == key_id)
        row = self.connection.execute(query).first()
        return None if row is None else rows.write_key_of(row)

    def tokens(self) -> list[ApiToken]:
        """Return all API tokens in the order they were made."""
        table = tables.tokens
        found = self.connection.execute(sa.select(table).order_by(table.c.created_at, table.c.id))
        return [rows.token_of(row) for row in found]

    def token(self, token_id: str) -> ApiToken | None:
        """Return one API token."""
        return self._token(tables.tokens.c.id == token_id)

    def token_with_hash(self, digest: str) -> ApiToken | None:
        """Return the API token whose text has this hash."""
        return self._token(tables.tokens.c.hash == digest)

    def token_of_session(self, digest: str, now: datetime) -> ApiToken | None:
        """Return the API token a session was opened with."""
        session = tables.sessions
        query = sa.select(session.c.token).where(session.c.hash == digest, session.c.expires_at > now)
        token_id = self.connection.execute(query).scalar()
        return None if token_id is None else self.token(token_id)

    def note_use(self, token_id: str, now: datetime) -> None:
        """Store when a token was last used; no change of content."""
        statement = sa.update(tables.tokens).where(tables.tokens.c.id == token_id).values(last_used_at=now)
        self.connection.execute(statement)

    def insert_session(self, digest: str, token_id: str, now: datetime, expires_at: datetime) -> None:
        """Store a session and forget those that are over."""
        self.connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.expires_at <= now))
        self.connection.execute(sa.insert(tables.sessions).values(hash=digest, token=token_id, expires_at=expires_at))

    def delete_session(self, digest: str) -> None:
        """End a session."""
        self.connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.hash == digest))

    def answer(self, digest: str, now: datetime) -> StoredAnswer | None:
        """Return the answer kept for an idempotency key."""
        table = tables.answers
        query = sa.select(table.c.request_digest, table.c.status, table.c.body)
        row = self.connection.execute(query.where(table.c.hash == digest, table.c.kept_until > now)).first()
        return None if row is None else StoredAnswer(*row)

    def insert_answer(self, digest: str, answer: StoredAnswer, now: datetime, kept_until: datetime) -> None:
        """Keep an answer and forget those that are over."""
        table = tables.answers
        self.connection.execute(sa.delete(table).where(table.c.kept_until <= now))
        self.connection.execute(sa.delete(table).where(table.c.hash == digest))
        values = {
            "hash": digest,
            "request_digest": answer.request_digest,
            "status": answer.status,
            "body": answer.body,
            "kept_until": kept_until,
        }
        self.connection.execute(sa.insert(table).values(values))

    def _token(self, condition: sa.ColumnElement[bool]) -> ApiToken | None:
        row = self.connection.execute(sa.select(tables.tokens).where(condition)).first()
        return None if row is None else rows.token_of(row)
