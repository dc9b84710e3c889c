"""Everything that is refused before or beside the service: problems, limits of bodies, methods, media types."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from clickstream_platform import errors
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import refusals
from clickstream_platform.registry.http.app import ApiSettings, create_app
from clickstream_platform.registry.http.problems import Problem, problem_of_error
from clickstream_platform.registry.http.service_log import redacted
from clickstream_platform.registry.opening import open_registry
from clickstream_platform.registry.secret_texts import TOKEN_PREFIX, hash_of, new_secret
from clickstream_platform.registry.service import RegistryService
from clickstream_platform.registry.store import Store
from clickstream_platform_tests.registry.http.serving import OWN, Api, add_tokens
from clickstream_platform_tests.registry.served_apps import serving

JSON = {"Content-Type": "application/json"}
EVENTS = f"/v1/customers/{OWN}/events"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", (422, "CP-1015")),
        (b'{"name": "\xff"}', (400, "CP-1001")),
        (b"[" * 100_000, (400, "CP-1001")),
        (b'{"name": ' + b"9" * 5_000 + b"}", (400, "CP-1001")),
        (b"null", (422, "CP-1015")),
        (b"[]", (422, "CP-1015")),
        (b'{"name": "a", "unknown": 1}', (422, "CP-1015")),
        (b'{"name": ""}', (422, "CP-1015")),
        (b'{"name": "   "}', (422, "CP-1016")),
        (b'{"name": "a\\u0000b"}', (422, "CP-1016")),
        (b'{"name": "\\ud800"}', (422, "CP-1015")),
        (b'{"name": "a", "slug": "Not A Slug"}', (422, "CP-1016")),
        (b'{"name": "a", "freshness_deadline_minutes": "5"}', (422, "CP-1015")),
        (b'{"name": "a", "freshness_deadline_minutes": 1e400}', (422, "CP-1015")),
        (b'{"name": "a", "freshness_deadline_minutes": NaN}', (422, "CP-1015")),
    ],
)
def test_bodies_that_are_none(api: Api, body: bytes, problem: tuple[int, str]) -> None:
    answer = api.send("POST", EVENTS, headers=JSON, content=body)
    assert api.problem(answer) == problem
    if problem[1] == "CP-1015":
        assert answer.json()["faults"]
    assert api.registry.list_events(OWN) == []


@pytest.mark.parametrize(
    "schema",
    [
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 36893488147419103232}',
        '{"a": "\\ud800"}',
        '{"\\u0000": 1}',
        '{"a": ' * 60 + "1" + "}" * 60,
        "[]",
        "null",
    ],
)
def test_schemas_that_json_readers_disagree_on(api: Api, schema: str) -> None:
    api.registry.add_event(OWN, "sale")
    body = f'{{"mode": "evolve", "schema": {schema}}}'.encode()
    answer = api.send("POST", f"{EVENTS}/sale/contracts", headers=JSON, content=body)
    assert api.problem(answer) == (422, "CP-1015")
    assert api.registry.list_contracts(OWN, "sale") == []


def test_bodies_that_are_too_long(registry: RegistryService, clock: FixedClock) -> None:
    app = create_app(registry, ApiSettings(max_body_bytes=1_000, max_long_body_bytes=5_000), clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
        api = Api(app, registry, client, add_tokens(registry))
        body = json.dumps({"name": "a" * 990}).encode()
        assert len(body) > 1_000
        for content in (body, iter([body[:500], body[500:]])):  # announced, and in pieces
            assert api.problem(api.send("POST", EVENTS, headers=JSON, content=content)) == (413, "CP-1013")
        assert api.send("POST", EVENTS, headers=JSON, content=body[:11] + body[100:]).status_code == 201
        long = b"version: 1\n" + b"#" * 4_000
        yaml = {"Content-Type": "application/yaml"}
        assert api.send("POST", "/v1/import", headers=yaml, content=long).status_code == 200
        assert api.problem(api.send("POST", "/v1/import", headers=yaml, content=long * 2)) == (413, "CP-1013")
        sightings = f"/v1/customers/{OWN}/sightings"
        announced = json.dumps({"hour": "2026-11-22T08", "events": {}}).encode() + b" " * 4_000
        assert api.send("POST", sightings, headers=JSON, content=announced).status_code == 200
        event = f"{EVENTS}/sightings"  # an event may have this name
        assert api.problem(api.send("PATCH", event, headers=JSON, content=announced)) == (413, "CP-1013")


@pytest.mark.parametrize("headers", [JSON, {**JSON, "Idempotency-Key": "a"}, {"Content-Type": "text/plain"}])
def test_no_body_is_read_of_who_may_not_send_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    read: list[str] = []
    body_of = Request.body

    async def note(request: Request) -> bytes:
        read.append(request.url.path)
        return await body_of(request)

    monkeypatch.setattr(Request, "body", note)
    own, other = f"/v1/customers/{OWN}/sightings", "/v1/customers/rival/sightings"
    body = json.dumps({"hour": "2026-11-22T08", "events": {}}).encode()
    for path, problem in ((own, (403, "CP-1004")), ("/v1/import", (403, "CP-1004")), (other, (404, "CP-1005"))):
        answer = api.send("POST", path, scope="customer_read", headers=headers, content=body + b" " * 2_000_000)
        assert api.problem(answer) == problem
    assert read == []
    assert api.send("POST", own, scope="loader", headers=JSON, content=body).status_code == 200
    assert set(read) == {own}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bodies_of_another_media_type(api: Api, kind: str) -> None:
    answer = api.send("POST", EVENTS, headers={"Content-Type": kind}, content=b'{"name": "a"}')
    assert api.problem(answer) == (415, "CP-1014")
    answer = api.send("POST", "/v1/import", headers={"Content-Type": kind or "a/b"}, content=b"version: 1")
    assert api.problem(answer) == (415, "CP-1014")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/yaml", 406),
        ("application/json", 200),
        ("application/problem+json", 200),
        ("text/html, */*;q=0.1", 200),
        ("application/*", 200),
        ("", 200),
    ],
)
def test_answers_of_another_media_type(api: Api, accept: str, status: int) -> None:
    assert api.send("GET", "/v1/customers", headers={"Accept": accept}).status_code == status


def test_addresses_and_methods_that_there_are_not(api: Api) -> None:
    for path in ("/", "/v1", "/v2/customers", "/v1/customers/a/b/c", "/docs", "/redoc", "/v1/customers/"):
        answer = api.send("GET", path)
        assert answer.status_code in {404, 307}, path
        if answer.status_code == 404:
            assert api.problem(answer) == (404, "CP-1006"), path
    for method in ("DELETE", "PUT", "OPTIONS", "TRACE", "PURGE"):
        answer = api.send(method, "/v1/customers")
        assert api.problem(answer) == (405, "CP-1007")
        assert answer.headers["allow"] == "GET, HEAD, POST"
    assert api.send("POST", f"/v1/customers/{OWN}").headers["allow"] == "DELETE, GET, HEAD, PATCH"


def test_head_is_get_without_the_body(api: Api) -> None:
    for path in ("/v1/customers", f"/v1/customers/{OWN}", "/v1/snapshot", "/healthz"):
        get, head = api.send("GET", path), api.send("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "etag", "vary"):
            assert head.headers.get(name) == get.headers.get(name)
    assert api.send("HEAD", "/v1/customers/nobody").status_code == 404


def test_every_answer_has_the_headers_that_protect(api: Api) -> None:
    for path in ("/v1/customers", "/v1/customers/nobody", "/nowhere", "/healthz"):
        headers = api.send("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_request_has_an_id(api: Api) -> None:
    assert api.send("GET", "/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for given in ("", "two words", "x" * 65, "<script>"):
        made = api.send("GET", "/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", made)


def test_the_database_is_gone(tmp_path: Path, clock: FixedClock, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(f"sqlite:///{tmp_path / 'gone' / 'registry.db'}")
    with RegistryService(store, clock) as registry:  # nobody migrated it: there are no tables
        app = create_app(registry, ApiSettings(), clock=clock)
        with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
            for path in ("/v1/customers", "/v1/snapshot", "/readyz"):
                answer = client.get(path, headers={"Authorization": "Bearer cst_secretsecretsecretsecretsecretse"})
                assert answer.status_code == 503
                assert answer.json()["code"] == "CP-1019"
                assert answer.headers["retry-after"] == "5"
                assert "sqlite" not in answer.text
                assert "table" not in answer.text
            assert client.get("/healthz").status_code == 200
    assert "no such table" in caplog.text
    assert "secretsecret" not in caplog.text


def test_another_writer_holds_the_database(tmp_path: Path, clock: FixedClock) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    with open_registry(url, clock) as first:
        tokens = add_tokens(first)
        first.authenticate(tokens["admin"])  # its use is noted, so that asking writes nothing
        with RegistryService(Store(url, busy_timeout_seconds=0.05), clock) as registry:
            app = create_app(registry, ApiSettings(), clock=clock)
            with (
                serving(app) as address,
                httpx.Client(base_url=address, verify=False) as client,
                first._store.writing(),
            ):
                api = Api(app, registry, client, tokens)
                assert api.problem(api.send("POST", EVENTS, {"name": "a"})) == (503, "CP-1019")
                assert api.send("GET", EVENTS).status_code == 200


def test_an_error_of_ours_says_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret, digest = TOKEN_PREFIX + new_secret(), hash_of("a")

    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"broken by {secret} with {digest}")

    monkeypatch.setattr(RegistryService, "list_events", fail)
    answer = api.send("GET", EVENTS, headers={"X-Request-Id": "id-1"})
    assert api.problem(answer) == (500, "CP-1021")
    assert "broken" not in answer.text
    assert "ValueError: broken by *** with ***" in caplog.text
    assert "request=id-1" in caplog.text
    assert secret not in caplog.text
    assert digest not in caplog.text


def test_an_answer_without_its_form_is_an_error_of_ours(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream_platform.registry.http.answers.to_document", lambda _: {"slug": "hidden"})
    answer = api.send("GET", f"/v1/customers/{OWN}")
    assert api.problem(answer) == (500, "CP-1021")
    assert "hidden" not in answer.text


def test_no_secret_is_logged_or_repeated(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts = [api.tokens["admin"]]
    texts += [api.send("POST", f"/v1/customers/{OWN}/write-keys", {"name": "web"}).json()["secret"]]
    texts += [api.send("POST", "/v1/tokens", {"name": "ci", "scope": "loader"}).json()["secret"]]
    wrong = TOKEN_PREFIX + new_secret()
    answers = [
        api.client.get("/v1/customers", headers={"Authorization": f"Bearer {wrong}"}),
        api.send("POST", EVENTS, {"name": "a", "slug": wrong}),
        api.send("GET", "/v1/audit?limit=100"),
        api.send("GET", "/v1/tokens"),
        api.send("GET", "/metrics"),
    ]
    for text in texts:
        for place in (caplog.text, *(answer.text for answer in answers)):
            assert text not in place
            assert hash_of(text) not in place
    assert wrong not in answers[0].text
    assert hash_of(wrong) not in caplog.text


@pytest.mark.parametrize(
    "secret",
    ["a1B2c3D4" * 4, TOKEN_PREFIX + "a1B2c3D4" * 4, hash_of("a"), hash_of("a").upper(), "eyJhbGciOi.eyJpc3Mi.c2ln"],
)
def test_what_looks_like_a_secret_is_taken_out(secret: str) -> None:
    assert redacted(f"before {secret}, after\nand on") == "before ***, after and on"


def test_each_error_is_one_problem() -> None:
    about = {"cause": "of it", "remedy": "Wait."}
    expected = {
        refusals.NotFoundError: Problem.NOT_FOUND,
        refusals.ConflictError: Problem.CONFLICT,
        refusals.StaleRevisionError: Problem.STALE,
        refusals.InvalidRequestError: Problem.INVALID,
        refusals.UnauthenticatedError: Problem.BAD_TOKEN,
        refusals.RegistryUnavailableError: Problem.UNAVAILABLE,
        errors.InvalidNameError: Problem.INVALID,
        errors.RegistryError: Problem.UNAVAILABLE,
        errors.ObjectStoreUnavailableError: Problem.OUTSIDE_AWAY,
        errors.ConfigurationError: Problem.INTERNAL,
    }
    assert {kind: problem_of_error(kind("asking", **about)) for kind in expected} == expected
    assert len({problem.value.code for problem in Problem}) == len(Problem)
