"""The HTTP side: paths, keys, encodings, CORS, limits, and the answers that SDKs understand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.collector.app import TRACKING_PATHS
from clickstream_platform.collector.options import HttpOptions
from clickstream_platform.collector.ports import KeyHolder
from clickstream_platform.collector.requests import OpenRequests, RefusedRequestError
from clickstream_platform.model.damage_marker import DamageMarker
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.collector.running import (
    CUSTOMER,
    KEY,
    OTHER_CUSTOMER,
    OTHER_KEY,
    Collector,
    Keys,
    MemorySink,
    running_collector,
    track,
)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def collector(sink: MemorySink) -> Iterator[Collector]:
    with running_collector(sink) as running:
        yield running


def test_every_single_path_stores_its_type(collector: Collector, sink: MemorySink) -> None:
    for path, kind in TRACKING_PATHS.items():
        if kind is not None:
            answer = collector.post(path, {"userId": "u", "event": "Signed Up", "messageId": path})
            assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert {(line["messageId"], line["type"]) for line in sink.lines} == {
        (path, kind) for path, kind in TRACKING_PATHS.items() if kind
    }


@pytest.mark.parametrize("path", [path for path, kind in TRACKING_PATHS.items() if kind is None])
def test_every_batch_path_stores_all_items(collector: Collector, sink: MemorySink, path: str) -> None:
    assert collector.post(path, {"batch": [track(1), track(2)]}).status_code == 200
    assert [line["messageId"] for line in sink.lines] == ["m-1", "m-2"]
    assert {(event.customer, event.event) for event in sink.events} == {(CUSTOMER, "order_completed")}


@pytest.mark.parametrize(
    ("path", "body", "options"),
    [
        ("/v1/batch", {"writeKey": OTHER_KEY, "batch": [track()]}, {}),
        ("/v1/t", {**track(), "writeKey": OTHER_KEY}, {"headers": {"Content-Type": "text/plain"}}),
        ("/v1/batch", {"batch": [{**track(), "writeKey": OTHER_KEY}]}, {}),
        ("/beacon/v1/batch", {"batch": [track()]}, {"params": {"writeKey": OTHER_KEY}}),
    ],
)
def test_the_key_may_be_in_body_or_query(
    collector: Collector, sink: MemorySink, path: str, body: dict[str, Any], options: dict[str, Any]
) -> None:
    assert collector.post(path, body, key=None, **options).status_code == 200
    (event,) = sink.events
    assert event.customer == OTHER_CUSTOMER
    assert OTHER_KEY.encode() not in event.line


@pytest.mark.parametrize("key", ["unknown", "", None])
def test_an_unknown_key_is_refused_counted_and_nothing_stored(
    collector: Collector, sink: MemorySink, key: str | None
) -> None:
    answer = collector.post("/v1/batch", {"batch": [track()]}, key=key)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert collector.metric("clickstream_collector_unknown_write_key_requests_total") == 1
    assert sink.requests == []


def test_before_the_keys_are_read_nobody_is_refused_for_good(sink: MemorySink) -> None:
    keys = Keys(ready=False)
    with running_collector(sink, keys=keys) as collector:
        answer = collector.post("/v1/batch", {"batch": [track()]}, key="unknown")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert collector.client.get(collector.url + "/readyz").status_code == 503
        keys.ready = True
        assert collector.client.get(collector.url + "/readyz").status_code == 200


def test_compressed_bodies(collector: Collector, sink: MemorySink) -> None:
    body = gzip.compress(json.dumps({"batch": [track()]}).encode())
    assert collector.post("/v1/batch", body, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert collector.post("/v1/batch", body).status_code == 200
    assert len(sink.events) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"batch":[', RejectReason.NOT_JSON),
        (b"\xff\xfe", RejectReason.NOT_JSON),
        (b"[]", RejectReason.NOT_JSON),
        (b'{"batch":{}}', RejectReason.NOT_AN_OBJECT),
        (b'{"context":{"a" "b"},"batch":[{"type":"page"}]}', RejectReason.NOT_JSON),
        (
            b'{"context":' + b'{"a":' * 700 + b"NaN" + b"}" * 700 + b',"batch":[{"type":"page"}]}',
            RejectReason.NESTED_TOO_DEEPLY,
        ),
        (gzip.compress(b"x" * 99, mtime=0)[:-9], RejectReason.GZIP_TRUNCATED),
        (gzip.compress(b"x" * 99, mtime=0)[:15] + b"\xff\xff\xff\xff\xff", RejectReason.GZIP_CORRUPT),
    ],
)
def test_a_body_that_cant_be_taken_apart_is_kept_as_it_was(
    collector: Collector, sink: MemorySink, body: bytes, reason: RejectReason
) -> None:
    answer = collector.post("/v1/batch", body)
    assert (answer.status_code, answer.json()["code"]) == (400, reason)
    (event,) = sink.events
    marker = DamageMarker.from_line(event.line)
    assert marker is not None
    assert (event.event, marker.reason, marker.rest) == ("_unidentified", reason, body)


def test_a_batch_does_not_grow_without_bounds_by_what_it_says_for_all(collector: Collector, sink: MemorySink) -> None:
    context = {"context": {"a": "x" * 900_000}}
    few, many = ([{"type": "page"}] * number for number in (30, 40))
    assert collector.post("/v1/batch", {**context, "batch": few}).status_code == 200
    answer = collector.post("/v1/batch", {**context, "batch": many})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert len(sink.events) == 30


def test_a_bad_item_never_costs_the_good_ones(collector: Collector, sink: MemorySink) -> None:
    bad = [{"type": "what"}, 5, None, "x", [], {"type": "track"}, {"type": "track", "event": "  "}, {}]
    answer = collector.post("/v1/batch", {"batch": [track(1), *bad, track(2)]})
    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, len(bad))
    good = [event.message_id for event in sink.events if event.event != "_unidentified"]
    markers = [DamageMarker.from_line(event.line) for event in sink.events if event.event == "_unidentified"]
    assert good == ["m-1", "m-2"]
    assert [(marker.reason, marker.line) for marker in markers if marker] == [
        (RejectReason.UNKNOWN_TYPE, 2),
        *((RejectReason.NOT_AN_OBJECT, number) for number in (3, 4, 5, 6)),
        (RejectReason.NO_EVENT_NAME, 7),
        (RejectReason.NO_EVENT_NAME, 8),
        (RejectReason.UNKNOWN_TYPE, 9),
    ]
    assert collector.metric("clickstream_collector_rejected_records_total", reason="no_event_name") == 2


def test_what_is_too_large_is_told_apart(sink: MemorySink) -> None:
    with running_collector(sink, http=HttpOptions(max_body_bytes=5_000, max_event_bytes=1_000)) as collector:
        assert collector.post("/v1/batch", b"x" * 5_001).status_code == 413
        assert collector.post("/v1/batch", gzip.compress(b"x" * 5_001)).status_code == 413
        assert sink.requests == []
        long = track(2, properties={"long": "x" * 1_000})
        assert collector.post("/v1/batch", {"batch": [track(1), long]}).json()["rejected"] == 1
    good, rejected = sink.events
    marker = DamageMarker.from_line(rejected.line)
    assert good.message_id == "m-1"
    assert marker is not None
    assert marker.reason == RejectReason.TOO_LARGE
    assert json.loads(marker.rest) == long


def test_a_request_has_so_many_items_at_most(sink: MemorySink) -> None:
    with running_collector(sink, http=HttpOptions(max_items=3)) as collector:
        assert collector.post("/v1/batch", {"batch": [{}] * 4}).status_code == 413
        assert collector.post("/v1/batch", {"batch": [{}] * 3}).status_code == 200


def test_requests_of_one_customer_leave_room_for_others() -> None:
    """A customer's requests hold half of the memory for bodies at most, and all that they hold is given back."""
    options = HttpOptions(max_open_requests=4, max_open_bytes=100)
    open_requests = OpenRequests(options)
    with open_requests.open() as first, open_requests.open() as second, open_requests.open() as third:
        for each in (first, second, third):
            each.add(20)
        first.belongs_to(CUSTOMER)
        second.belongs_to(CUSTOMER)
        with pytest.raises(RefusedRequestError, match="too many requests"):
            third.belongs_to(CUSTOMER)
        third.belongs_to(OTHER_CUSTOMER)
        with open_requests.open() as fourth:
            with pytest.raises(RefusedRequestError, match="too many requests"):
                fourth.add(41)
            with pytest.raises(RefusedRequestError, match="too many requests"):
                open_requests.open()
    assert (open_requests.requests, open_requests.bytes) == (0, 0)
    with open_requests.open() as again:
        again.add(50)
        again.belongs_to(CUSTOMER)


