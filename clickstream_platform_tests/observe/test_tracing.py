"""One trace for each customer-hour, from the collector's requests to the load; off by default."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan

from clickstream_platform.batcher.batch_spans import MAX_SPANS, record_batch
from clickstream_platform.batcher.notes import WrittenObject
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.tracing import OtlpSpans
from clickstream_platform.model.manifests import ObjectRef
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.logs.context import log_context
from clickstream_platform.observe.logs.ecs import Service, line_of
from clickstream_platform.observe.tracing import Span, Thinning, is_tracing, root_id_of, start_tracing, trace_id_of
from clickstream_platform.pipeline.customer_hour import CustomerHours, Order
from clickstream_platform_tests.collector.running import CUSTOMER, MemorySink, running_collector, track
from clickstream_platform_tests.observe.logs.test_ecs import record as log_record
from clickstream_platform_tests.pipeline.stand_ins import NINE, StandInWiring

AT = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)


class Kept:
    """Keeps spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)

    def close(self, seconds: float) -> None:
        self.spans.clear()


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Record the spans of this process."""
    sink = Kept()
    start_tracing(sink)
    yield sink
    start_tracing(None)


def load_nine(wiring: StandInWiring) -> None:
    wiring.registry.add_customer(CUSTOMER)
    for event in ("order", "view"):
        wiring.put(CUSTOMER, event, NINE)
    work = CustomerHours(wiring.objects, wiring.registry, wiring.transformer, wiring.open_loader, wiring.clock)
    list(work.process_many([Order(CUSTOMER, NINE)], "run-1"))
    wiring.registry.close()


def test_collector_batcher_and_load_record_into_one_trace(kept: Kept) -> None:
    with running_collector(MemorySink()) as collector:
        for number in range(9):
            assert collector.post("/v1/track", track(number)).status_code == 200
    written = [WrittenObject(NINE, Stream(CUSTOMER, "order"), ObjectRef("k", 10, "e", 3))]
    record_batch("events.0", 4, written, 1_795_340_523_931, 1_795_340_823_931)
    load_nine(StandInWiring())
    assert {span.trace_id for span in kept.spans} == {trace_id_of(CUSTOMER, NINE)}
    names = [span.name for span in kept.spans]
    assert names == [*["collect"] * 4, "batch", f"{CUSTOMER} {NINE}", "load", "freeze", "stage", "load"]
    (root,) = (span for span in kept.spans if span.is_root)
    load = kept.spans[6]
    assert root.id == root_id_of(CUSTOMER, NINE)
    assert {span.parent_id for span in kept.spans if not span.is_root} == {root.id, load.id}
    assert load.attributes["rows"] == 20
    assert load.attributes["run_id"] == "run-1"


def test_a_failed_stream_is_an_error_of_its_load(kept: Kept) -> None:
    wiring = StandInWiring()
    wiring.loader.refused = {"order"}
    load_nine(wiring)
    (load,) = (span for span in kept.spans if span.name == "load" and span.attributes)
    assert "Mend it." in load.error
    assert load.attributes["failed_streams"] == 1


def test_a_batch_of_many_customers_records_the_largest(kept: Kept) -> None:
    written = [
        WrittenObject(NINE, Stream(f"customer_{number}", "order"), ObjectRef("k", number, "e", 1))
        for number in range(MAX_SPANS + 50)
    ]
    record_batch("events.0", 1, written, 0, 1)
    assert len(kept.spans) == MAX_SPANS
    assert kept.spans[0].customer == f"customer_{MAX_SPANS + 49}"


def test_tracing_is_off_unless_it_is_started() -> None:
    assert not is_tracing()
    load_nine(StandInWiring())


def test_requests_are_thinned_out() -> None:
    thinning = Thinning()
    recorded = [number for _ in range(1_000) if (number := thinning.count("acme", NINE))]
    assert recorded == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert thinning.count("tiny", NINE) == 1


def test_lines_about_a_customer_hour_have_its_trace() -> None:
    with log_context(customer="acme", hour=NINE):
        assert line_of(log_record("x"), Service("run").fields())["trace.id"] == trace_id_of("acme", NINE)


@pytest.fixture
def received() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Give the address of something that takes OTLP over HTTP, and what it took."""
    taken: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            taken.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's names
            """Log no requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


def sent(taken: list[ExportTraceServiceRequest]) -> dict[str, SentSpan]:
    return {
        span.name: span
        for request in taken
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_the_sdk_sends_them_with_our_ids(received: tuple[str, list[ExportTraceServiceRequest]]) -> None:
    address, taken = received
    spans = OtlpSpans(address, "run", version="1.0")
    root = root_id_of("acme", NINE)
    spans.take(Span("root", "acme", NINE, NINE.start, NINE.end, id=root, is_root=True))
    spans.take(Span("batch", "acme", NINE, AT, AT + timedelta(seconds=3), {"records": 5}, "it 'failed'"))
    spans.close(10.0)
    found = sent(taken)
    assert {span.trace_id.hex() for span in found.values()} == {trace_id_of("acme", NINE)}
    assert found["root"].span_id.hex() == root == found["batch"].parent_span_id.hex()
    assert found["root"].parent_span_id == b""
    assert found["batch"].end_time_unix_nano - found["batch"].start_time_unix_nano == 3_000_000_000
    assert found["batch"].status.message == "it '<masked>'"
    assert {each.key for each in found["batch"].attributes} == {"clickstream.customer", "clickstream.hour", "records"}


def test_the_same_share_of_traces_is_sent_by_every_process(
    received: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    address, taken = received
    for _ in range(2):
        spans = OtlpSpans(address, "run", share=0.25)
        for number in range(200):
            spans.take(Span("batch", f"customer_{number}", NINE, AT, AT))
        spans.close(10.0)
    traces = [
        [span.trace_id for scope in resource.scope_spans for span in scope.spans]
        for request in taken
        for resource in request.resource_spans
    ]
    assert set(traces[0]) == set(traces[1])
    assert 25 < len(traces[0]) < 80


def test_a_collector_that_is_away_costs_nobody_time_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    spans = OtlpSpans("http://127.0.0.1:9", "run")
    started = time.monotonic()
    for _ in range(10_000):
        spans.take(Span("batch", "acme", NINE, AT, AT))
    assert time.monotonic() - started < 10.0
    spans.close(3.0)
    assert [record.getMessage() for record in caplog.records] == [
        "Traces can't be sent to http://127.0.0.1:9/v1/traces; spans are dropped until they can"
    ]


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="CLICKSTREAM_TRACE_ENDPOINT"):
        OtlpSpans("otel:4318", "run")
