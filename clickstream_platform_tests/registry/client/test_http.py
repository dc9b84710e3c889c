"""Requests to an API that misbehaves: every answer is an error of ours, in bounded time, and the token stays here."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_platform.errors import ClickstreamError, ConfigurationError, RegistryError
from clickstream_platform.registry.client import kept, transport
from clickstream_platform.registry.client.answers import error_of
from clickstream_platform.registry.client.api import HttpRegistry
from clickstream_platform.registry.client.transport import Answer, Transport, check_url
from clickstream_platform.registry.refusals import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RegistryUnavailableError,
)
from clickstream_platform_tests.registry.client.scripted_api import TOKEN, Handler, ScriptedApi
from clickstream_platform_tests.registry.examples import examples

HOUR = "2026-11-22T09"
SEEN = {"sale": ("Sale", 1)}


@pytest.fixture
def registry(api: ScriptedApi) -> Iterator[HttpRegistry]:
    opened = HttpRegistry(Transport(api.url, lambda: TOKEN, timeout_seconds=0.5))
    yield opened
    opened.close()


def test_a_snapshot_comes_compressed_with_its_tag_and_only_when_it_changed(registry: HttpRegistry) -> None:
    fetched = registry.fetch_snapshot()
    assert fetched is not None
    assert fetched.tag == f'"{kept.parse_body(fetched.body).etag}"'
    assert registry.fetch_snapshot(fetched.tag) is None
    again = registry.fetch_snapshot('"other"')
    assert again is not None
    assert again.tag == fetched.tag


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFoundError),
        (409, ConflictError),
        (422, InvalidRequestError),
        (401, ConfigurationError),
        (403, ConfigurationError),
        (429, RegistryUnavailableError),
        (500, RegistryUnavailableError),
        (503, RegistryUnavailableError),
    ],
)
def test_a_refusal_is_the_error_of_the_service(
    status: int, kind: type[ClickstreamError], registry: HttpRegistry, api: ScriptedApi
) -> None:
    api.faults = [lambda handler: handler.problem(status, "because\nof this")]
    with pytest.raises(kind, match=r"for acme 2026-11-22T09: ") as caught:
        registry.announce("acme", HOUR, SEEN, {})
    assert caught.value.remedy
    assert "because of this" in str(caught.value) or status == 401


def no_route(handler: Handler) -> None:
    body = json.dumps({"code": "CP-1006", "detail": "no such address"}).encode()
    handler.send(404, body, Content_Type="application/problem+json")


STRANGERS: dict[str, Callable[[Handler], None]] = {
    "a page": lambda handler: handler.send(200, b"<html>", Content_Type="text/html"),
    "nothing": lambda handler: handler.send(204),
    "damaged gzip": lambda handler: handler.send(200, b"no gzip", Content_Encoding="gzip"),
    "a list": lambda handler: handler.send(200, b"[]"),
    "another object": lambda handler: handler.send(200, b'{"events": {"sale": {}}}'),
    "not found": lambda handler: handler.send(404, b"<html>", Content_Type="text/html"),
    "no such route": no_route,
    "a redirect": lambda handler: handler.send(302, Location=f"{handler.api.url}/elsewhere"),
    "a permanent redirect": lambda handler: handler.send(308, Location=f"{handler.api.url}/elsewhere"),
    "not modified": lambda handler: handler.send(304),
    "a teapot": lambda handler: handler.send(418),
}


@pytest.mark.parametrize("answer", STRANGERS)
def test_what_is_no_registry_is_a_matter_of_the_settings(answer: str, registry: HttpRegistry, api: ScriptedApi) -> None:
    api.faults = [STRANGERS[answer]] * 2
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_API_URL"):
        registry.announce("acme", HOUR, SEEN, {})
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_API_URL"):
        registry.fetch_snapshot()
    assert len(api.requests) == 2, "no redirect is followed: the token is for this address only"


def drip(handler: Handler) -> None:
    """Send a byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        try:
            handler.wfile.write(b"x")
        except OSError:
            return
        time.sleep(0.1)


def cut_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"only this")
    handler.close_connection = True


