"""`clickstream replay`: read again from the Kinesis stream what lacks, or load raw hours again.

Belongs here: options and printing. Does not: moving shards back (`batcher.replaying`), loading again
(`pipeline.replays`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from clickstream_platform.cli.batcher import open_lease_table
from clickstream_platform.cli.collector import KinesisStreamOption, kinesis_settings
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.timestamps import parse_timestamp


@handle_errors
def replay_command(
    from_kinesis: Annotated[
        str, typer.Option(metavar="TIME", help="Read the Kinesis stream again from here, UTC, like 2026-11-22T09:30.")
    ] = "",
    kinesis_stream: KinesisStreamOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read again what was read before, without a row twice: from the Kinesis stream, or from the raw objects."""
    _replay_kinesis(from_kinesis, kinesis_stream, as_json=as_json)


def _replay_kinesis(since: str, kinesis_stream: str, *, as_json: bool) -> None:
    from clickstream_platform.batcher.replaying import rewind
    from clickstream_platform.gateways.clock import SystemClock

    moment = parse_timestamp(since)
    if moment is None:
        raise ConfigurationError("replaying", cause=f"{since!r} is no time", remedy="Write it like 2026-11-22T09:30.")
    table = open_lease_table(kinesis_settings(kinesis_stream))
    try:
        shards = rewind(table, moment, SystemClock().now())
    finally:
        table.close()
    if as_json:
        print_json({"since": moment, "shards": shards})
    else:
        print_table(("shard", "read again from"), [(shard, moment) for shard in shards])
