"""How many requests one token or address may make."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry.http.app import ApiSettings, create_app
from clickstream_platform.registry.http.rate_limits import RateLimits, address_of
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.serving import Api, add_tokens
from clickstream_platform_tests.registry.served_apps import serving


@pytest.fixture
def limited(registry: RegistryService, clock: FixedClock) -> Iterator[Api]:
    """Give an API that takes five requests an hour of each."""
    app = create_app(registry, ApiSettings(rate_limit="5/hour"), clock=clock)
    with serving(app) as address, httpx.Client(base_url=address, verify=False) as client:
        yield Api(app, registry, client, add_tokens(registry))


def ask(api: Api, token: str | None) -> httpx.Response:
    return api.client.get("/v1/customers", headers={} if token is None else {"Authorization": f"Bearer {token}"})


def assert_too_many(api: Api, answer: httpx.Response) -> None:
    assert api.problem(answer) == (429, "CP-1018")
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


def test_each_token_has_its_own(limited: Api) -> None:
    admin, operator = limited.tokens["admin"], limited.tokens["operator"]
    assert [ask(limited, admin).status_code for _ in range(5)] == [200] * 5
    assert_too_many(limited, ask(limited, admin))
    assert ask(limited, operator).status_code == 200


def test_wrong_tokens_are_counted_by_address(limited: Api) -> None:
    good, fresh = limited.tokens["admin"], limited.tokens["operator"]
    assert ask(limited, good).status_code == 200
    assert [ask(limited, f"cst_{'a' * 31}{number}").status_code for number in range(5)] == [401] * 5
    assert_too_many(limited, ask(limited, f"cst_{'b' * 32}"))
    assert_too_many(limited, ask(limited, None))
    # Who was known before goes on; a token that was never seen here waits like those who try.
    assert ask(limited, good).status_code == 200
    assert_too_many(limited, ask(limited, fresh))


def test_while_too_many_no_token_is_looked_up(limited: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        ask(limited, None)
    looked_up: list[str] = []
    monkeypatch.setattr(RegistryService, "authenticate", lambda _, text: looked_up.append(text))
    assert_too_many(limited, ask(limited, f"cst_{'a' * 32}"))
    assert looked_up == []


def test_a_revoked_token_is_counted_like_a_wrong_one(limited: Api) -> None:
    token = limited.tokens["operator"]
    assert ask(limited, token).status_code == 200
    found = next(each for each in limited.registry.list_tokens() if each.scope == "operator")
    limited.registry.revoke_token(found.id)
    assert [ask(limited, token).status_code for _ in range(6)] == [401] * 5 + [429]


def test_open_addresses_are_counted_too(limited: Api) -> None:
    assert [limited.client.get("/readyz").status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        (("203.0.113.9", 1), "203.0.113.9"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1), "2001:db8:1:2::/64"),
        (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("testclient", 1), "testclient"),
        (None, "unknown"),
    ],
)
def test_what_an_address_is_counted_by(client: object, counted: str) -> None:
    assert address_of(client) == counted


@pytest.mark.parametrize("limit", ["", "many", "5/fortnight"])
def test_what_is_no_limit(limit: str, clock: FixedClock) -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_REGISTRY_RATE_LIMIT"):
        RateLimits(limit, clock)
