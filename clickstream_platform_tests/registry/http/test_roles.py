"""Every route × every scope × the own, another and an unknown customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from clickstream_platform.registry.access import CUSTOMER_SCOPES, GRANTS, Permission, Scope
from clickstream_platform.registry.http.middleware import OPEN_PATHS
from clickstream_platform.registry.http.routing import ApiRoute, api_routes
from clickstream_platform_tests.registry.http.serving import OTHER, OWN, SCOPES, UNKNOWN, Api

P = Permission
SCHEMA = {"schema": {"type": "object"}, "mode": "evolve"}
ANY, OPEN = "any token", "no token"

# Route → what it asks for, and a body that it takes.
ROUTES: Mapping[tuple[str, str], tuple[Permission | str, Any]] = {
    ("GET", "/v1/customers"): (P.READ, None),
    ("POST", "/v1/customers"): (P.WRITE_CUSTOMERS, {"name": "New One"}),
    ("GET", "/v1/customers/{customer}"): (P.READ, None),
    ("PATCH", "/v1/customers/{customer}"): (P.WRITE_CUSTOMERS, {"isolated": True}),
    ("DELETE", "/v1/customers/{customer}"): (P.WRITE_CUSTOMERS, None),
    ("POST", "/v1/customers/{customer}/restore"): (P.WRITE_CUSTOMERS, None),
    ("GET", "/v1/customers/{customer}/audit"): (P.READ, None),
    ("GET", "/v1/customers/{customer}/events"): (P.READ, None),
    ("POST", "/v1/customers/{customer}/events"): (P.WRITE_EVENTS, {"name": "Another Event"}),
    ("GET", "/v1/customers/{customer}/events/{event}"): (P.READ, None),
    ("PATCH", "/v1/customers/{customer}/events/{event}"): (P.WRITE_EVENTS, {"display_name": "Shown"}),
    ("DELETE", "/v1/customers/{customer}/events/{event}"): (P.WRITE_EVENTS, None),
    ("POST", "/v1/customers/{customer}/events/{event}/pause"): (P.WRITE_EVENTS, None),
    ("POST", "/v1/customers/{customer}/events/{event}/resume"): (P.WRITE_EVENTS, None),
    ("POST", "/v1/customers/{customer}/events/{event}/activate"): (P.WRITE_EVENTS, None),
    ("GET", "/v1/customers/{customer}/events/{event}/sample"): (P.READ, None),
    ("GET", "/v1/customers/{customer}/events/{event}/contracts"): (P.READ, None),
    ("POST", "/v1/customers/{customer}/events/{event}/contracts"): (P.WRITE_EVENTS, SCHEMA),
    ("GET", "/v1/customers/{customer}/events/{event}/contracts/{version}"): (P.READ, None),
    ("PUT", "/v1/customers/{customer}/events/{event}/contract"): (P.WRITE_EVENTS, {"version": 1}),
    ("DELETE", "/v1/customers/{customer}/events/{event}/contract"): (P.WRITE_EVENTS, None),
    ("POST", "/v1/customers/{customer}/events/{event}/contract/dry-run"): (P.WRITE_EVENTS, SCHEMA),
    ("POST", "/v1/customers/{customer}/events/{event}/contract/infer"): (P.WRITE_EVENTS, {}),
    ("GET", "/v1/customers/{customer}/write-keys"): (P.READ, None),
    ("POST", "/v1/customers/{customer}/write-keys"): (P.WRITE_KEYS, {"name": "web"}),
    ("GET", "/v1/customers/{customer}/write-keys/{key_id}"): (P.READ, None),
    ("POST", "/v1/customers/{customer}/write-keys/{key_id}/rotate"): (P.WRITE_KEYS, None),
    ("POST", "/v1/customers/{customer}/write-keys/{key_id}/revoke"): (P.WRITE_KEYS, None),
    ("POST", "/v1/customers/{customer}/sightings"): (P.ANNOUNCE, {"hour": "2026-11-22T08", "events": {}}),
    ("GET", "/v1/destinations"): (P.READ_DESTINATIONS, None),
    ("POST", "/v1/destinations"): (P.WRITE_DESTINATIONS, {"name": "second", "kind": "duckdb"}),
    ("GET", "/v1/destinations/{name}"): (P.READ_DESTINATIONS, None),
    ("PUT", "/v1/destinations/{name}"): (P.WRITE_DESTINATIONS, {"kind": "duckdb"}),
    ("GET", "/v1/audit"): (P.READ_AUDIT, None),
    ("GET", "/v1/tokens"): (P.WRITE_TOKENS, None),
    ("POST", "/v1/tokens"): (P.WRITE_TOKENS, {"name": "ci", "scope": "loader"}),
    ("POST", "/v1/tokens/{token_id}/revoke"): (P.WRITE_TOKENS, None),
    ("GET", "/v1/snapshot"): (P.SNAPSHOT, None),
    ("GET", "/v1/export"): (P.TRANSFER, None),
    ("POST", "/v1/import"): (P.TRANSFER, {"version": 1}),
    ("GET", "/metrics"): (P.SNAPSHOT, None),
    ("GET", "/openapi.json"): (ANY, None),
    ("GET", "/healthz"): (OPEN, None),
    ("GET", "/readyz"): (OPEN, None),
}


def methods_and_paths(routes: list[ApiRoute]) -> dict[tuple[str, str], ApiRoute]:
    return {(method, route.path): route for route in routes for method in route.methods or ()}


def ask(api: Api, method: str, template: str, scope: Scope, customer: str) -> httpx.Response:
    """Send what the table has for a route, as a scope, about one customer."""
    path = template.format(
        customer=customer, event="order", version=1, name="default", key_id=api.ids["key"], token_id=api.ids["token"]
    )
    return api.send(method, path, ROUTES[method, template][1], scope=scope)


@pytest.fixture
def filled(api: Api) -> Api:
    """Give an API in which everything that the table names exists, for both customers."""
    for customer in (OWN, OTHER):
        api.registry.add_event(customer, "order")
        api.registry.record_seen(customer, "2026-11-22T08", {"order": ("order", 1)}, samples={"order": {"a": 1}})
        api.registry.add_contract(customer, "order", "evolve", {"type": "object"})
    api.ids["key"] = api.registry.add_write_key(OWN, "web")[0].id
    api.ids["token"] = api.registry.add_token("spare", "loader")[0].id
    return api


def test_every_route_has_a_row_and_asks_for_what_it_says(api: Api) -> None:
    found = methods_and_paths(list(api_routes(api.app)))
    assert found.keys() == ROUTES.keys()
    for key, route in found.items():
        wanted = ROUTES[key][0]
        if wanted == OPEN:
            assert route.needs is None
            assert route.path in OPEN_PATHS
        else:
            assert route.needs is not None, f"{key} asks for nothing"
            assert route.permission == (None if wanted == ANY else wanted), key


def test_without_a_token_nothing_is_answered(filled: Api) -> None:
    for method, path in ROUTES:
        filled_in = path.format(customer=OWN, event="order", version=1, name="default", key_id="wk_1", token_id="tk_1")
        response = filled.client.request(method, filled_in)
        if ROUTES[method, path][0] == OPEN:
            assert response.status_code == 200
        else:
            assert filled.problem(response) == (401, "CP-1002"), (method, path)
            assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_may_what_its_permissions_say(filled: Api, scope: Scope) -> None:
    for method, path in ROUTES:
        wanted = ROUTES[method, path][0]
        is_allowed = wanted in {ANY, OPEN} or wanted in GRANTS[scope]
        response = ask(filled, method, path, scope, OWN)
        if is_allowed:
            # A change may not be possible any more after the others of this loop, but it is nobody's right that lacks.
            assert response.status_code in {200, 201, 404, 409}, (method, path, response.text)
        else:
            assert filled.problem(response) == (403, "CP-1004"), (method, path)


@pytest.mark.parametrize("scope", sorted(CUSTOMER_SCOPES))
def test_to_a_customer_scope_no_other_customer_exists(filled: Api, scope: Scope) -> None:
    for method, path in ROUTES:
        if "{customer}" not in path:
            continue
        other, unknown = (ask(filled, method, path, scope, customer) for customer in (OTHER, UNKNOWN))
        assert filled.problem(other) == filled.problem(unknown) == (404, "CP-1005")
        assert other.content.replace(OTHER.encode(), b"") == unknown.content.replace(UNKNOWN.encode(), b"")
        assert _without_ids(other) == _without_ids(unknown)


@pytest.mark.parametrize("scope", sorted(CUSTOMER_SCOPES))
def test_a_customer_scope_lists_itself_alone(filled: Api, scope: Scope) -> None:
    listed = filled.send("GET", "/v1/customers?limit=10", scope=scope).json()
    assert [each["slug"] for each in listed["items"]] == [OWN]
    assert filled.send("GET", f"/v1/customers?after={OWN}", scope=scope).json()["items"] == []
    log = filled.send("GET", f"/v1/customers/{OWN}/audit", scope=scope)
    assert {each["customer"] for each in log.json()["items"]} == {OWN}
    assert OTHER not in log.text


def test_a_key_of_another_customer_does_not_exist(filled: Api) -> None:
    theirs = filled.registry.add_write_key(OTHER, "theirs")[0].id
    for method, path in (("GET", ""), ("POST", "/rotate"), ("POST", "/revoke")):
        response = filled.send(method, f"/v1/customers/{OWN}/write-keys/{theirs}{path}", scope="customer_write")
        unknown = filled.send(method, f"/v1/customers/{OWN}/write-keys/wk_{'0' * 12}{path}", scope="customer_write")
        assert filled.problem(response) == filled.problem(unknown) == (404, "CP-1005")
    assert filled.registry.get_write_key(OTHER, theirs).revoked_at is None


def test_hashes_of_write_keys_only_for_who_may_see_them(filled: Api) -> None:
    for scope in SCOPES:
        if P.SNAPSHOT in GRANTS[scope]:
            keys = filled.send("GET", "/v1/snapshot", scope=scope).json()["write_keys"]
            assert bool(keys) == (P.SNAPSHOT_KEYS in GRANTS[scope]), scope


def _without_ids(response: httpx.Response) -> dict[str, str]:
    changing = {"x-request-id", "date", "content-length"}
    return {name: value for name, value in response.headers.items() if name not in changing}
