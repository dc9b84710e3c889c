"""`clickstream batcher`, one instance of it; `shards` shows what all of them do, `replay-kinesis` reads again.

Belongs here: options, signals, wiring. Does not: any work on shards (`batcher`).
"""

from __future__ import annotations

import logging
import signal
import socket
import tempfile
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.timestamps import parse_timestamp

if TYPE_CHECKING:
    from clickstream_platform.batcher.config import BatcherConfig
    from clickstream_platform.batcher.lease_table import SqlLeaseTable
    from clickstream_platform.batcher.shard_worker import Parts
    from clickstream_platform.settings import Settings

StreamOption = Annotated[str, typer.Option("--kinesis-stream", metavar="NAME", help="The Kinesis stream to read.")]
ApplicationOption = Annotated[
    str, typer.Option(metavar="NAME", help="Instances with this name share leases. Default: the Kinesis stream's name.")
]
LeasesOption = Annotated[
    str,
    typer.Option(
        metavar="URL", help="SQLAlchemy URL of the lease table. Default: the registry's, else <home>/batcher.db."
    ),
]


@handle_errors
def batcher_command(
    kinesis_stream: StreamOption,
    application: ApplicationOption = "",
    leases_url: LeasesOption = "",
    endpoint_url: Annotated[str, typer.Option(help="Kinesis endpoint when it is not AWS's own.")] = "",
    region: Annotated[str, typer.Option(help="AWS region of the Kinesis stream. Default: boto3's own choice.")] = "",
    batch_seconds: Annotated[float, typer.Option(min=0.1, help="A batch ends after this time, in seconds.")] = 300.0,
    batch_mb: Annotated[int, typer.Option(min=1, help="A batch ends with this many MB of lines.")] = 512,
    object_mb: Annotated[int, typer.Option(min=1, help="A raw object ends with this many MB of lines.")] = 64,
    memory_mb: Annotated[int, typer.Option(min=1, help="Memory for the lines of one shard; more goes to disk.")] = 64,
    window_hours: Annotated[int, typer.Option(min=1, help="A repeated messageId is removed for so long.")] = 24,
    grace_seconds: Annotated[float, typer.Option(min=0, help="An hour is sealed this long after its end.")] = 120.0,
    failover_seconds: Annotated[
        float, typer.Option(min=0.5, help="Leases of an instance that is silent for so long are taken over.")
    ] = 20.0,
    metrics_port: Annotated[int, typer.Option(min=-1, max=65535, help="Port of /metrics; -1: none.")] = 9465,
    metrics_host: Annotated[str, typer.Option(help="Address of /metrics; it asks for no password.")] = "127.0.0.1",
) -> None:
    """Turn a Kinesis stream into sealed hours of raw objects; stop with Ctrl-C or SIGTERM."""
    from clickstream_platform.batcher.bounds import MEGABYTE, BatchBounds, ObjectBounds
    from clickstream_platform.batcher.config import BatcherConfig
    from clickstream_platform.batcher.names import check_application
    from clickstream_platform.settings import load_settings

    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    with tempfile.TemporaryDirectory(prefix="clickstream-batcher-", dir=settings.work_dir or None) as folder:
        config = BatcherConfig(
            check_application(application or kinesis_stream),
            kinesis_stream,
            Path(folder),
            batch=BatchBounds(max_bytes=batch_mb * MEGABYTE, max_age_seconds=batch_seconds),
            objects=ObjectBounds(max_bytes=object_mb * MEGABYTE),
            window_seconds=window_hours * 3_600,
            grace_seconds=grace_seconds,
            memory_bytes=memory_mb * MEGABYTE,
            failover_seconds=failover_seconds,
        )
        parts = _parts(settings, config, leases_url, endpoint_url or None, region or None)
        if metrics_port >= 0:
            _serve_metrics(parts, metrics_host, metrics_port)
        _run(parts)


def _parts(
    settings: Settings, config: BatcherConfig, leases_url: str, endpoint_url: str | None, region: str | None
) -> Parts:
    from clickstream_platform.batcher.shard_worker import Parts
    from clickstream_platform.gateways.kinesis_reader import KinesisReader
    from clickstream_platform.observe.batcher_metrics import BatcherMetrics
    from clickstream_platform.wiring import open_wiring

    wiring = open_wiring(settings)
    reader = KinesisReader(config.kinesis_stream, endpoint_url=endpoint_url, region=region, clock=wiring.clock)
    table = _open_table(settings, leases_url, config.application)
    return Parts(config, reader, table, wiring.objects, wiring.clock, BatcherMetrics())


def _open_table(settings: Settings, leases_url: str, application: str) -> SqlLeaseTable:
    from clickstream_platform.batcher.lease_table import SqlLeaseTable

    default = settings.registry_url
    if not default or default.startswith("sqlite"):
        # A file of its own: the batcher writes every few seconds, and in SQLite writers of one file take turns.
        settings.home.mkdir(parents=True, exist_ok=True)
        default = f"sqlite:///{settings.home.absolute() / 'batcher.db'}"
    return SqlLeaseTable(leases_url or default, application)


def _serve_metrics(parts: Parts, host: str, port: int) -> None:
    from prometheus_client import start_http_server

    try:
        start_http_server(port, host, parts.metrics.registry)
    except OSError as error:
        remedy = "Choose another --metrics-port."
        raise ConfigurationError("serving metrics", where=f"{host}:{port}", cause=str(error), remedy=remedy) from error


def _run(parts: Parts) -> None:
    from clickstream_platform.batcher.instance import Instance

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    owner = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    logging.getLogger(__name__).info("%s reads %s as %s", owner, parts.config.kinesis_stream, parts.config.application)
    Instance(parts, owner).run(stop)


@handle_errors
def replay_kinesis_command(
    since: Annotated[str, typer.Argument(metavar="TIME", help="Read again from here, UTC, like 2026-11-22T09:30.")],
    kinesis_stream: StreamOption,
    application: ApplicationOption = "",
    leases_url: LeasesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let the batcher read its shards again from a time on; what it had written is removed as duplicates."""
    from clickstream_platform.batcher.replaying import rewind
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.settings import load_settings

    moment = parse_timestamp(since)
    if moment is None:
        raise ConfigurationError("replaying", cause=f"{since!r} is no time", remedy="Write it like 2026-11-22T09:30.")
    table = _open_table(load_settings(), leases_url, application or kinesis_stream)
    try:
        shards = rewind(table, moment, SystemClock().now())
    finally:
        table.close()
    if as_json:
        print_json({"since": moment, "shards": shards})
    else:
        print_table(("shard", "read again from"), [(shard, moment) for shard in shards])


@handle_errors
def shards_command(
    kinesis_stream: StreamOption,
    application: ApplicationOption = "",
    leases_url: LeasesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show who reads which shard, how far everything is written, and which hours are not sealed."""
    from clickstream_platform.settings import load_settings

    table = _open_table(load_settings(), leases_url, application or kinesis_stream)
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
