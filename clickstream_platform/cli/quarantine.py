"""`clickstream quarantine …`: look at rejected records, and try them again.

Belongs here: the options and the printing. Does not: reading quarantine objects (`quarantine`), retrying
(`ingest.retry`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clickstream_platform.cli.ingest import check_customer, number_of, work_dir
from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table, printable
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.ingest.ingest import IngestOptions
from clickstream_platform.ingest.retry import RetryReport, retry
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.records import RejectReason
from clickstream_platform.quarantine.quarantine import Quarantine, QuarantineObject, Selection

if TYPE_CHECKING:
    from clickstream_platform.wiring import Wiring

quarantine_app = typer.Typer(help="Rejected records: list, show, retry.", no_args_is_help=True)

CustomerOption = Annotated[str, typer.Option(metavar="SLUG", help="Customer whose records these are.")]
EventOption = Annotated[
    str | None, typer.Option(metavar="SLUG", help="Only this event; _unidentified holds what names none.")
]
HourOption = Annotated[str | None, typer.Option(metavar="HOUR", help="Only this hour, UTC, like 2026-11-22T09.")]
ReasonOption = Annotated[RejectReason | None, typer.Option(help="Only records rejected for this reason.")]

_SHOWN_CHARACTERS = 500

_Shown = tuple[QuarantineObject, QuarantinedRecord]


@quarantine_app.command("list")
@handle_errors
def list_command(
    customer: CustomerOption,
    event: EventOption = None,
    hour: HourOption = None,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the rejected records by stream-hour and reason."""
    quarantine, selection = _open(customer, event, hour, reason)[1:]
    counts = quarantine.counts(selection)
    if as_json:
        print_json(
            [
                {"event": each.stream.event, "hour": str(each.hour), "reason": each.reason, "records": each.records}
                for each in counts
            ]
        )
        return
    rows = [(each.stream.event, str(each.hour), str(each.reason), each.records) for each in counts]
    print_table(("event", "hour", "reason", "records"), rows)


@quarantine_app.command("show")
@handle_errors
def show_command(
    customer: CustomerOption,
    event: EventOption = None,
    hour: HourOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many records; 0 for all.")] = 20,
    is_raw: Annotated[bool, typer.Option("--raw", help="Print nothing but the exact bytes of each record.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show rejected records with object, line, reason and bytes."""
    if is_raw and as_json:
        raise ConfigurationError(
            "showing the quarantine", cause="--raw and --json exclude each other", remedy="Give one of them."
        )
    quarantine, selection = _open(customer, event, hour, reason)[1:]
    found = _records(quarantine, selection)
    shown = islice(found, limit) if limit else found
    if as_json:
        print_json([_document(*each) for each in shown])
    elif is_raw:
        for _, record in shown:
            typer.echo(record.data)
    else:
        for item, record in shown:
            _print_record(item, record)
    if next(found, None) is not None:
        typer.echo(f"notice: only the first {limit:,} records are shown; --limit 0 shows all.", err=True)


@quarantine_app.command("retry")
@handle_errors
def retry_command(
    customer: CustomerOption,
    event: EventOption = None,
    hour: HourOption = None,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write rejected records that name a stream now as raw objects again, so that the next load judges them anew."""
    wiring, quarantine, selection = _open(customer, event, hour, reason)
    items = quarantine.objects(selection)
    folder = work_dir(wiring.settings.work_dir)
    reports = [
        (
            item,
            retry(
                wiring.objects, _Reader(quarantine, item, selection.reason), IngestOptions(customer, item.hour, folder)
            ),
        )
        for item in items
    ]
    if as_json:
        print_json([_retry_document(item, report) for item, report in reports])
        return
    columns = ("event", "hour", "retried", "still name no stream", "retried before", "new objects")
    rows = [
        (item.stream.event, str(item.hour), each.routed, each.staying, each.retried_before, each.new_objects)
        for item, each in reports
    ]
    print_table(columns, rows)
    typer.echo(_retry_sentence([report for _, report in reports]))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one quarantine object from its start each time it is called."""

    quarantine: Quarantine
    item: QuarantineObject
    reason: RejectReason | None

    def __call__(self) -> Iterator[QuarantinedRecord]:
        return self.quarantine.records(self.item, self.reason)


def _open(
    customer: str, event: str | None, hour: str | None, reason: RejectReason | None
) -> tuple[Wiring, Quarantine, Selection]:
    from clickstream_platform.wiring import open_wiring

    check_customer(customer)
    selection = Selection(customer, event, None if hour is None else Hour.parse(hour), reason)
    wiring = open_wiring()
    return wiring, Quarantine(wiring.objects), selection


def _records(quarantine: Quarantine, selection: Selection) -> Iterator[_Shown]:
    for item in quarantine.objects(selection):
        for record in quarantine.whole_records(item, selection.reason):
            yield item, record


def _print_record(item: QuarantineObject, record: QuarantinedRecord) -> None:
    detail = f": {record.detail}" if record.detail else ""
    # Four bytes a character at most: the rest of a huge record is not even decoded.
    text = record.data[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace")
    is_cut = len(text) > _SHOWN_CHARACTERS or len(record.data) > 4 * _SHOWN_CHARACTERS
    more = f"… ({len(record.data):,} bytes)" if is_cut else ""
    typer.echo(f"{item.stream} {item.hour} {record.reason}{printable(detail)}")
    typer.echo(f"  {printable(record.object_key)} line {record.line}")
    typer.echo(f"  {printable(text[:_SHOWN_CHARACTERS])}{more}\n")


def _document(item: QuarantineObject, record: QuarantinedRecord) -> dict[str, Any]:
    return {"event": item.stream.event, "hour": str(item.hour), **json.loads(record.to_json())}


def _retry_document(item: QuarantineObject, report: RetryReport) -> dict[str, Any]:
    return {
        "event": item.stream.event,
        "hour": str(item.hour),
        "retried": report.routed,
        "unidentified": report.staying,
        "retried_before": report.retried_before,
        "new_objects": report.new_objects,
        "new_seals": report.new_seals,
        "stream_hours": [
            {"event": each.event, "hour": str(each.hour), "records": each.records, "new_objects": each.new_objects}
            for each in report.stream_hours
        ],
    }


def _retry_sentence(reports: list[RetryReport]) -> str:
    routed, new = sum(each.routed for each in reports), sum(each.new_objects for each in reports)
    if not routed:
        return "Nothing to retry: no record names a stream."
    if not new:
        return f"Every record that names a stream ({routed:,}) had been retried before; nothing was written."
    hours = {(each.event, each.hour) for report in reports for each in report.stream_hours}
    return (
        f"Raw again: {number_of('record', routed)} of {number_of('stream-hour', len(hours))}, in "
        f"{number_of('new object', new)}. The next load judges them anew; what is rejected again comes back here."
    )
