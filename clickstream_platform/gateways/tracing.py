"""Spans to an OpenTelemetry collector, by OTLP over HTTP.

Belongs here: the SDK. Does not: what is traced (`observe.tracing`). The SDK's own thread sends; a queue that is full
drops spans, and a collector that is away costs nothing but them.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.logs.redaction import redact
from clickstream_platform.observe.tracing import Span, span_id_of

_logger = logging.getLogger(__name__)
EXPORT_SECONDS, QUEUE_SPANS, DELAY_MILLISECONDS = 5, 4_096, 2_000
_TRACES_PATH = "/v1/traces"
_SHARES = 1 << 56


class OtlpSpans:
    """Hands spans to the SDK."""

    def __init__(
        self,
        endpoint: str,
        service: str,
        *,
        version: str = "",
        share: float = 1.0,
    ) -> None:
        """Send to an OTLP address such as http://collector:4318, the same share of all traces in every process.

        Headers, if the collector wants any, are read from OTEL_EXPORTER_OTLP_HEADERS by the SDK. Raises
        ConfigurationError for something that is no address.
        """
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(
                "starting traces",
                cause="the address of the collector is not like http://collector:4318",
                remedy="Set CLICKSTREAM_TRACE_ENDPOINT, or leave it empty for no traces.",
            )
        whole = endpoint if address.path.strip("/") else endpoint.rstrip("/") + _TRACES_PATH
        self._ids = _PlannedIds()
        self._share = share
        resource = Resource.create({"service.name": service, "service.version": version})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _Telling(OTLPSpanExporter(endpoint=whole, timeout=EXPORT_SECONDS), whole),
                max_queue_size=QUEUE_SPANS,
                schedule_delay_millis=DELAY_MILLISECONDS,
                export_timeout_millis=EXPORT_SECONDS * 1_000,
            )
        )
        self._tracer = self._provider.get_tracer("clickstream_platform")
        atexit.register(self.close, EXPORT_SECONDS)

    def take(self, span: Span) -> None:
        """Hand a span on, unless its trace is none of the share."""
        if int(span.trace_id[-14:], 16) >= self._share * _SHARES:
            return
        self._ids.plan(int(span.trace_id, 16), int(span.id or span_id_of(span.name, span.start, id(span)), 16))
        made = self._tracer.start_span(
            span.name,
            context=_below(span),
            kind=SpanKind.INTERNAL,
            attributes={"clickstream.customer": span.customer, "clickstream.hour": str(span.hour), **span.attributes},
            start_time=_nanoseconds(span.start),
        )
        if span.error:
            made.set_status(Status(StatusCode.ERROR, redact(span.error)[:500]))
        made.end(end_time=_nanoseconds(span.end))

    def close(self, seconds: float) -> None:
        """Send what is there, for so many seconds at most."""
        thread = threading.Thread(target=self._provider.shutdown, name="trace-end", daemon=True)
        thread.start()
        thread.join(seconds)


class _Telling(SpanExporter):
    """Says once that the collector is away and once that it is back; the SDK would say it with every try."""

    def __init__(self, exporter: SpanExporter, address: str) -> None:
        self._exporter, self._address, self._is_away = exporter, address, False
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that can't be sent are gone."""
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        if is_away and not self._is_away:
            _logger.warning("Traces can't be sent to %s; spans are dropped until they can", self._address)
        elif self._is_away and not is_away:
            _logger.info("Traces are sent to %s again", self._address)
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._exporter.shutdown()


class _PlannedIds(RandomIdGenerator):
    """Gives the ids that were planned by the same thread, so that every process gives a piece of work the same."""

    def __init__(self) -> None:
        self._planned = threading.local()

    def plan(self, trace_id: int, span_id: int) -> None:
        """Give these to the next span."""
        self._planned.ids = (trace_id, span_id)

    def generate_trace_id(self) -> int:
        """Return the planned trace id."""
        return int(self._planned.ids[0])

    def generate_span_id(self) -> int:
        """Return the planned span id."""
        return int(self._planned.ids[1])


def _below(span: Span) -> Context:
    if not span.parent_id:
        return Context()
    parent = SpanContext(int(span.trace_id, 16), int(span.parent_id, 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(parent))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
