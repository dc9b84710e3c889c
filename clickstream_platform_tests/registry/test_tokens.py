"""API tokens, sessions of the page and kept answers: who is recognised, for how long, and what is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.access import CUSTOMER_SCOPES, GRANTS, Permission, Principal, Scope
from clickstream_platform.registry.entities import StoredAnswer
from clickstream_platform.registry.refusals import InvalidRequestError, NotFoundError, UnauthenticatedError
from clickstream_platform.registry.service import RegistryService


def test_a_token_is_recognised_by_its_text_only(any_registry: RegistryService) -> None:
    token, text = any_registry.add_token("ci", "operator")
    assert any_registry.authenticate(text).id == token.id
    for wrong in ("", token.id, token.hash, text[:-1], text + "x", text.lower(), "\ud800"):
        with pytest.raises(UnauthenticatedError):
            any_registry.authenticate(wrong)
    assert text not in repr(any_registry.list_audit())
    assert token.hash not in repr(any_registry.list_audit())


def test_no_text_of_a_token_or_session_is_stored(any_registry: RegistryService) -> None:
    _, text = any_registry.add_token("ci", "admin")
    session = any_registry.open_session(text)
    with any_registry._store.reading() as transaction:
        for table in sa.inspect(transaction.connection).get_table_names():
            stored = repr(transaction.connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert text not in stored
            assert session not in stored


def test_revoked_and_expired_tokens_open_nothing(any_registry: RegistryService, clock: FixedClock) -> None:
    token, text = any_registry.add_token("short", "admin", expires_at=clock.now() + timedelta(hours=1))
    session = any_registry.open_session(text)
    clock.advance(timedelta(hours=1))
    for ask, secret in ((any_registry.authenticate, text), (any_registry.session_token, session)):
        with pytest.raises(UnauthenticatedError):
            ask(secret)

    token, text = any_registry.add_token("long", "admin")
    session = any_registry.open_session(text)
    any_registry.revoke_token(token.id)
    for ask, secret in ((any_registry.authenticate, text), (any_registry.session_token, session)):
        with pytest.raises(UnauthenticatedError):
            ask(secret)


def test_a_session_ends_by_itself_and_by_logging_out(any_registry: RegistryService, clock: FixedClock) -> None:
    token, text = any_registry.add_token("me", "admin")
    one, two = any_registry.open_session(text), any_registry.open_session(text)
    assert any_registry.session_token(one).id == token.id
    any_registry.close_session(one)
    with pytest.raises(UnauthenticatedError):
        any_registry.session_token(one)
    clock.advance(timedelta(hours=12))
    with pytest.raises(UnauthenticatedError):
        any_registry.session_token(two)


def test_the_last_use_is_noted_to_the_minute(any_registry: RegistryService, clock: FixedClock) -> None:
    token, text = any_registry.add_token("ci", "loader")
    any_registry.authenticate(text)
    first = clock.now()
    clock.advance(timedelta(seconds=59))
    any_registry.authenticate(text)
    assert any_registry.get_token(token.id).last_used_at == first
    clock.advance(timedelta(seconds=1))
    any_registry.authenticate(text)
    assert any_registry.get_token(token.id).last_used_at == clock.now()


def test_using_a_token_is_no_change(any_registry: RegistryService) -> None:
    _, text = any_registry.add_token("ci", "loader")
    before = (any_registry.version(), any_registry.etag(), any_registry.list_audit())
    any_registry.authenticate(text)
    assert (any_registry.version(), any_registry.etag(), any_registry.list_audit()) == before


@pytest.mark.parametrize("scope", get_args(Scope))
def test_a_customer_scope_names_a_customer_and_no_other_does(any_registry: RegistryService, scope: Scope) -> None:
    any_registry.add_customer("acme")
    fitting, other = ("acme", None) if scope in CUSTOMER_SCOPES else (None, "acme")
    assert any_registry.add_token("a", scope, customer=fitting)[0].customer == fitting
    with pytest.raises(InvalidRequestError):
        any_registry.add_token("b", scope, customer=other)


def test_a_token_is_for_a_customer_that_exists(any_registry: RegistryService) -> None:
    with pytest.raises(NotFoundError):
        any_registry.add_token("a", "customer_read", customer="nobody")
    with pytest.raises(NotFoundError):
        any_registry.get_token("tk_none")


def test_an_answer_is_kept_for_a_day_and_for_its_caller(any_registry: RegistryService, clock: FixedClock) -> None:
    any_registry.keep_answer("token:a", "key", "digest", 201, "{}")
    assert any_registry.find_answer("token:a", "key") == StoredAnswer("digest", 201, "{}")
    assert any_registry.find_answer("token:b", "key") is None
    assert any_registry.find_answer("token:a", "other") is None
    any_registry.keep_answer("token:a", "key", "digest", 409, "again")
    assert any_registry.find_answer("token:a", "key") == StoredAnswer("digest", 409, "again")
    clock.advance(timedelta(hours=24))
    assert any_registry.find_answer("token:a", "key") is None


def test_only_an_admin_makes_tokens_and_only_collectors_see_hashes_beside_those_who_run_it() -> None:
    assert {scope for scope in GRANTS if Permission.WRITE_TOKENS in GRANTS[scope]} == {"admin"}
    with_hashes = {scope for scope in GRANTS if Permission.SNAPSHOT_KEYS in GRANTS[scope]}
    assert with_hashes == {"admin", "operator", "collector"}
    assert set(GRANTS) == set(get_args(Scope))


def test_to_a_customer_scope_no_other_customer_exists() -> None:
    assert Principal("token:a", "customer_write", "acme").sees("acme")
    assert not Principal("token:a", "customer_write", "acme").sees("other")
    assert Principal("token:a", "operator").sees("other")
