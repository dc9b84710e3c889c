"""What anybody with a public write key can send: little that would cost much time or memory, or another's share."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from clickstream_platform.collector.completing import Arrival, _short_moment
from clickstream_platform.collector.judging import judge_items
from clickstream_platform.collector.options import HttpOptions
from clickstream_platform.collector.reading import read_batch
from clickstream_platform.collector.requests import NOBODY, OpenRequests, RefusedRequestError, decompress
from clickstream_platform.model.records import RejectReason
from clickstream_platform_tests.collector.running import (
    CUSTOMER,
    KEY,
    NOW,
    OTHER_CUSTOMER,
    OTHER_KEY,
    Keys,
    MemorySink,
    running_collector,
    track,
)

_ARRIVAL = Arrival(CUSTOMER, NOW)
_SECONDS = 2.0  # far more than any of these takes, far less than any took


@pytest.fixture
def stopwatch() -> Iterator[None]:
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < _SECONDS


@pytest.mark.usefixtures("stopwatch")
def test_gzip_of_many_members_is_not_copied_again_for_each() -> None:
    with pytest.raises(RefusedRequestError, match="too_large"):
        decompress(gzip.compress(b"") * 200_000, "gzip", HttpOptions())


def test_gzip_of_some_members_is_read() -> None:
    assert decompress(gzip.compress(b"ab") * 90, "gzip", HttpOptions()) == b"ab" * 90


@pytest.mark.usefixtures("stopwatch")
def test_the_place_of_a_fault_is_not_searched_in_the_whole_body() -> None:
    body = b'{"pad":"%s","batch":[%s{"type":"page"}]}' % (b"x" * 3_500_000, b"{x}," * 4_000)
    assert len(read_batch(body).items) == 4_001


@pytest.mark.usefixtures("stopwatch")
def test_of_too_many_items_only_some_are_read() -> None:
    assert len(read_batch(b'{"batch":[' + b"1," * 1_999_000 + b"1]}", 5_000).items) == 5_001


@pytest.mark.usefixtures("stopwatch")
def test_marks_upon_marks_are_named_in_no_time() -> None:
    """Normalising them all takes the square of their number: 100 seconds for this one."""
    name = "a" + "\u0301\u0316" * 110_000
    judged = judge_items([json.dumps({"type": "track", "event": name}, ensure_ascii=False).encode()], _ARRIVAL)
    assert judged.rejected == []


def test_real_names_with_many_marks_are_names() -> None:
    for name in ("Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢" * 40, "ที่นี่" * 100):
        judged = judge_items([json.dumps({"type": "track", "event": name}).encode()], _ARRIVAL)
        assert judged.rejected == []


@pytest.mark.usefixtures("stopwatch")
def test_notes_with_long_paths_do_not_fill_the_memory() -> None:
    values = b",".join(b'"%d":NaN' % number for number in range(50_000))
    item = b'{"messageId":"1","type":"page","properties":{"%s":{%s}}}' % (b"k" * 400_000, values)
    assert judge_items([item], _ARRIVAL).rejected == [RejectReason.TOO_LARGE]


def test_long_times_are_not_kept() -> None:
    _short_moment.cache_clear()
    item = json.dumps({"type": "page", "timestamp": "2026" * 10_000, "sentAt": "2026" * 10_000}).encode()
    assert judge_items([item], _ARRIVAL).rejected == []
    assert _short_moment.cache_info().currsize == 0


def test_what_requests_hold_counts_decompressed() -> None:
    body = gzip.compress(json.dumps({"batch": [track(properties={"a": "x" * 90_000})]}).encode())
    with running_collector(MemorySink(), http=HttpOptions(max_open_bytes=100_000)) as collector:
        answer = collector.post("/v1/batch", body)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert collector.post("/v1/batch", {"batch": [track()]}).status_code == 200


def test_requests_without_a_key_yet_have_half_of_the_room() -> None:
    open_requests = OpenRequests(HttpOptions(max_open_requests=4, max_open_bytes=100))
    with open_requests.open() as first, open_requests.open() as second, open_requests.open() as third:
        first.belongs_to(NOBODY)
        second.belongs_to(NOBODY)
        with pytest.raises(RefusedRequestError, match="too many requests"):
            third.belongs_to(NOBODY)
        third.belongs_to(CUSTOMER)
        first.add(30)
        first.belongs_to(OTHER_CUSTOMER)
        with open_requests.open() as fourth:
            fourth.belongs_to(NOBODY)
            fourth.add(20)
        with pytest.raises(RefusedRequestError, match="too many requests"):
            first.add(21)
    assert (open_requests.requests, open_requests.bytes) == (0, 0)


@pytest.mark.parametrize("key", [KEY, None])
def test_bodies_that_never_come_leave_room_for_others(key: str | None) -> None:
    """One key, or none, opens requests and sends no body: requests of another key are answered."""
    authorization = "Authorization: Basic V0tfdGVzdDo=\r\n" if key else ""
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: 100\r\n\r\n{{"
    with running_collector(MemorySink(), http=HttpOptions(max_open_requests=4, body_seconds=2.0)) as collector:
        port = int(collector.url.rpartition(":")[2])
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
        for each in slow:
            each.sendall(head.encode())
        time.sleep(0.2)
        assert collector.post("/v1/batch", {"batch": [track()]}, key=OTHER_KEY).status_code == 200
        for each in slow:
            each.close()


def test_who_has_overdrawn_is_refused_before_its_body_is_read() -> None:
    with running_collector(MemorySink(), keys=Keys(limits={CUSTOMER: 1.0}), http=HttpOptions(burst_seconds=1.0)) as c:
        assert c.post("/v1/batch", {"batch": [track(n) for n in range(5)]}).status_code == 200
        assert c.post("/v1/batch", b"x", headers={"Content-Encoding": "br"}).status_code == 429


def test_large_bodies_do_not_hold_up_small_ones() -> None:
    large = gzip.compress(b'{"batch":[[' + b'{"a":0},' * 480_000 + b"1]]}")
    with running_collector(MemorySink()) as collector:
        threads = [threading.Thread(target=collector.post, args=("/v1/batch", large)) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        waits = []
        while any(thread.is_alive() for thread in threads):
            started = time.monotonic()
            assert collector.post("/v1/t", track(), key=OTHER_KEY).status_code == 200
            waits.append(time.monotonic() - started)
        assert len(waits) >= 3
