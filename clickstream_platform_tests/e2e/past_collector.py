"""`clickstream collector` with a clock that is two hours behind, so that what it takes belongs to an hour that is over.

The batcher seals such an hour at once and the platform loads it at once; with the true clock a test would wait for up
to an hour. Everything else is as in production: write keys of the registry, Kinesis, the spool, the server.

    python -m clickstream_platform_tests.e2e.past_collector PORT
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
from clickstream_platform.collector.ports import RecordSink
from clickstream_platform.collector.running import run_collector
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.kinesis_producer import KinesisProducer
from clickstream_platform.pipeline.collector_keys import open_keys
from clickstream_platform.settings import load_settings

BEHIND = timedelta(hours=2)


class PastClock:
    """The machine's clock, two hours behind."""

    def now(self) -> datetime:
        """Return the moment of two hours ago."""
        return SystemClock().now() - BEHIND


def collect(
    port: int,
    wrap: Callable[[RecordSink], RecordSink] = lambda sink: sink,
    delivery: DeliveryOptions | None = None,
    segment_bytes: int = 8_000_000,
) -> None:
    """Take events on a port of the loopback address, with the environment's settings, until the process ends."""
    settings, clock = load_settings(), PastClock()
    sink = KinesisProducer(
        settings.kinesis_stream, endpoint_url=settings.kinesis_endpoint_url, region=settings.kinesis_region
    )
    # Write keys are judged by the same clock: none of the tests' keys expires, and when one was made does not count.
    with open_keys(settings, clock) as keys, socket.create_server(("127.0.0.1", port)) as listener:
        run_collector(
            listener,
            keys=keys,
            sink=wrap(sink),
            clock=clock,
            http=HttpOptions(),
            delivery=delivery or DeliveryOptions(),
            spool=SpoolOptions(settings.spool, segment_bytes=segment_bytes),
        )


if __name__ == "__main__":
    collect(int(sys.argv[1]))
