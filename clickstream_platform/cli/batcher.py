"""`clickstream batcher`, one instance of it; `shards` shows what all of them do.

Belongs here: options, signals, wiring. Does not: any work on shards (`batcher`), reading again (`replay`).
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import tempfile
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream_platform.cli.collector import KinesisStreamOption, kinesis_settings
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table

if TYPE_CHECKING:
    from clickstream_platform.batcher.config import BatcherConfig
    from clickstream_platform.batcher.shard_worker import Parts
    from clickstream_platform.settings import Settings

_logger = logging.getLogger(__name__)
SWITCH_SECONDS = 0.0005


@handle_errors
def batcher_command(
    host: Annotated[str, typer.Option(help="Address of /metrics, /healthz and /readyz.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Their port; 0 takes a free one.")] = 9465,
    kinesis_stream: KinesisStreamOption = "",
) -> None:
    """Turn a Kinesis stream into sealed hours of raw objects; stop with Ctrl-C or SIGTERM."""
    from clickstream_platform.batcher.instance import Instance
    from clickstream_platform.observe.health_server import serving_health
    from clickstream_platform.observe.log_metrics import register_logs
    from clickstream_platform.pipeline.logs import start_logging

    settings, stop = kinesis_settings(kinesis_stream), _stop_on_signals()
    start_logging("batcher", settings)
    with tempfile.TemporaryDirectory(prefix="clickstream-batcher-", dir=settings.work_dir or None) as folder:
        parts = _parts(settings, _config(settings, Path(folder)))
        register_logs(parts.metrics.registry)
        instance = Instance(parts, owner := f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}")
        with serving_health(
            host, port, parts.metrics.registry, is_alive=instance.find_stuck, is_ready=instance.find_unready
        ) as bound:
            _logger.info("%s reads %s, health on http://%s:%d", owner, settings.kinesis_stream, host, bound)
            # With the default of 5 ms, 60 shards that catch up keep the thread that renews leases from running for
            # seconds.
            sys.setswitchinterval(SWITCH_SECONDS)
            instance.run(stop)


def _config(settings: Settings, folder: Path) -> BatcherConfig:
    from clickstream_platform.batcher.bounds import MEGABYTE, BatchBounds, ObjectBounds
    from clickstream_platform.batcher.config import BatcherConfig
    from clickstream_platform.batcher.names import check_application

    return BatcherConfig(
        check_application(settings.application),
        settings.kinesis_stream,
        folder,
        batch=BatchBounds(
            max_bytes=settings.batcher_batch_mb * MEGABYTE, max_age_seconds=settings.batcher_batch_seconds
        ),
        objects=ObjectBounds(max_bytes=settings.batcher_object_mb * MEGABYTE),
        window_seconds=settings.batcher_window_hours * 3_600,
        grace_seconds=settings.batcher_grace_seconds,
        memory_bytes=settings.batcher_memory_mb * MEGABYTE,
        failover_seconds=settings.batcher_failover_seconds,
        max_leases=settings.batcher_max_leases,
    )


def _parts(settings: Settings, config: BatcherConfig) -> Parts:
    from clickstream_platform.batcher.shard_worker import Parts
    from clickstream_platform.observe.batcher_metrics import BatcherMetrics
    from clickstream_platform.wiring import kinesis_reader, lease_table, open_wiring

    wiring = open_wiring(settings)
    reader, table = kinesis_reader(settings, wiring.clock), lease_table(settings)
    return Parts(config, reader, table, wiring.objects, wiring.clock, BatcherMetrics())


def _stop_on_signals() -> threading.Event:
    """Return what is set when the process is told to end, also while it still starts: it ends in order then, too."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@handle_errors
def shards_command(
    kinesis_stream: KinesisStreamOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show who reads which shard, how far everything is written, and which hours are not sealed."""
    from clickstream_platform.wiring import lease_table

    table = lease_table(kinesis_settings(kinesis_stream))
    try:
        leases = table.list_leases()
    finally:
        table.close()
    shards = [
        {
            "shard": lease.shard_id,
            "parents": list(lease.parents),
            "owner": lease.owner,
            "position": lease.position or "oldest",
            "written_until": None if lease.watermark_ms is None else _moment(lease.watermark_ms),
            "batches": lease.batches,
            "is_writing": lease.plan is not None,
            "is_finished": lease.is_finished,
            "unsealed_hours": [str(hour) for hour in sorted(lease.unsealed)],
        }
        for lease in leases
    ]
    if as_json:
        print_json(shards)
        return
    columns = ("shard", "owner", "written_until", "batches", "is_finished", "unsealed_hours")
    rows = [[", ".join(cell) if isinstance(cell, list) else cell for cell in map(each.get, columns)] for each in shards]
    print_table([column.replace("_", " ") for column in columns], rows)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
