"""Entity tags: changes that nobody else made in between, and answers that the caller has already."""

from __future__ import annotations

from typing import Any

import pytest

from clickstream_platform_tests.registry.http.serving import OWN, Api

CUSTOMER = f"/v1/customers/{OWN}"
EVENT = f"{CUSTOMER}/events/order"
# A change of each kind that takes If-Match: method, path, body, whose revision.
CHANGES: list[tuple[str, str, Any, str]] = [
    ("PATCH", CUSTOMER, {"display_name": "Shown"}, CUSTOMER),
    ("PATCH", EVENT, {"display_name": "Shown"}, EVENT),
    ("POST", f"{EVENT}/pause", None, EVENT),
    ("POST", f"{EVENT}/contracts", {"mode": "freeze", "schema": {}}, EVENT),
    ("PUT", f"{EVENT}/contract", {"version": 1}, EVENT),
    ("DELETE", f"{EVENT}/contract", None, EVENT),
    ("DELETE", EVENT, None, EVENT),
    ("POST", f"{CUSTOMER}/events", {"name": "Order", "slug": "order"}, EVENT),
    ("PUT", "/v1/destinations/default", {"kind": "duckdb", "settings": {"path": "a"}}, "/v1/destinations/default"),
    ("DELETE", CUSTOMER, None, CUSTOMER),
    ("POST", f"{CUSTOMER}/restore", None, CUSTOMER),
]


@pytest.fixture
def filled(api: Api) -> Api:
    """Give an API with an event and a version of its contract."""
    api.registry.add_event(OWN, "order")
    api.registry.add_contract(OWN, "order", "evolve", {}, activate=False)
    return api


def test_changes_are_made_on_the_revision_that_was_read(filled: Api) -> None:
    for method, path, body, read in CHANGES:
        tag = filled.send("GET", read).headers["etag"]
        revision = int(tag.strip('"'))
        for wrong in (f'"{revision + 1}"', '"0"', '"none"', f'W/"{revision}"'):
            refused = filled.send(method, path, body, headers={"If-Match": wrong})
            assert filled.problem(refused) == (412, "CP-1012"), (method, path, wrong)
        assert filled.send("GET", read).headers["etag"] == tag
        changed = filled.send(method, path, body, headers={"If-Match": tag})
        assert changed.status_code in {200, 201}, (method, path, changed.text)
        assert filled.send("GET", read).headers["etag"] == f'"{revision + 1}"', (method, path)


def test_write_keys_and_tokens_take_if_match(filled: Api) -> None:
    key = filled.send("POST", f"{CUSTOMER}/write-keys", {"name": "web"})
    address = key.headers["location"]
    for action, status in (("rotate", 201), ("revoke", 200)):
        tag = filled.send("GET", address).headers["etag"]
        refused = filled.send("POST", f"{address}/{action}", headers={"If-Match": '"77"'})
        assert filled.problem(refused) == (412, "CP-1012")
        assert filled.send("POST", f"{address}/{action}", headers={"If-Match": tag}).status_code == status
    token = filled.send("POST", "/v1/tokens", {"name": "ci", "scope": "loader"})
    revoking = f"/v1/tokens/{token.json()['id']}/revoke"
    assert filled.problem(filled.send("POST", revoking, headers={"If-Match": '"77"'})) == (412, "CP-1012")
    assert filled.send("POST", revoking, headers={"If-Match": token.headers["etag"]}).json()["revoked_at"]


def test_any_revision_and_no_condition(filled: Api) -> None:
    for headers in ({"If-Match": "*"}, {}):
        assert filled.send("PATCH", CUSTOMER, {"display_name": "Shown"}, headers=headers).status_code == 200
    unknown = filled.send("PATCH", f"{CUSTOMER}/events/nothing", {}, headers={"If-Match": "*"})
    assert filled.problem(unknown) == (404, "CP-1005")


@pytest.mark.parametrize("tag", ["3", '"1", "2"', '"', "W/", '"1"x'])
def test_what_is_no_entity_tag(filled: Api, tag: str) -> None:
    assert filled.problem(filled.send("PATCH", CUSTOMER, {}, headers={"If-Match": tag})) == (400, "CP-1001")


def test_what_the_caller_has_is_not_sent_again(filled: Api) -> None:
    key = filled.registry.add_write_key(OWN, "web")[0]
    for path in (
        CUSTOMER,
        EVENT,
        f"{EVENT}/contracts/1",
        f"{CUSTOMER}/write-keys/{key.id}",
        "/v1/destinations/default",
        "/v1/snapshot",
    ):
        tag = filled.send("GET", path).headers["etag"]
        strong = tag.removeprefix("W/")
        for known in (tag, strong, f"W/{strong}", f'"other", {tag}', "*"):
            answer = filled.send("GET", path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), (path, known)
        assert filled.send("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_arriving_records_leave_the_tag_alone(filled: Api) -> None:
    tag = filled.send("GET", EVENT).headers["etag"]
    filled.registry.record_seen(OWN, "2026-11-22T08", {"order": ("order", 5)})
    assert filled.send("GET", EVENT).headers["etag"] == tag
    assert filled.send("GET", EVENT).json()["seen_records"] == 5
