"""A collector as a process of its own, to be killed: `python -m …crashing PORT SPOOL ENDPOINT KINESIS_STREAM`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from clickstream_platform.collector.options import DeliveryOptions, HttpOptions, SpoolOptions
from clickstream_platform.collector.running import run_collector
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.kinesis_producer import KinesisProducer
from clickstream_platform_tests.collector.running import Keys


def main(port: str, spool: str, endpoint: str, kinesis_stream: str) -> None:
    """Collect until killed."""
    run_collector(
        socket.create_server(("127.0.0.1", int(port))),
        keys=Keys(),
        sink=KinesisProducer(kinesis_stream, endpoint_url=endpoint, region="us-east-1"),
        clock=SystemClock(),
        http=HttpOptions(),
        delivery=DeliveryOptions(spool_after_seconds=0.1, away_seconds=0.2, first_backoff_seconds=0.01),
        spool=SpoolOptions(Path(spool), segment_bytes=20_000),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