def test_a_slow_body_is_given_up(sink: MemorySink) -> None:
    def slowly() -> Iterator[bytes]:
        import time

        yield b"{"
        time.sleep(0.4)
        yield b"}"

    with running_collector(sink, http=HttpOptions(body_seconds=0.1)) as collector:
        answer = collector.client.post(collector.url + "/v1/batch", content=slowly(), auth=(KEY, ""))
        assert answer.status_code == 408


def test_a_customer_has_a_rate_limit_of_its_own(sink: MemorySink) -> None:
    with running_collector(sink, keys=Keys(limits={CUSTOMER: 1.0}), http=HttpOptions(burst_seconds=2.0)) as collector:
        assert collector.post("/v1/batch", {"batch": [track(n) for n in range(5)]}).status_code == 200
        answer = collector.post("/v1/batch", {"batch": [track()]})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
        assert collector.post("/v1/batch", {"batch": [track()]}, key=OTHER_KEY).status_code == 200
    assert len(sink.events) == 6


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/t", "/anything"])
def test_preflight_on_every_path(collector: Collector, path: str) -> None:
    answer = collector.client.options(
        collector.url + path,
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,anonymousid",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "anonymousid" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_a_browser_may_read_retry_after(collector: Collector) -> None:
    answer = collector.post("/v1/t", track(), headers={"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/track", 405), ("POST", "/v1/nothing", 404)])
