"""An issuer that does not answer holds up nobody but those who need it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Thread

import httpx
import pytest

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.http import issuer_keys
from clickstream_platform.registry.http.app import ApiSettings, OidcSettings, create_app
from clickstream_platform.registry.http.issuer_keys import (
    FAILURE_SECONDS,
    GRACE_SECONDS,
    KEPT_SECONDS,
    IssuerKeys,
)
from clickstream_platform.registry.http.problems import Problem, ProblemError
from clickstream_platform.registry.refusals import UnauthenticatedError
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.issuing import AUDIENCE, Issuer, ask
from clickstream_platform_tests.registry.http.serving import Api, add_tokens
from clickstream_platform_tests.registry.served_apps import serving


class Watch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    """Give a watch."""
    return Watch()


@pytest.fixture
def keys(issuer: Issuer, watch: Watch) -> IssuerKeys:
    """Give the keys of an issuer, none fetched yet."""
    return IssuerKeys(issuer.address, seconds=watch)


@pytest.fixture
def hanging(issuer: Issuer, keys: IssuerKeys) -> Iterator[Thread]:
    """Give a thread that is going to ask an issuer which says nothing."""
    asker = Thread(target=lambda: keys.key("r"))
    yield asker
    issuer.answers.set()
    asker.join(20)


def wait_until_asked(issuer: Issuer, times: int) -> None:
    until = time.monotonic() + 20
    while issuer.asked < times:
        assert time.monotonic() < until
        time.sleep(0.005)


def assert_away(keys: IssuerKeys, name: str = "r") -> None:
    with pytest.raises(ProblemError) as caught:
        keys.key(name)
    assert caught.value.problem is Problem.OUTSIDE_AWAY


def test_nobody_waits_for_who_asks(issuer: Issuer, keys: IssuerKeys, hanging: Thread) -> None:
    issuer.answers.clear()
    hanging.start()
    wait_until_asked(issuer, 1)
    for _ in range(20):
        assert_away(keys)
    assert hanging.is_alive()
    assert issuer.asked == 1
    issuer.answers.set()
    hanging.join(20)
    assert keys.key("r").key_id == "r"
    assert issuer.asked == 2, "its address and its keys"


def test_old_keys_open_a_little_longer_while_new_ones_are_fetched(
    issuer: Issuer, keys: IssuerKeys, watch: Watch, hanging: Thread
) -> None:
    assert keys.key("r").key_id == "r"
    watch.seconds += KEPT_SECONDS
    issuer.answers.clear()
    hanging.start()
    wait_until_asked(issuer, 3)
    assert keys.key("r").key_id == "r"
    assert_away(keys, "unknown")
    watch.seconds += GRACE_SECONDS
    assert_away(keys)
    assert hanging.is_alive()


def test_a_failure_is_remembered(issuer: Issuer, keys: IssuerKeys, watch: Watch) -> None:
    for fetched in (False, True):  # the address is not known, then the keys are old
        issuer.is_up = False
        assert_away(keys)
        asked = issuer.asked
        issuer.is_up = True
        watch.seconds += FAILURE_SECONDS - 1
        assert_away(keys)
        assert issuer.asked == asked, fetched
        watch.seconds += 1
        assert keys.key("r").key_id == "r"
        watch.seconds += KEPT_SECONDS


def test_an_unknown_key_takes_nothing_from_the_known_ones(issuer: Issuer, keys: IssuerKeys, watch: Watch) -> None:
    assert keys.key("r").key_id == "r"
    with pytest.raises(UnauthenticatedError):
        keys.key("unknown")
    watch.seconds += KEPT_SECONDS - 1
    issuer.is_up = False
    assert_away(keys, "unknown")
    assert keys.key("r").key_id == "r"
    issuer.is_up = True
    watch.seconds += FAILURE_SECONDS
    with pytest.raises(UnauthenticatedError):
        keys.key("unknown")


def test_a_new_key_is_found(issuer: Issuer, keys: IssuerKeys, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.key("r").key_id == "r"
    document = issuer.document

    def with_another_name(path: str) -> object:
        found = document(path)
        for key in found.get("keys", ()):
            key["kid"] += "2"
        return found

    monkeypatch.setattr(issuer, "document", with_another_name)
    watch.seconds += KEPT_SECONDS / 2
    assert keys.key("r2").key_id == "r2"


@pytest.mark.parametrize("document", [[], {}, {"keys": []}, {"keys": 7}, {"issuer": 7, "jwks_uri": 7}])
def test_an_issuer_that_answers_nonsense_is_away(
    issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch, document: object
) -> None:
    genuine = issuer.document
    monkeypatch.setattr(issuer, "document", lambda _: document)
    assert_away(keys)
    asked = issuer.asked
    monkeypatch.setattr(issuer, "document", lambda path: genuine(path) if path != "/keys" else document)
    assert_away(keys)
    assert issuer.asked == asked


def test_the_issuer_is_away(trusting: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.is_up = False
    assert trusting.problem(ask(trusting, issuer.token())) == (503, "CP-1020")
    asked = issuer.asked
    issuer.is_up = True
    assert trusting.problem(ask(trusting, issuer.token())) == (503, "CP-1020")
    assert issuer.asked == asked
    monkeypatch.setattr(issuer_keys, "FAILURE_SECONDS", 0)
    assert ask(trusting, issuer.token()).status_code == 200
    issuer.is_up = False
    assert ask(trusting, issuer.token()).status_code == 200, "its keys are kept"


def test_others_go_on_while_the_issuer_hangs(trusting: Api, issuer: Issuer) -> None:
    issuer.answers.clear()
    answers: list[httpx.Response] = []
    first = Thread(target=lambda: answers.append(ask(trusting, issuer.token())))
    first.start()
    wait_until_asked(issuer, 1)
    for _ in range(60):  # more than the service has threads
        assert trusting.problem(ask(trusting, issuer.token())) == (503, "CP-1020")
    assert trusting.send("GET", "/v1/customers").status_code == 200
    assert first.is_alive()
    issuer.answers.set()
    first.join(20)
    assert [answer.status_code for answer in answers] == [200]


def test_for_what_is_no_token_of_the_issuer_it_is_not_asked(trusting: Api, issuer: Issuer) -> None:
    foreign = issuer.token(iss="https://elsewhere.example")
    for token in ("a.b.c", foreign, issuer.token(kid=None), issuer.token(algorithm="RS512")):
        assert trusting.problem(ask(trusting, token)) == (401, "CP-1003")
    assert issuer.asked == 0


def test_what_an_issuer_does_not_settle_counts_for_the_address(
    registry: RegistryService, clock: FixedClock, issuer: Issuer
) -> None:
    oidc = OidcSettings(issuer=issuer.address, audience=AUDIENCE)
    app = create_app(registry, ApiSettings(oidc=oidc, rate_limit="4/hour"), clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
        api = Api(app, registry, client, add_tokens(registry))
        assert api.send("GET", "/v1/customers").status_code == 200
        useless = [issuer.token(clickstream_scope="owner") for _ in range(2)]
        assert [ask(api, token).status_code for token in useless] == [403, 403]
        unknown = [issuer.token(kid=name) for name in ("x", "y", "z")]
        assert [ask(api, token).status_code for token in unknown] == [401, 401, 429]
        assert api.send("GET", "/v1/customers").status_code == 200, "who was known before goes on"


def test_an_issuer_that_is_away_counts_for_the_address(
    registry: RegistryService, clock: FixedClock, issuer: Issuer
) -> None:
    issuer.is_up = False
    oidc = OidcSettings(issuer=issuer.address, audience=AUDIENCE)
    app = create_app(registry, ApiSettings(oidc=oidc, rate_limit="4/hour"), clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
        api = Api(app, registry, client, {})
        assert [ask(api, issuer.token()).status_code for _ in range(6)] == [503] * 4 + [429] * 2
