"""`clickstream replay`: what was read before is read again, from the Kinesis stream or from the raw objects.

Belongs here: options and printing. Does not: moving shards back (`batcher.replaying`), loading hours again
(`pipeline.replays`).
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.collector import KinesisStreamOption, kinesis_settings
from clickstream_platform.cli.load import STREAM_COLUMNS, stream_cells
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.timestamps import parse_timestamp

RUN_ID = "replay"
_COLUMNS = ("customer", "hour", *STREAM_COLUMNS)


@handle_errors
def replay_command(
    from_kinesis: Annotated[
        str, typer.Option(metavar="TIME", help="Read the Kinesis stream again from here, UTC, like 2026-11-22T09:30.")
    ] = "",
    kinesis_stream: KinesisStreamOption = "",
    from_raw: Annotated[
        str, typer.Option(metavar="HOUR", help="Load raw hours again from this one on, UTC, like 2026-11-22T09.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="HOUR", help="The last hour to load again. Default: the last that is closed.")
    ] = "",
    customer: Annotated[str, typer.Option(metavar="SLUG", help="Load only this customer's hours again.")] = "",
    event: Annotated[list[str] | None, typer.Option(help="Load only this event again; repeat for more.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read again what was read before, no row twice: from the Kinesis stream, or from the raw objects."""
    if bool(from_kinesis) == bool(from_raw):
        raise _refusal("it must be said from where", "Give either --from-kinesis TIME or --from-raw HOUR.")
    if from_kinesis:
        if until or customer or event:
            raise _refusal(
                "--until, --customer and --event are for --from-raw",
                "Leave them out: a shard holds the events of everybody.",
            )
        _replay_kinesis(from_kinesis, kinesis_stream, as_json=as_json)
        return
    if kinesis_stream:
        raise _refusal("--kinesis-stream is for --from-kinesis", "Leave it out.")
    _replay_raw(from_raw, until, customer or None, tuple(event) if event else None, as_json=as_json)


def _replay_kinesis(since: str, kinesis_stream: str, *, as_json: bool) -> None:
    from clickstream_platform.batcher.replaying import rewind
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.wiring import lease_table

    moment = parse_timestamp(since)
    if moment is None:
        raise _refusal(f"{since!r} is no time", "Write it like 2026-11-22T09:30.")
    table = lease_table(kinesis_settings(kinesis_stream))
    try:
        shards = rewind(table, moment, SystemClock().now())
    finally:
        table.close()
    if as_json:
        print_json({"since": moment, "shards": shards})
    else:
        print_table(("shard", "read again from"), [(shard, moment) for shard in shards])


def _replay_raw(first: str, last: str, customer: str | None, events: tuple[str, ...] | None, *, as_json: bool) -> None:
    from clickstream_platform.pipeline.opening import open_pipeline
    from clickstream_platform.pipeline.replays import Selection

    console = Console(stderr=True)
    rows: list[tuple[object, ...]] = []
    has_failed = False
    with open_pipeline() as pipeline:
        now = Hour.of(pipeline.wiring.clock.now())
        selection = Selection(Hour.parse(first), Hour.parse(last) if last else now, customer, events)
        if selection.last < selection.first:
            raise _refusal(f"{selection.last} is before {selection.first}", "Give the earlier hour to --from-raw.")
        try:
            for report in pipeline.replays.replay(
                selection, RUN_ID, lambda text: console.print(text, highlight=False, markup=False)
            ):
                rows += [(report.customer, str(report.hour), *stream_cells(stream)) for stream in report.streams]
                has_failed |= bool(report.failed)
        finally:  # an error that ends it does not hide what was done
            if as_json:
                print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
            else:
                print_table(_COLUMNS, rows)
    if has_failed:
        raise typer.Exit(code=1)


def _refusal(cause: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("replaying", cause=cause, remedy=remedy)
