"""`clickstream load`: one customer-hour, here and now, by the same path as Dagster's runs (but without Dagster)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.model.hours import Hour

if TYPE_CHECKING:
    from clickstream_platform.pipeline.reports import StreamReport

RUN_ID = "command-line"
STREAM_COLUMNS = ("event", "status", "raw", "loaded", "duplicates", "rejected", "discarded", "note")


@handle_errors
def load_command(
    customer: Annotated[str, typer.Option(metavar="SLUG", help="Customer to load.")],
    hour: Annotated[str, typer.Option(metavar="HOUR", help="Hour to load, UTC, like 2026-11-22T09.")],
    event: Annotated[list[str] | None, typer.Option(help="Only this event; repeat for more.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Load a customer-hour into its tables; what is loaded already is left as it is."""
    from clickstream_platform.pipeline.customer_hour import Order
    from clickstream_platform.pipeline.opening import open_pipeline

    console = Console(stderr=True)
    order = Order(customer, Hour.parse(hour), tuple(event) if event else None)
    with open_pipeline() as pipeline:
        report = pipeline.customer_hours.process(order, RUN_ID, lambda text: console.print(text, highlight=False))
    rows = [stream_cells(stream) for stream in report.streams]
    if as_json:
        print_json([dict(zip(STREAM_COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table(STREAM_COLUMNS, rows, title=f"{customer} {hour}")
    if report.failed:
        raise typer.Exit(code=1)


def stream_cells(stream: StreamReport) -> tuple[object, ...]:
    """Return the cells of what became of one stream-hour, in the order of STREAM_COLUMNS."""
    counts = stream.counts
    numbers = (counts.raw, counts.rows, counts.duplicates, counts.rejected, counts.discarded) if counts else (None,) * 5
    note = str(stream.error) if stream.error is not None else stream.reason
    return stream.event, stream.status.value, *numbers, note
