"""`clickstream generate`: writes generated events as NDJSON, for the demo, benchmarks and trying things out.

Belongs here: the options, the progress bar and the summary. Does not: anything about events (`generate`).
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clickstream_platform.cli.support import JsonOption, handle_errors, print_json, print_table
from clickstream_platform.errors import ConfigurationError
from clickstream_platform.generate import (
    GenerationSummary,
    GeneratorSettings,
    WrittenFile,
    expected_counts,
    write_hours,
)
from clickstream_platform.generate.output import STANDARD_OUTPUT
from clickstream_platform.generate.profiles import ProfileName
from clickstream_platform.generate.sizes import Skew
from clickstream_platform.model.hours import Hour

_LARGEST_SHOWN = 10


@handle_errors
def generate_command(
    out: Annotated[str, typer.Option(help="File (.ndjson[.gz]), '-' (standard output), folder (--per-hour).")],
    customer: Annotated[str, typer.Option(help="Customer whose events these are; part of the seed.")] = "acme",
    hour: Annotated[str, typer.Option(help="First hour of arrival, UTC, like 2026-01-05T09.")] = "2026-01-05T09",
    hours: Annotated[int, typer.Option(help="How many hours.")] = 1,
    events: Annotated[int, typer.Option(help="Lines per hour, duplicates and malformed ones among them.")] = 10_000,
    streams: Annotated[int, typer.Option(help="Different events: a few huge, the rest tiny.")] = 50,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    duplicates: Annotated[float, typer.Option(help="Share of lines that repeat an earlier record.")] = 0.01,
    late: Annotated[float, typer.Option(help="Share of records that arrive 1 to 72 hours late.")] = 0.005,
    malformed: Annotated[float, typer.Option(help="Share of lines that are no valid record.")] = 0.001,
    conflicts: Annotated[float, typer.Option(help="Share of records with text where a number belongs.")] = 0.005,
    new_properties: Annotated[float, typer.Option(help="Share of records with a property nobody announced.")] = 0.005,
    profile: Annotated[str, typer.Option(help="Kind of business: ecommerce, saas or content.")] = "ecommerce",
    skew: Annotated[str, typer.Option(help="Sizes of streams: zipf, or equal.")] = "zipf",
    per_hour: Annotated[
        bool, typer.Option("--per-hour", help="A .ndjson.gz file per hour in the folder --out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write realistic events of the Segment specification, always the same for the same options."""
    if as_json and out == STANDARD_OUTPUT:
        raise ConfigurationError(
            "generating events",
            where=customer,
            cause="standard output can't take both the events and the summary",
            remedy="Give a file with --out, or leave out --json.",
        )
    settings = GeneratorSettings(
        customer=customer,
        first_hour=Hour.parse(hour).start,
        hours=hours,
        events_per_hour=events,
        streams=streams,
        seed=seed,
        duplicate_share=duplicates,
        late_share=late,
        malformed_share=malformed,
        conflict_share=conflicts,
        new_property_share=new_properties,
        profile=cast(ProfileName, profile),  # GeneratorSettings refuses an unknown one
        skew=cast(Skew, skew),
    )
    _generate(settings, out, is_per_hour=per_hour, is_json=as_json)


def _generate(settings: GeneratorSettings, out: str, *, is_per_hour: bool, is_json: bool) -> None:
    try:
        files = _write_with_progress(settings, out, is_per_hour=is_per_hour)
    except BrokenPipeError:
        # `… | head` has seen enough. Python would complain when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    summary = expected_counts(settings)
    if is_json:
        print_json({"customer": settings.customer, "files": files, **summary.as_dict()})
        return
    typer.echo(_in_words(files, summary), err=True)
    if out != STANDARD_OUTPUT:
        _print_largest(summary)


def _write_with_progress(settings: GeneratorSettings, out: str, *, is_per_hour: bool) -> list[WrittenFile]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Generating events", total=settings.hours * settings.events_per_hour)
        return write_hours(settings, out, is_per_hour=is_per_hour, on_lines=lambda lines: progress.advance(task, lines))


def _in_words(files: list[WrittenFile], summary: GenerationSummary) -> str:
    where = files[0].path if len(files) == 1 else f"{len(files)} files beside {files[0].path}"
    megabytes = sum(each.bytes for each in files) / 1e6
    return (
        f"Wrote {summary.raw:,} lines ({megabytes:,.1f} MB uncompressed) to {where}: "
        f"{summary.distinct:,} records of {len(summary.events):,} events, {summary.duplicates:,} duplicates, "
        f"{summary.malformed:,} malformed; {summary.late:,} are late, {summary.conflicts:,} have a type conflict, "
        f"{summary.new_properties:,} a new property."
    )


def _print_largest(summary: GenerationSummary) -> None:
    largest = sorted(summary.events.items(), key=lambda item: -item[1].raw)
    rows = [
        (name, each.record_type, each.raw, each.distinct, each.duplicates, each.malformed)
        for name, each in largest[:_LARGEST_SHOWN]
    ]
    title = None if len(rows) == len(largest) else f"The {len(rows)} largest of {len(largest):,} events"
    print_table(("event", "type", "raw", "distinct", "duplicates", "malformed"), rows, title=title)
