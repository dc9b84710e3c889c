"""Operations on write keys: add, list, rotate, revoke.

Belongs here: one method per operation, one transaction each. Does not: checking the key of an arriving record (the
collector does, by the hashes in the snapshot).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.registry import refusals, rules
from clickstream_platform.registry.entities import WriteKey
from clickstream_platform.registry.operations import Operations, check_revision, find_customer, find_live_customer
from clickstream_platform.registry.secret_texts import HINT_CHARACTERS, hash_of, new_id, new_secret
from clickstream_platform.registry.transactions import Transaction

DEFAULT_GRACE_HOURS = 24


class WriteKeyOperations(Operations):
    """What can be asked about write keys and done to them."""

    def add_write_key(self, customer: str, name: str, *, expires_at: datetime | None = None) -> tuple[WriteKey, str]:
        """Add a write key; return it with the key itself, which is not stored and so is seen only now."""
        rules.check_display_name(name)
        rules.check_expiry(expires_at, self._clock.now())
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            self._check_count(transaction, customer)
            return self._new_write_key(transaction, customer, name, expires_at)

    def list_write_keys(self, customer: str) -> list[WriteKey]:
        """Return all write keys of a customer, revoked ones too."""
        with self._store.reading() as transaction:
            find_customer(transaction, customer)
            return transaction.write_keys(customer)

    def get_write_key(self, customer: str, key_id: str) -> WriteKey:
        """Return one write key; raise NotFoundError."""
        with self._store.reading() as transaction:
            return _find_write_key(transaction, customer, key_id)

    def rotate_write_key(
        self,
        customer: str,
        key_id: str,
        *,
        grace_hours: int = DEFAULT_GRACE_HOURS,
        expected_revision: int | None = None,
    ) -> tuple[WriteKey, str]:
        """Add a key in place of another, which is taken for some hours more; return the new one with its text."""
        rules.check_grace(grace_hours)
        with self._store.writing() as transaction:
            find_live_customer(transaction, customer)
            before = _find_write_key(transaction, customer, key_id)
            check_revision(before, expected_revision)
            now = self._clock.now()
            if not before.is_valid(now):
                raise refusals.dead_key("rotating a write key", key_id)
            self._check_count(transaction, customer)
            until = now + timedelta(hours=grace_hours)
            expires_at = until if before.expires_at is None else min(until, before.expires_at)
            self._write(transaction, "rotate", before, replace(before, expires_at=expires_at))
            return self._new_write_key(transaction, customer, before.name, None)

    def revoke_write_key(self, customer: str, key_id: str, *, expected_revision: int | None = None) -> WriteKey:
        """Take a key back at once; collectors refuse it from their next snapshot on."""
        with self._store.writing() as transaction:
            before = _find_write_key(transaction, customer, key_id)
            check_revision(before, expected_revision)
            if before.revoked_at is not None:
                return before
            return self._write(transaction, "revoke", before, replace(before, revoked_at=self._clock.now()))

    def restore_write_key(self, key: WriteKey) -> WriteKey:
        """Add a key that another registry made, by its hash: its text goes on working. For imports."""
        rules.check_display_name(key.name)
        rules.check_hash(key.hash)
        with self._store.writing() as transaction:
            find_live_customer(transaction, key.customer)
            if transaction.write_key(key.customer, key.id) is not None:
                raise refusals.already_there("write key", key.id)
            return self._write(transaction, "restore", None, key)

    def _check_count(self, transaction: Transaction, customer: str) -> None:
        now = self._clock.now()
        valid = [key for key in transaction.write_keys(customer, include_revoked=False) if key.is_valid(now)]
        rules.check_count("write keys", customer, len(valid))

    def _new_write_key(
        self, transaction: Transaction, customer: str, name: str, expires_at: datetime | None
    ) -> tuple[WriteKey, str]:
        text, now = new_secret(), self._clock.now()
        key = WriteKey(new_id("wk"), customer, name, hash_of(text), text[:HINT_CHARACTERS], now, expires_at)
        return self._write(transaction, "add", None, key), text


def _find_write_key(transaction: Transaction, customer: str, key_id: str) -> WriteKey:
    find_customer(transaction, customer)
    key = transaction.write_key(customer, key_id)
    if key is None:
        raise refusals.unknown_key("write key", key_id)
    return key