@pytest.mark.parametrize("fault", [drip, cut_off, Handler.drop, lambda _: time.sleep(1)])
def test_no_whole_answer_in_time_is_unavailable(
    fault: Callable[[Handler], None], registry: HttpRegistry, api: ScriptedApi
) -> None:
    api.faults = [fault]
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError, match=api.url):
        registry.fetch_snapshot()
    assert time.monotonic() - started < 1.5
    assert registry.fetch_snapshot() is not None


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        registry = HttpRegistry(
            Transport(f"http://127.0.0.1:{free.getsockname()[1]}", lambda: TOKEN, timeout_seconds=1)
        )
        with pytest.raises(RegistryUnavailableError, match="refused"):
            registry.fetch_snapshot()


def test_an_answer_without_end_is_cut(
    registry: HttpRegistry, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_SENT_BYTES", 100_000)
    api.faults = [lambda handler: handler.send(200, b"x" * 200_000, ETag='"e"')]
    with pytest.raises(RegistryUnavailableError, match="longer than 100,000 bytes"):
        registry.fetch_snapshot()


def test_a_small_answer_that_becomes_large_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_SNAPSHOT_BYTES", 1_000)
    with pytest.raises(RegistryError, match="longer than 1,000 bytes"):
        kept.parse_body(gzip.compress(b" " * 1_001))


@pytest.mark.parametrize("token", ["", "two words", "line\nX-Injected: yes", "schlüssel"])
def test_a_token_that_is_none_is_never_sent_and_never_shown(token: str, api: ScriptedApi) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_TOKEN_REFERENCE") as caught:
        HttpRegistry(Transport(api.url, lambda: token, timeout_seconds=1)).fetch_snapshot()
    assert not token or token not in str(caught.value)
    assert api.requests == []


@pytest.mark.parametrize(
    "url", ["registry:8400", "ftp://registry", "http://", "http://me:pass@registry", "http://a?b=c"]
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_API_URL") as caught:
        check_url(url)
    assert "pass" not in str(caught.value).replace("password", "")


def test_an_address_may_have_a_path(api: ScriptedApi) -> None:
    assert check_url("https://tools/registry/") == "https://tools/registry"


@settings(max_examples=examples(100))
@given(
    st.integers(100, 599),
    st.sampled_from(["application/problem+json", "text/html", ""]),
    st.sampled_from(["", "gzip"]),
    st.binary() | st.dictionaries(st.text(), st.text()).map(lambda document: json.dumps(document).encode()),
)
def test_every_answer_without_success_is_an_error_with_a_remedy(
    status: int, kind: str, encoding: str, body: bytes
) -> None:
    headers = {"content-type": kind, "content-encoding": encoding}
    error = error_of(Answer(status, headers, body), "asking", "acme", "http://registry")
    assert error.remedy
    assert error.cause


def test_names_that_people_type_arrive_as_they_are(registry: HttpRegistry, api: ScriptedApi) -> None:
    api.service.add_customer("注文")
    seen = {"お気に入り": ('お気に入り "x" \\ \0 \ud800', 1)}
    event = registry.announce("注文", HOUR, seen, {})["お気に入り"]
    assert (event.customer, event.slug, event.display_name) == ("注文", "お気に入り", 'お気に入り "x" \\  �')
    assert api.service.list_events("注文") == [event]


def test_a_sample_that_is_refused_is_left_out(registry: HttpRegistry, api: ScriptedApi) -> None:
    api.faults = [lambda handler: handler.problem(422, "nested too deep")]
    events = registry.announce("acme", HOUR, {"sale": ("Sale", 1), "view": ("View", 1)}, {"sale": {"a": 1}})
    assert set(events) == {"sale", "view"}
    assert [body["events"]["sale"].get("sample") for body in api.bodies] == [{"a": 1}, None]


def test_a_connection_that_was_idle_is_not_used_again(
    registry: HttpRegistry, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers: list[object] = []

    def answer(handler: Handler) -> None:
        callers.append(handler.client_address)
        handler.answer_snapshot()

    api.faults = [answer] * 3
    registry.fetch_snapshot()
    registry.fetch_snapshot()
    monkeypatch.setattr(transport, "IDLE_SECONDS", -1.0)
    registry.fetch_snapshot()
    assert callers[0] == callers[1] != callers[2]
