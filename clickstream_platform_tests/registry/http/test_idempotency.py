"""A POST that is repeated with its Idempotency-Key."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import tables
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.serving import OWN, Api

KEYS = f"/v1/customers/{OWN}/write-keys"
FIRST = {"Idempotency-Key": "first"}


def test_it_is_done_once_and_answered_twice(api: Api) -> None:
    answers = [api.send("POST", "/v1/customers", {"name": "New One"}, headers=FIRST) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in answers} == {answers[0].content}
    for name in ("etag", "location", "content-type"):
        assert {answer.headers[name] for answer in answers} == {answers[0].headers[name]}
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    assert len(api.registry.list_audit("new_one")) == 1


def test_a_secret_is_shown_once_and_kept_nowhere(api: Api) -> None:
    first = api.send("POST", KEYS, {"name": "web"}, headers=FIRST)
    again = api.send("POST", KEYS, {"name": "web"}, headers=FIRST)
    secret = first.json()["secret"]
    assert len(secret) == 32
    assert again.status_code == 201
    assert again.json() == first.json() | {"secret": None}
    assert len(api.registry.list_write_keys(OWN)) == 1
    token = api.send("POST", "/v1/tokens", {"name": "ci", "scope": "loader"}, headers={"Idempotency-Key": "token"})
    assert secret not in everything_stored(api.registry)
    assert token.json()["secret"] not in everything_stored(api.registry)


def test_another_request_with_the_key_is_refused(api: Api) -> None:
    assert api.send("POST", KEYS, {"name": "web"}, headers=FIRST).status_code == 201
    for path, body, more in (
        (KEYS, {"name": "app"}, {}),
        ("/v1/customers", {"name": "web"}, {}),
        (f"{KEYS}?a=b", {"name": "web"}, {}),
        (KEYS, {"name": "web"}, {"If-Match": '"1"'}),
    ):
        assert api.problem(api.send("POST", path, body, headers=FIRST | more)) == (422, "CP-1017")
    assert len(api.registry.list_write_keys(OWN)) == 1


def test_keys_are_those_of_one_token(api: Api) -> None:
    for scope in ("admin", "operator", "customer_write"):
        answer = api.send("POST", KEYS, {"name": "web"}, headers=FIRST, scope=scope)
        assert answer.json()["secret"] is not None
    assert len(api.registry.list_write_keys(OWN)) == 3


def test_a_refusal_is_not_kept(api: Api) -> None:
    body = {"name": "order"}
    api.registry.remove_customer(OWN)
    path = f"/v1/customers/{OWN}/events"
    assert api.problem(api.send("POST", path, body, headers=FIRST)) == (409, "CP-1009")
    api.registry.restore_customer(OWN)
    assert api.send("POST", path, body, headers=FIRST).status_code == 201


def test_a_key_is_forgotten_after_a_day(api: Api, clock: FixedClock) -> None:
    first = api.send("POST", KEYS, {"name": "web"}, headers=FIRST).json()
    clock.advance(timedelta(hours=23, minutes=59))
    assert api.send("POST", KEYS, {"name": "web"}, headers=FIRST).json()["id"] == first["id"]
    clock.advance(timedelta(minutes=2))
    assert api.send("POST", KEYS, {"name": "web"}, headers=FIRST).json()["id"] != first["id"]


def test_the_right_is_looked_at_again(api: Api) -> None:
    assert api.send("POST", KEYS, {"name": "web"}, headers=FIRST, scope="customer_write").status_code == 201
    token = next(each for each in api.registry.list_tokens() if each.scope == "customer_write")
    api.registry.revoke_token(token.id)
    answer = api.send("POST", KEYS, {"name": "web"}, headers=FIRST, scope="customer_write")
    assert api.problem(answer) == (401, "CP-1003")


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "naïve"])
def test_what_is_no_key(api: Api, key: str) -> None:
    answer = api.send("POST", KEYS, {"name": "web"}, headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert api.problem(answer) == (400, "CP-1001")


def test_two_at_once_are_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    add = RegistryService.add_write_key

    def add_slowly(*args: object, **options: object) -> object:
        begun.set()
        assert goes_on.wait(10)
        return add(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(RegistryService, "add_write_key", add_slowly)
    answers = []
    slow = threading.Thread(target=lambda: answers.append(api.send("POST", KEYS, {"name": "web"}, headers=FIRST)))
    slow.start()
    assert begun.wait(10)
    second = api.send("POST", KEYS, {"name": "web"}, headers=FIRST)
    goes_on.set()
    slow.join(10)
    assert api.problem(second) == (409, "CP-1010")
    assert second.headers["retry-after"] == "1"
    assert [answer.status_code for answer in answers] == [201]


def everything_stored(registry: RegistryService) -> str:
    """Return all rows of all tables as text."""
    with registry._store.reading() as transaction:
        return repr([list(transaction.connection.execute(sa.select(table))) for table in tables.metadata.sorted_tables])
