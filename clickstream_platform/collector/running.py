"""The whole collector on one socket: its parts put together in the order in which they need each other.

Belongs here: that. Does not: where keys, sink, clock and options come from (`clickstream collector`, tests).
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from starlette.types import ASGIApp

from clickstream_platform.collector.app import make_app
from clickstream_platform.collector.delivery import Delivery
from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
from clickstream_platform.collector.ports import KeyDirectory, RecordSink
from clickstream_platform.collector.serving import serve
from clickstream_platform.collector.spooling import Spooler
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.collector_metrics import CollectorMetrics


def build_collector(
    *,
    keys: KeyDirectory,
    sink: RecordSink,
    clock: Clock,
    http: HttpOptions,
    delivery: DeliveryOptions,
    spool: SpoolOptions | None,
) -> ASGIApp:
    """Return the application; raise ConfigurationError when the spool's folder can't be used."""
    metrics = CollectorMetrics()
    spooler = Spooler(spool, delivery.customer_share, metrics) if spool is not None else None
    return make_app(
        keys=keys,
        delivery=Delivery(sink, spooler, delivery, metrics),
        clock=clock,
        options=http,
        metrics=metrics,
    )


def run_collector(
    listener: socket.socket,
    *,
    keys: KeyDirectory,
    sink: RecordSink,
    clock: Clock,
    http: HttpOptions,
    delivery: DeliveryOptions,
    spool: SpoolOptions | None,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Take events on a bound socket until the process is asked to stop, then drain."""
    app = build_collector(keys=keys, sink=sink, clock=clock, http=http, delivery=delivery, spool=spool)
    serve(app, listener, announce)
