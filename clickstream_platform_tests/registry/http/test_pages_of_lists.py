"""Lists a page at a time."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clickstream_platform.registry.http.dependencies import MAX_AUDIT_LIMIT, MAX_LIMIT
from clickstream_platform_tests.registry.http.serving import OTHER, OWN, Api

NAMES = ("alpha", "beta", "été", "zeta", "ὀδυσσεύς", "順番")


@pytest.fixture
def filled(any_api: Api) -> Api:
    """Give an API with some of everything that is listed."""
    registry = any_api.registry
    for name in NAMES:
        registry.add_customer(name)
        registry.add_event(OWN, name)
        registry.add_write_key(OWN, name)
        registry.add_contract(OWN, "alpha", "evolve", {}, note=name)
    return any_api


def all_pages(api: Api, path: str, limit: int) -> list[Any]:
    """Follow the header Link to the end, holding it against `next`."""
    items: list[Any] = []
    address: str | None = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    while address is not None:
        answer = api.send("GET", address)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert len(document["items"]) <= limit
        items += document["items"]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is None) == (document["next"] is None)
        address = None if link is None else link[1]
    return items


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers",
        f"/v1/customers/{OWN}/events",
        f"/v1/customers/{OWN}/write-keys",
        f"/v1/customers/{OWN}/events/alpha/contracts",
        f"/v1/customers/{OWN}/audit",
        "/v1/destinations",
        "/v1/tokens",
        "/v1/audit",
    ],
)
def test_pages_together_are_the_whole_list(filled: Api, path: str) -> None:
    most = MAX_AUDIT_LIMIT if path.endswith("/audit") else MAX_LIMIT
    whole = filled.send("GET", f"{path}?limit={most}").json()
    assert whole["next"] is None
    for limit in (1, 2, len(whole["items"])):
        assert all_pages(filled, path, limit) == whole["items"]


def test_filters_stay_from_page_to_page(filled: Api) -> None:
    for name in ("beta", "zeta", "été"):
        filled.registry.pause_event(OWN, name)
    states = f"/v1/customers/{OWN}/events?state=paused"
    assert {each["slug"] for each in all_pages(filled, states, 1)} == {"beta", "zeta", "été"}
    assert {each["state"] for each in all_pages(filled, f"{states}&state=active", 2)} == {"paused", "active"}
    filled.registry.remove_customer(OTHER)
    assert OTHER not in {each["slug"] for each in all_pages(filled, "/v1/customers", 2)}
    assert OTHER in {each["slug"] for each in all_pages(filled, "/v1/customers?removed=true", 2)}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=many", "after=%00", "state=lost", f"after={'x' * 201}"]
)
def test_what_is_no_page(api: Api, query: str) -> None:
    assert api.problem(api.send("GET", f"/v1/customers/{OWN}/events?{query}")) == (422, "CP-1015")


@pytest.mark.parametrize("path", ["/v1/audit", f"/v1/customers/{OWN}/audit"])
def test_a_page_of_the_log_of_changes_is_shorter(api: Api, path: str) -> None:
    assert api.send("GET", f"{path}?limit=100").status_code == 200
    assert api.problem(api.send("GET", f"{path}?limit=101")) == (422, "CP-1015")
