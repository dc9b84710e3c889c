"""`clickstream collector`: the HTTP tracking API in front of a Kinesis stream.

Belongs here: putting the collector together from the settings. Does not: the service (`collector`), write keys
(`pipeline.collector_keys`).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors, listening
from clickstream_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from clickstream_platform.collector.options import HttpOptions
    from clickstream_platform.settings import Settings

KinesisStreamOption = Annotated[
    str, typer.Option("--kinesis-stream", metavar="NAME", help="The Kinesis stream. Default: the setting's.")
]


@handle_errors
def collector_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    kinesis_stream: KinesisStreamOption = "",
) -> None:
    """Take events over HTTP and put them on Kinesis; 200 means they are safe. Stop with Ctrl-C or SIGTERM."""
    from clickstream_platform.collector.options import DeliveryOptions, SpoolOptions
    from clickstream_platform.collector.running import run_collector
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.gateways.kinesis_producer import KinesisProducer
    from clickstream_platform.pipeline.collector_keys import open_keys
    from clickstream_platform.pipeline.logs import start_logging

    settings, clock, delivery = kinesis_settings(kinesis_stream), SystemClock(), DeliveryOptions()
    start_logging("collector", settings)
    sink = KinesisProducer(
        settings.kinesis_stream,
        endpoint_url=settings.kinesis_endpoint_url,
        region=settings.kinesis_region,
        max_workers=2 * delivery.senders,
    )
    with listening("starting the collector", host, port) as listener, open_keys(settings, clock) as keys:
        sink.check()
        run_collector(
            listener,
            keys=keys,
            sink=sink,
            clock=clock,
            http=_http_options(settings),
            delivery=delivery,
            spool=SpoolOptions(settings.spool, max_bytes=settings.collector_spool_mb * 1_000_000),
            announce=lambda: _show_address(listener, settings),
        )


def kinesis_settings(kinesis_stream: str) -> Settings:
    """Return the settings with the Kinesis stream that was named.

    Raises ConfigurationError when neither an option nor the settings name one.
    """
    from clickstream_platform.settings import load_settings

    settings = load_settings()
    if kinesis_stream:
        settings = settings.model_copy(update={"kinesis_stream": kinesis_stream})
    if not settings.kinesis_stream:
        raise ConfigurationError(
            "finding the Kinesis stream",
            cause="none is named",
            remedy="Set CLICKSTREAM_KINESIS_STREAM, or give --kinesis-stream.",
        )
    return settings


def _http_options(settings: Settings) -> HttpOptions:
    from clickstream_platform.collector.options import HttpOptions

    proxies = tuple(part.strip() for part in settings.collector_trusted_proxies.split(",") if part.strip())
    return HttpOptions(
        events_per_second=settings.collector_events_per_second,
        trusted_proxies=proxies,
        public_url=settings.collector_public_url,
    )


def _show_address(listener: socket.socket, settings: Settings) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    text = f"The collector takes events at {address}/v1 for the Kinesis stream {settings.kinesis_stream}; "
    Console(stderr=True, highlight=False).print(f"{text}its spool is {settings.spool}.", soft_wrap=True)