def test_every_error_has_code_and_message(collector: Collector, method: str, path: str, status: int) -> None:
    answer = collector.client.request(method, collector.url + path)
    assert answer.status_code == status
    assert {"code", "message"} <= answer.json().keys()


def test_the_client_address_is_that_of_the_last_untrusted_hop(sink: MemorySink) -> None:
    forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.1.2.3"}
    with running_collector(sink) as collector:
        collector.post("/v1/t", track(), headers=forwarded)
    with running_collector(sink, http=HttpOptions(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))) as collector:
        collector.post("/v1/t", track(), headers=forwarded)
        collector.post("/v1/t", track(context={"ip": "8.8.8.8"}), headers=forwarded)
    assert [line["context"]["ip"] for line in sink.lines] == ["127.0.0.1", "203.0.113.7", "8.8.8.8"]


def test_configuration_for_sdks(collector: Collector) -> None:
    source = collector.client.get(collector.url + "/sourceConfig", params={"writeKey": KEY}).json()
    assert source["source"]["enabled"] is True
    assert source["source"]["dataplanes"]["US"][0]["url"] == collector.url
    settings = collector.client.get(f"{collector.url}/v1/projects/{KEY}/settings").json()
    assert settings["integrations"]["Segment.io"]["apiKey"] == KEY
    assert settings["integrations"]["Segment.io"]["apiHost"] == collector.url.removeprefix("http://") + "/v1"
    assert collector.client.get(collector.url + "/sourceConfig").status_code == 401


def test_metrics_of_sdks_are_taken_and_not_stored(collector: Collector, sink: MemorySink) -> None:
    assert collector.post("/v1/m", {"series": []}, key=None).status_code == 200
    assert sink.requests == []


def test_health_and_metrics(collector: Collector, tmp_path: Path) -> None:
    collector.post("/v1/batch", {"batch": [track(1), track(2)]})
    assert collector.client.get(collector.url + "/healthz").status_code == 200
    assert collector.metric("clickstream_collector_stored_records_total", way="kinesis") == 2
    assert collector.metric("clickstream_collector_requests_total", route="/v1/batch", status="200") == 1
    assert KEY not in collector.client.get(collector.url + "/metrics").text


def test_a_slash_at_the_end_is_no_redirect(collector: Collector, sink: MemorySink) -> None:
    assert collector.post("/v1/track/", track()).status_code == 200
    assert len(sink.events) == 1


def test_a_wrong_method_is_told_the_right_one(collector: Collector) -> None:
    assert collector.client.get(collector.url + "/v1/track").headers["Allow"] == "POST"


def test_a_byte_order_mark_and_a_body_without_a_batch_cost_nothing(collector: Collector, sink: MemorySink) -> None:
    assert collector.post("/v1/track", b"\xef\xbb\xbf" + json.dumps(track(1)).encode()).json() == {"success": True}
    assert collector.post("/v1/batch", b"\xef\xbb\xbf" + json.dumps(track(2)).encode()).json() == {"success": True}
    assert collector.post("/v1/batch", {"batch": [], "type": "batch"}).json() == {"success": True}
    assert collector.post("/v1/batch", {"batch": None}).json() == {"success": True}
    assert [event.message_id for event in sink.events] == ["m-1", "m-2"]
    assert collector.post("/v1/batch", {"event": "Signed Up", "userId": "u"}).json()["rejected"] == 1
    assert sink.events[-1].event == "_unidentified"


def test_a_key_is_found_in_a_first_item_with_an_odd_value(collector: Collector, sink: MemorySink) -> None:
    body = b'{"batch":[{"type":"page","writeKey":"%s","properties":{"a":NaN,"b":"\\ud800"}}]}' % OTHER_KEY.encode()
    assert collector.post("/v1/batch", body, key=None).status_code == 200
    assert [event.customer for event in sink.events] == [OTHER_CUSTOMER]


def test_a_failure_is_counted_and_tells_no_key(sink: MemorySink, caplog: pytest.LogCaptureFixture) -> None:
    class BrokenKeys(Keys):
        def find(self, key_hash: str, now: datetime) -> KeyHolder | None:
            raise RuntimeError("a defect")

    with running_collector(sink, keys=BrokenKeys()) as collector:
        answer = collector.post("/v1/t", track(), headers={"Origin": "https://shop.example"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert collector.metric("clickstream_collector_requests_total", route="/v1/t", status="500") == 1
        assert collector.client.get(f"{collector.url}/v1/projects/{KEY}/settings").status_code == 500
    told = [record.getMessage() for record in caplog.records if record.name != "httpx"]
    assert "/v1/projects/…/settings" in "".join(told)
    assert KEY not in "".join(told)
