"""`clickstream exporter`: one long-lived process with the metrics of processes that die before a scrape."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import handle_errors


@handle_errors
def exporter_command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the metrics; 0 takes a free one.")] = 9464,
    host: Annotated[str, typer.Option(help="Address to listen on; the metrics ask for no password.")] = "127.0.0.1",
) -> None:
    """Serve Prometheus metrics on /metrics, read from what other processes left on disk; stop with Ctrl-C."""
    from functools import partial

    from prometheus_client import CollectorRegistry, start_http_server

    from clickstream_platform.errors import ConfigurationError
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.observe.snapshot_age import SnapshotAgeCollector
    from clickstream_platform.registry.client.ages import count_waiting, read_ages
    from clickstream_platform.registry.client.files import find_folder
    from clickstream_platform.settings import load_settings

    settings = load_settings()
    folder = find_folder(settings)
    metrics = CollectorRegistry()
    if folder is not None:
        metrics.register(
            SnapshotAgeCollector(partial(read_ages, folder, SystemClock().now), partial(count_waiting, folder))
        )
    try:
        server, thread = start_http_server(port, host, metrics)
    except OSError as error:
        raise ConfigurationError(
            "serving metrics", where=f"{host}:{port}", cause=str(error), remedy="Choose another --port or --host."
        ) from error
    address = f"http://{host}:{server.server_port}/metrics"
    Console(stderr=True).print(f"Metrics on {address}, read from {folder}. Stop with Ctrl-C.", soft_wrap=True)
    try:
        thread.join()
    except KeyboardInterrupt:
        server.shutdown()
    finally:
        server.server_close()
