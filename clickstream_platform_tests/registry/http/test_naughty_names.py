"""Names as people type them, through the API and back."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from clickstream_platform.model.naming import customer_slug, event_slug
from clickstream_platform_tests.registry.http.serving import OWN, Api
from clickstream_platform_tests.shared_data import needs_shared_data, read_json_lines, shared_data

NAMES = (
    "Order Completed",
    "null",
    "None",
    "true",
    "NaN",
    "0",
    "1E+02",
    "-1",
    "../../etc/passwd",
    "..",
    "a/b",
    "a%2Fb",
    "%00",
    "a?b=c#d",
    "<script>alert('x')</script>",
    "'; DROP TABLE registry_customers; --",
    '"quoted"',
    "back\\slash",
    "{{7*7}}${7*7}",
    "line\nbreak\r\nand\ttab",
    "  spaces around  ",
    "\u00a0\u2003wide\u3000spaces",
    "\u200bzero\u200dwidth\ufeff",
    "\u202eright to left\u202c",
    "مرحبا بالعالم",
    "שלום",
    "注文完了",
    "Заказ",
    "é",
    "e\u0301",
    "ﬁancé ＩＤ",
    "İstanbul ıI",
    "straße",
    "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "\x7f\x80\x9f",
    "\uffff\U0010ffff",
    "select",
    "users",
    "_",
    "__proto__",
    "constructor",
    "con",
    "x" * 1_000,
    "長" * 1_000,
)


def test_names_come_back_as_they_were_typed(any_api: Api) -> None:
    events = f"/v1/customers/{OWN}/events"
    for number, name in enumerate(NAMES):
        slug = event_slug(f"{number} {name}"[:1_000])
        typed = name[: 1_000 - 5]
        added = any_api.send("POST", events, {"name": typed, "slug": slug})
        assert added.status_code == 201, (name, added.text)
        found = any_api.send("GET", added.headers["location"])
        assert (found.status_code, found.json()["display_name"], found.json()["slug"]) == (200, typed, slug)
    listed = any_api.send("GET", f"{events}?limit=1000").json()["items"]
    assert sorted(each["display_name"] for each in listed) == sorted(name[: 1_000 - 5] for name in NAMES)


def test_slugs_made_of_names(any_api: Api) -> None:
    taken: dict[str, set[str]] = {"customers": set(), "events": set()}
    for name in NAMES:
        for kind, slug, path in (
            ("customers", customer_slug(name), "/v1/customers"),
            ("events", event_slug(name), f"/v1/customers/{OWN}/events"),
        ):
            answer = any_api.send("POST", path, {"name": name})
            if slug in taken[kind]:
                assert any_api.problem(answer) == (409, "CP-1009"), name
                continue
            taken[kind].add(slug)
            assert answer.status_code == 201, (name, answer.text)
            assert answer.json()["slug"] == slug
            assert any_api.send("GET", f"{path}/{quote(slug, safe='')}").json()["display_name"] == name
    keys = any_api.send("GET", "/v1/snapshot").json()
    assert {each["slug"] for each in keys["customers"]} >= taken["customers"]


def test_what_is_no_slug_is_not_found(any_api: Api) -> None:
    for text in (*NAMES, "nobody", "\0", "a\0b"):
        answer = any_api.send("GET", f"/v1/customers/{quote(text, safe='')}")
        if not answer.url.path.startswith("/v1/customers/"):
            continue  # `..` is resolved before anything is sent
        assert any_api.problem(answer) in {(404, "CP-1005"), (404, "CP-1006")}, text
        for path in ("events", "contracts", "write-keys"):
            answer = any_api.send("GET", f"/v1/customers/{OWN}/{path}/{quote(text, safe='')}")
            assert answer.status_code in {404, 200}, text
    for raw in (b"%ff%fe", b"%ed%a0%80", b"%c0%ae"):
        path = f"/v1/customers/{raw.decode()}"
        assert any_api.problem(any_api.send("GET", path)) == (404, "CP-1005")


@needs_shared_data("5-edge-cases")
def test_bytes_that_are_no_utf_8(api: Api) -> None:
    events = f"/v1/customers/{OWN}/events"
    for number, case in enumerate(read_json_lines(shared_data("5-edge-cases", "utf8_cases.jsonl"))):
        given = bytes.fromhex(case["bytes_hex"])
        body = b'{"slug": "sale_%d", "name": "x%s"}' % (number, given)
        if case["valid"]:
            body = json.dumps({"slug": f"sale_{number}", "name": f"x{given.decode()}"}, ensure_ascii=False).encode()
        answer = api.send("POST", events, headers={"Content-Type": "application/json"}, content=body)
        if case["valid"] and b"\0" not in given:
            assert answer.status_code == 201, case
            assert answer.json()["display_name"] == "x" + given.decode()
        else:
            assert api.problem(answer)[0] in {400, 422}, case


@needs_shared_data("5-edge-cases")
def test_json_of_all_kinds_as_a_body(api: Api) -> None:
    for case in read_json_lines(shared_data("5-edge-cases", "jsontestsuite.jsonl")):
        content = _content_of(case)
        answer = api.send(
            "POST", f"/v1/customers/{OWN}/events", headers={"Content-Type": "application/json"}, content=content
        )
        assert api.problem(answer)[0] in {400, 422}, case


@pytest.mark.parametrize("name", ["\0", "a\0", "\ud800", "x\udfff"])
def test_names_that_cannot_be_stored(any_api: Api, name: str) -> None:
    body = f'{{"name": "{name.encode("unicode_escape", "surrogatepass").decode()}"}}'.replace("\\x", "\\u00")
    answer = any_api.send("POST", "/v1/customers", headers={"Content-Type": "application/json"}, content=body.encode())
    assert any_api.problem(answer)[0] == 422


def _content_of(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["content_b64"])


@pytest.mark.parametrize("text", ["\0", "Not A Slug", "x" * 100, "../.."])
def test_references_to_what_cannot_be(any_api: Api, text: str) -> None:
    for method, path, body in (
        ("POST", "/v1/customers", {"name": "new", "destination": text}),
        ("PATCH", f"/v1/customers/{OWN}", {"destination": text}),
        ("POST", "/v1/tokens", {"name": "ci", "scope": "customer_read", "customer": text}),
        ("POST", "/v1/customers", {"name": "new", "slug": f" {text}"}),
        ("POST", "/v1/destinations", {"name": f" {text}", "kind": "duckdb"}),
        ("POST", "/v1/destinations", {"name": "a", "kind": "duckdb", "secret_reference": f"env:{text}\0"}),
        ("POST", "/v1/destinations", {"name": "a", "kind": "duckdb", "settings": {"path": f"{text}\0"}}),
    ):
        assert any_api.problem(any_api.send(method, path, body))[0] in {404, 422}, (method, path, body)
