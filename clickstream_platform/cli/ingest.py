"""`clickstream ingest`: files of events become raw objects and seals.

Belongs here: the options, the progress bar and the summary. Does not: any step of ingesting (`ingest`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table, printable
from clickstream_platform.errors import InvalidNameError
from clickstream_platform.ingest.ingest import IngestOptions, IngestReport, ingest
from clickstream_platform.ingest.sources import Source, spool
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.naming import customer_slug, is_slug
from clickstream_platform.model.streams import UNIDENTIFIED
from clickstream_platform.registry.refusals import NotFoundError, removed_customer

if TYPE_CHECKING:
    from clickstream_platform.registry.reader import RegistryReader

STANDARD_INPUT = "-"
_LARGEST_SHOWN = 40


@handle_errors
def ingest_command(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="NDJSON or NDJSON.gz files; - reads standard input.")
    ],
    customer: Annotated[str, typer.Option(metavar="SLUG", help="Customer whose events these are.")],
    hour: Annotated[
        str | None,
        typer.Option(metavar="HOUR", help="Hour of records without receivedAt, UTC, like 2026-11-22T09. Default: now."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write files of Segment-specification events as raw objects and seal their hours; a second time writes nothing."""
    from clickstream_platform.wiring import open_wiring

    check_customer(customer)
    stated = Hour.parse(hour) if hour is not None else None
    wiring = open_wiring()
    options = IngestOptions(customer, stated or Hour.of(wiring.clock.now()), work_dir(wiring.settings.work_dir))
    with tempfile.TemporaryDirectory(prefix="clickstream-stdin-", dir=options.work_dir) as folder:
        opened = [_opener(name, Path(folder) / str(number)) for number, name in enumerate(files)]
        with wiring.registry as registry:
            add_unknown_customer(registry, customer)
        reports = []
        for name, open_source in zip(files, opened, strict=True):
            with _progress(name) as advance:
                report = ingest(wiring.objects, open_source(advance), options, advance)
            _warn(report, options.default_hour)
            reports.append(report)
    if as_json:
        print_json(_document(customer, options.default_hour, reports))
    else:
        _print_summary(reports)


def check_customer(slug: str) -> None:
    """Raise InvalidNameError unless the customer's name is a slug."""
    if not is_slug(slug):
        raise InvalidNameError(
            "naming a customer", cause=f"{slug!r} is not a slug", remedy=f"Perhaps you mean {customer_slug(slug)!r}."
        )


def add_unknown_customer(registry: RegistryReader, slug: str) -> None:
    """Add the customer when the registry has none of this name; raise ConflictError when it was removed."""
    try:
        found = registry.get_customer(slug)
    except NotFoundError:
        registry.add_customer(slug)
        typer.echo(f"notice: customer {slug!r} was unknown and is now in the registry.", err=True)
        return
    if found.removed_at is not None:
        raise removed_customer(slug)


def work_dir(setting: str) -> Path | None:
    """Return the folder for temporary files that a setting names, made if need be; None stands for the system's."""
    if not setting:
        return None
    folder = Path(setting)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Advance = Callable[[str, int, int], None]


def _opener(name: str, spooled: Path) -> Callable[[Advance], Source]:
    """Check a file now, so that a wrong name among many stops before anything is written; read standard input later."""
    if name == STANDARD_INPUT:
        return lambda advance: spool("standard input", typer.get_binary_stream("stdin"), spooled, advance)
    source = Source.of_file(Path(name))
    return lambda _: source


@contextmanager
def _progress(name: str) -> Iterator[Advance]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    shown = printable(Path(name).name) if name != STANDARD_INPUT else "standard input"
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(shown, total=None)
        yield lambda phase, done, total: progress.update(
            task, description=f"{phase} {shown}", completed=done, total=total or None
        )


def _warn(report: IngestReport, hour: Hour) -> None:
    """Say on standard error what of a source names no stream or could not be read at all."""
    name, kept = printable(report.source), f"{report.customer}/{UNIDENTIFIED} {hour}"
    if (damage := report.damage) is not None:
        typer.echo(
            f"warning: {name} is damaged ({damage.reason}): {printable(damage.detail)}. All {damage.line - 1:,} lines "
            f"before line {damage.line:,} were ingested; what could be read of the rest ({len(damage.rest):,} bytes) "
            f"is kept in {kept}.",
            err=True,
        )
    if report.unidentified:
        typer.echo(
            f"notice: {report.unidentified:,} of {report.records:,} lines of {name} name no stream (no JSON object, no "
            f"known type or no event name); they are kept in {kept} and go to quarantine when that hour is loaded.",
            err=True,
        )


def _print_summary(reports: Sequence[IngestReport]) -> None:
    for report in reports:
        typer.echo(_sentence(report))
    rows = [
        (report.source, item.event, str(item.hour), item.records, item.size_bytes, item.objects, item.new_objects)
        for report in reports
        for item in report.stream_hours
    ]
    largest = set(nlargest(_LARGEST_SHOWN, range(len(rows)), key=lambda index: rows[index][3]))
    first = 0 if len(reports) > 1 else 1  # one source needs no column
    shown = [row[first:] for index, row in enumerate(rows) if index in largest]
    if shown:
        print_table(("source", "event", "hour", "records", "bytes", "objects", "new objects")[first:], shown)
    if len(rows) > len(shown):
        typer.echo(f"and {len(rows) - len(shown):,} smaller stream-hours; --json lists all of them.")


def _sentence(report: IngestReport) -> str:
    name = printable(report.source)
    if not report.stream_hours:
        return f"{name}: no lines."
    streams = number_of("stream", len({item.event for item in report.stream_hours}))
    hours = number_of("hour", len({item.hour for item in report.stream_hours}))
    what = f"{number_of('record', report.records)} of {streams} in {hours}"
    if report.is_already_ingested:
        return f"{name}: already ingested, nothing new was written ({what})."
    return f"{name}: {what}, {number_of('new object', report.new_objects)}, {number_of('new seal', report.new_seals)}."


def number_of(noun: str, count: int) -> str:
    """Return a count with its noun in the right form."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _document(customer: str, hour: Hour, reports: Sequence[IngestReport]) -> dict[str, Any]:
    return {
        "customer": customer,
        "default_hour": str(hour),
        "records": sum(report.records for report in reports),
        "already_ingested": all(report.is_already_ingested or not report.stream_hours for report in reports),
        "sources": [_source_document(report) for report in reports],
    }


def _source_document(report: IngestReport) -> dict[str, Any]:
    damage = report.damage
    return {
        "source": report.source,
        "digest": report.digest,
        "source_bytes": report.source_bytes,
        "records": report.records,
        "lines": report.records - report.markers,
        "unidentified": report.unidentified,
        "damage_markers": report.markers,
        "damage": None
        if damage is None
        else {"reason": damage.reason, "detail": damage.detail, "line": damage.line, "rest_bytes": len(damage.rest)},
        "already_ingested": report.is_already_ingested,
        "new_objects": report.new_objects,
        "seals": report.seals,
        "new_seals": report.new_seals,
        "stream_hours": [
            {
                "event": item.event,
                "hour": str(item.hour),
                "records": item.records,
                "bytes": item.size_bytes,
                "objects": item.objects,
                "new_objects": item.new_objects,
            }
            for item in report.stream_hours
        ],
    }
