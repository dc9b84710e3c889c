"""`clickstream exporter`: one long-lived process with the metrics of processes that die before a scrape."""

from __future__ import annotations

import threading
from contextlib import suppress
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

    from prometheus_client import CollectorRegistry

    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.observe.health_server import serving_health
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
    with serving_health(host, port, metrics) as bound, suppress(KeyboardInterrupt):
        address = f"http://{host}:{bound}/metrics"
        Console(stderr=True).print(f"Metrics on {address}, read from {folder}. Stop with Ctrl-C.", soft_wrap=True)
        threading.Event().wait()
