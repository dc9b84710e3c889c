"""What watches the service, the snapshot as it is sent, and the routes that only the API has."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.registry import tables
from clickstream_platform.registry.documents import parse_snapshot
from clickstream_platform.registry.entities import Contract
from clickstream_platform.registry.http.app import MAX_PROBES, ApiSettings, create_app
from clickstream_platform.registry.http.measures import Measures
from clickstream_platform.registry.http.snapshot_cache import SnapshotCache
from clickstream_platform.registry.ports import DryRun
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.registry.secret_texts import hash_of
from clickstream_platform.registry.service import RegistryService
from clickstream_platform_tests.registry.http.serving import OTHER, OWN, SCOPES, Api, add_tokens
from clickstream_platform_tests.registry.served_apps import serving


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note every time that a snapshot is read."""
    read, noted = RegistryService.snapshot, []

    def note(registry: RegistryService) -> Any:
        noted.append(1)
        return read(registry)

    monkeypatch.setattr(RegistryService, "snapshot", note)
    return noted


def test_a_snapshot_is_built_once_per_change(api: Api, builds: list[int]) -> None:
    first = api.send("GET", "/v1/snapshot")
    for scope in ("admin", "collector", "loader"):
        answer = api.send("GET", "/v1/snapshot", scope=scope)
        assert (
            api.send("GET", "/v1/snapshot", scope=scope, headers={"If-None-Match": answer.headers["etag"]}).is_error
            is False
        )
    assert len(builds) == 1
    api.registry.record_seen(OWN, "2026-11-22T08", {"sale": ("sale", 1)})
    second = api.send("GET", "/v1/snapshot", headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert len(builds) == 2
    api.registry.record_seen(OWN, "2026-11-22T08", {"sale": ("sale", 1)})  # advisory
    assert api.send("GET", "/v1/snapshot", headers={"If-None-Match": second.headers["etag"]}).status_code == 304
    assert len(builds) == 2


def test_many_at_once_wait_for_one(registry: RegistryService, builds: list[int]) -> None:
    cache, found = SnapshotCache(registry, Measures()), []
    askers = [threading.Thread(target=lambda: found.append(cache.current(with_keys=True))) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(builds) == 1
    assert len({kept.tag for kept in found}) == 1


def test_a_snapshot_is_what_the_registry_says(api: Api) -> None:
    api.registry.add_event(OWN, "sale")
    api.registry.add_contract(OWN, "sale", "freeze", {"type": "object"})
    api.registry.add_write_key(OTHER, "web")
    expected = api.registry.snapshot()
    assert parse_snapshot(api.send("GET", "/v1/snapshot").json()) == expected
    plain = api.send("GET", "/v1/snapshot", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with api.client.stream(
        "GET",
        "/v1/snapshot",
        headers={"Accept-Encoding": "gzip", "Authorization": f"Bearer {api.tokens['admin']}"},
    ) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding, Authorization"
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, identity", False),
        ("*, gzip;q=0", False),
        ("gzip, *;q=0", True),
        ("*;q=0", False),
        ("not-gzip-at-all", False),
        ("", False),
    ],
)
def test_a_snapshot_is_compressed_for_who_takes_that(api: Api, accepted: str, packed: bool) -> None:
    answer = api.send("GET", "/v1/snapshot", headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) == packed
    assert answer.json()["customers"]


def test_a_restored_database_gives_its_own_snapshot(api: Api) -> None:
    def go_to(number: int) -> None:
        with api.registry._store.writing() as transaction:
            transaction.connection.execute(sa.update(tables.version).values(number=number))

    before = api.registry.version()
    api.registry.add_event(OWN, "sale")
    api.registry.add_event(OWN, "refund")
    first = api.send("GET", "/v1/snapshot").json()
    assert {each["slug"] for each in first["events"]} == {"sale", "refund"}
    api.registry.remove_event(OWN, "refund")
    go_to(before)
    events = {each["slug"]: each["state"] for each in api.send("GET", "/v1/snapshot").json()["events"]}
    assert events == {"sale": "active", "refund": "removed"}


def test_who_waited_for_a_snapshot_does_not_build_an_older_one(
    registry: RegistryService, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SnapshotCache(registry, Measures())
    old = registry.version()
    registry.add_customer(OWN)
    assert cache.current(with_keys=True).tag
    numbers = iter([old, registry.version(), registry.version()])
    monkeypatch.setattr(RegistryService, "version", lambda _: next(numbers))
    cache.current(with_keys=True)
    cache.current(with_keys=True)
    assert len(builds) == 1


def test_tags_tell_who_sees_hashes(api: Api) -> None:
    tags = {scope: api.send("GET", "/v1/snapshot", scope=scope).headers["etag"] for scope in ("collector", "loader")}
    assert tags["collector"] != tags["loader"]
    answer = api.send("GET", "/v1/snapshot", scope="loader", headers={"If-None-Match": tags["collector"]})
    assert answer.status_code == 200


def test_metrics_have_templates_and_no_names(api: Api) -> None:
    for path in (f"/v1/customers/{OWN}", "/v1/customers/nobody", "/nowhere/at-all", "/admin/login"):
        api.send("GET", path)
    api.send("PURGE", "/v1/customers")
    text = api.send("GET", "/metrics").text
    shown = 'clickstream_registry_http_requests_total{method="%s",route="%s",status="%s"} 1.0'
    for labels in (
        ("GET", "/v1/customers/{customer}", "200"),
        ("GET", "/v1/customers/{customer}", "404"),
        ("GET", "none", "404"),
        ("GET", "/admin", "200"),
        ("other", "/v1/customers", "405"),
    ):
        assert shown % labels in text
    assert 'clickstream_registry_http_problems_total{code="CP-1005"} 1.0' in text
    for name in (OWN, "nobody", "nowhere", "PURGE"):
        assert name not in text


def test_health(api: Api) -> None:
    assert api.client.get("/healthz").json() == {"status": "alive"}
    assert api.client.get("/readyz").json() == {"status": "ready"}


def test_an_announcement(api: Api) -> None:
    body = {"hour": "2026-11-22T08", "events": {"sale": {"name": "Sale!", "records": 3, "sample": {"total": "***"}}}}
    path = f"/v1/customers/{OWN}/sightings"
    answer = api.send("POST", path, body, scope="loader")
    event = api.send("GET", f"/v1/customers/{OWN}/events/sale").json()
    assert answer.json() == {"events": {"sale": event}}
    assert (event["display_name"], event["seen_records"], event["first_seen_hour"]) == ("Sale!", 3, "2026-11-22T08")
    assert api.send("GET", f"/v1/customers/{OWN}/events/sale/sample").json()["sample"] == {"total": "***"}
    unknown = api.send("POST", "/v1/customers/newcomer/sightings", body, scope="loader")
    assert api.problem(unknown) == (404, "CP-1005")
    creating = body | {"create_customer": True}
    refused = api.send("POST", "/v1/customers/newcomer/sightings", creating, scope="loader")
    assert refused.status_code == 403, "a loader announces and makes no customers"
    assert api.send("GET", "/v1/customers/newcomer").status_code == 404
    assert api.send("POST", "/v1/customers/newcomer/sightings", creating, scope="operator").status_code == 200
    for wrong in ({"hour": "2026-11-22T25"}, {"hour": "now"}, {"events": {"Not A Slug": {"name": "a", "records": 1}}}):
        assert api.send("POST", path, body | wrong, scope="loader").status_code == 422


def test_the_life_of_an_event(api: Api) -> None:
    events = f"/v1/customers/{OWN}/events"
    assert api.send("POST", events, {"name": "Page Read"}).status_code == 201
    one = f"{events}/page_read"
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert api.send("POST", f"{one}/{action}").json()["state"] == state
    assert api.send("PATCH", one, {"freshness_deadline_minutes": 9}).json()["freshness_deadline_minutes"] == 9
    assert api.send("PATCH", one, {"display_name": "Read"}).json()["freshness_deadline_minutes"] == 9
    assert api.send("PATCH", one, {"freshness_deadline_minutes": None}).json()["freshness_deadline_minutes"] is None
    assert api.send("DELETE", one).json()["state"] == "removed"
    assert api.problem(api.send("POST", f"{one}/resume")) == (409, "CP-1009")
    again = api.send("POST", events, {"name": "Page Read"})
    assert (again.status_code, again.json()["state"], again.json()["activation"]) == (200, "active", 3)


def test_a_policy_changes_field_by_field(api: Api) -> None:
    path = f"/v1/customers/{OWN}"
    before = api.send("GET", path).json()["policy"]
    for patch in ({"retention_days": 30}, {"auto_activate": False, "column_limit": 100}, {"retention_days": None}):
        before |= patch
        assert api.send("PATCH", path, {"policy": patch}).json()["policy"] == before
    assert api.send("PATCH", path, {"policy": {"auto_activate": None}}).json()["policy"] == before
    assert api.problem(api.send("PATCH", path, {"destination": "nowhere"})) == (404, "CP-1005")


def test_a_contract_from_its_making_to_its_end(api: Api) -> None:
    api.registry.add_event(OWN, "sale")
    event, schema = f"/v1/customers/{OWN}/events/sale", {"type": "object", "required": ["total"]}
    first = api.send("POST", f"{event}/contracts", {"mode": "reject", "schema": schema, "note": "as agreed"})
    assert first.headers["location"] == f"{event}/contracts/1"
    assert api.send("GET", first.headers["location"]).json() == first.json()
    assert api.send("GET", event).json()["contract_version"] == 1
    waiting = {"mode": "freeze", "schema": {}, "activate": False}
    assert api.send("POST", f"{event}/contracts", waiting).json()["version"] == 2
    assert api.send("GET", event).json()["contract_version"] == 1
    assert api.send("PUT", f"{event}/contract", {"version": 2}).json()["contract_version"] == 2
    assert api.problem(api.send("PUT", f"{event}/contract", {"version": 3})) == (404, "CP-1005")
    assert api.send("DELETE", f"{event}/contract").json()["contract_version"] is None
    for path, body in (("dry-run", {"mode": "reject", "schema": schema}), ("infer", {})):
        assert api.problem(api.send("POST", f"{event}/contract/{path}", body)) == (409, "CP-1011")


def test_a_schema_that_is_none(api: Api) -> None:
    api.registry.add_event(OWN, "sale")
    body = {"mode": "reject", "schema": {"type": "nonsense"}}
    for path in ("contracts", "contract/dry-run"):
        answer = api.send("POST", f"/v1/customers/{OWN}/events/sale/{path}", body)
        assert api.problem(answer) == (422, "CP-1016")


def test_only_a_few_try_out_contracts_at_once(registry: RegistryService, clock: FixedClock) -> None:
    begun, goes_on = threading.Semaphore(0), threading.Event()

    class SlowProbe:
        def dry_run(self, contract: Contract, hours: int) -> DryRun:
            begun.release()
            assert goes_on.wait(20)
            return DryRun(hours, 0, 0, 0, {}, (), True)

        def infer(self, customer: str, event: str, hours: int) -> Mapping[str, Any]:
            raise RegistryUnavailableError("reading", cause="away", remedy="Wait.")

    app = create_app(registry, ApiSettings(), clock=clock, probe=SlowProbe())
    with serving(app) as address, httpx.Client(base_url=address, timeout=30, verify=False) as client:
        api = Api(app, registry, client, add_tokens(registry))
        registry.add_event(OWN, "sale")
        answers: list[httpx.Response] = []
        path, body = f"/v1/customers/{OWN}/events/sale/contract", {"schema": {"type": "object"}}
        askers = [
            threading.Thread(target=lambda: answers.append(api.send("POST", f"{path}/dry-run", body)))
            for _ in range(MAX_PROBES)
        ]
        for asker in askers:
            asker.start()
        assert all(begun.acquire(timeout=20) for _ in askers)
        refused = api.send("POST", f"{path}/dry-run", body)
        goes_on.set()
        for asker in askers:
            asker.join()
        assert api.problem(refused) == (429, "CP-1018")
        assert [answer.status_code for answer in answers] == [200] * MAX_PROBES
        for _ in range(MAX_PROBES + 1):  # a turn that failed is given back
            assert api.problem(api.send("POST", f"{path}/infer", {})) == (503, "CP-1019")


def test_a_token_from_its_making_to_its_end(api: Api) -> None:
    for scope in SCOPES:
        body = {"name": scope, "scope": scope} | ({"customer": OWN} if scope.startswith("customer") else {})
        made = api.send("POST", "/v1/tokens", body).json()
        headers = {"Authorization": f"Bearer {made['secret']}"}
        assert api.client.get("/openapi.json", headers=headers).status_code == 200
        assert api.send("POST", f"/v1/tokens/{made['id']}/revoke").json()["revoked_at"] is not None
        assert api.problem(api.client.get("/openapi.json", headers=headers)) == (401, "CP-1003")
    assert api.problem(api.send("POST", "/v1/tokens", {"name": "a", "scope": "customer_read"})) == (422, "CP-1016")
    assert api.problem(api.send("POST", "/v1/tokens", {"name": "a", "scope": "owner"})) == (422, "CP-1015")


def test_everything_goes_out_and_comes_in(api: Api) -> None:
    api.registry.add_event(OWN, "sale")
    text = api.send("GET", "/v1/export").text
    yaml = {"Content-Type": "application/yaml"}
    assert api.send("POST", "/v1/import", content=text.encode(), headers=yaml).json()["changes"] == []
    more = b"version: 1\ncustomers:\n  newcomer: {}\n"
    planned = api.send("POST", "/v1/import?dry_run=true", content=more, headers=yaml).json()
    assert [each["name"] for each in planned["changes"]] == ["newcomer"]
    assert planned["applied"] is False
    assert api.send("GET", "/v1/customers/newcomer").status_code == 404
    assert api.send("POST", "/v1/import", content=more, headers=yaml).json()["applied"] is True
    assert api.send("GET", "/v1/customers/newcomer").status_code == 200
    wrong = api.send("POST", "/v1/import", content=b"version: 1\ncustomers: 7\n", headers=yaml)
    assert api.problem(wrong) == (422, "CP-1016")


def test_an_import_is_of_the_plan_that_was_looked_at(api: Api) -> None:
    yaml, more = {"Content-Type": "application/yaml"}, b"version: 1\ncustomers:\n  newcomer: {}\n"
    shown = api.send("POST", "/v1/import?dry_run=true", content=more, headers=yaml).json()["version"]
    api.registry.add_event(OWN, "sale")
    for dry_run in ("true", "false"):
        path = f"/v1/import?expected_version={shown}&dry_run={dry_run}"
        assert api.problem(api.send("POST", path, content=more, headers=yaml)) == (412, "CP-1012")
    assert api.send("GET", "/v1/customers/newcomer").status_code == 404
    current = api.send("POST", "/v1/import?dry_run=true", content=more, headers=yaml).json()["version"]
    applied = api.send("POST", f"/v1/import?expected_version={current}", content=more, headers=yaml)
    assert applied.json()["applied"] is True
    assert api.send("GET", "/v1/customers/newcomer").status_code == 200


def test_a_key_that_was_imported_can_be_revoked(api: Api) -> None:
    key = {"name": "web", "hash": hash_of("a"), "hint": "a"}
    document = {"version": 1, "customers": {OWN: {"write_keys": {"wk-of-elsewhere": key}}}}
    assert api.send("POST", "/v1/import", document).status_code == 200
    path = f"/v1/customers/{OWN}/write-keys/wk-of-elsewhere"
    assert api.send("GET", path).status_code == 200
    assert api.send("POST", f"{path}/revoke").json()["revoked_at"] is not None
