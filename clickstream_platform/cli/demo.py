"""`clickstream demo`: the whole main job on generated events (and a file of yours), driven by Dagster, in one command.

Belongs here: the order of the demonstration and what it shows. Does not: any step of the job itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clickstream_platform.cli.dev import DAGSTER_FOLDER
from clickstream_platform.cli.ingest import add_unknown_customer
from clickstream_platform.cli.loads import LEDGER_COLUMNS, ledger_cells
from clickstream_platform.cli.support import handle_errors, print_table
from clickstream_platform.model.hours import Hour

if TYPE_CHECKING:
    from clickstream_platform.defs.driver import DrivenRun, DriveReport
    from clickstream_platform.wiring import Wiring

FOLDER = "demo"
HOURS = 3
FILE_CUSTOMER = "mydata"
SHOWN_EVENTS, SHOWN_ROWS = 12, 20


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """A generated customer: how many events an hour over how many streams."""

    slug: str
    events_per_hour: int
    streams: int
    profile: Literal["ecommerce", "saas", "content"]
    seed: int
    conflict_share: float


CUSTOMERS = (DemoCustomer("bigshop", 30_000, 24, "ecommerce", 7, 0.0), DemoCustomer("tinyapp", 300, 6, "saas", 8, 0.01))

QUERIES = (
    (
        "What bigshop sold, by hour",
        "SELECT batch_hour AS hour, count(*) AS orders, CAST(sum(total) AS DECIMAL(18, 2)) AS total "
        "FROM bigshop.order_completed GROUP BY 1 ORDER BY 1",
    ),
    (
        "From viewing to buying, all hours",
        "SELECT event_text AS event, count(*) AS records, count(DISTINCT anonymous_id) AS visitors FROM bigshop.tracks "
        "WHERE event IN ('product_viewed', 'product_added', 'checkout_started', 'order_completed') "
        "GROUP BY 1 ORDER BY 2 DESC",
    ),
)


@handle_errors
def demo_command(
    data: Annotated[Path | None, typer.Option(help="A file of your events too: NDJSON or NDJSON.gz.")] = None,
    customer: Annotated[str, typer.Option(help="Customer slug of the events in --data.")] = FILE_CUSTOMER,
) -> None:
    """Generate two customers of very different size, load them by Dagster, show the tables; again: nothing changes."""
    from clickstream_platform.wiring import open_wiring

    console = Console(highlight=False)
    started = time.monotonic()
    with open_wiring() as wiring:
        first_hour = _first_hour(wiring)
        slugs = [each.slug for each in CUSTOMERS]
        hours = {first_hour.plus(offset) for offset in range(HOURS)}
        console.rule("1  Events to raw objects")
        for each in CUSTOMERS:
            hours |= _ingest(wiring, console, _generate(wiring, console, each, first_hour), each.slug)
        if data is not None:
            hours |= _ingest(wiring, console, data, customer)
            slugs.append(customer)
        console.rule("2  Dagster: sensor ticks and runs")
        report = _drive(wiring, console, sorted(hours))
        console.rule("3  What is loaded")
        for slug in slugs:
            _show_loads(wiring, slug)
        _show_queries(wiring, console)
        _show_quarantine(wiring, console, slugs)
    console.rule()
    seconds = time.monotonic() - started
    console.print(f"{len(report.runs)} runs in {seconds:.0f} s; data in {wiring.settings.home}.")
    console.print("The same in the web interface: [bold]make dev[/], then http://127.0.0.1:3000")
    if report.failed:
        console.print(f"[red]{len(report.failed)} runs failed[/]; the web interface shows why.")
        raise typer.Exit(code=1)


def _first_hour(wiring: Wiring) -> Hour:
    """Return the first hour of this demonstration: three hours back when it first ran, and the same ever after."""
    path = wiring.settings.home / FOLDER / "first_hour"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(Hour.of(wiring.clock.now()).plus(-HOURS)))
    return Hour.parse(path.read_text().strip())


def _generate(wiring: Wiring, console: Console, customer: DemoCustomer, first_hour: Hour) -> Path:
    """Write the customer's events to a file, unless it is there."""
    from clickstream_platform.generate import GeneratorSettings, write_hours

    path = wiring.settings.home / FOLDER / f"{customer.slug}.ndjson.gz"
    if path.exists():
        return path
    settings = GeneratorSettings(
        customer=customer.slug,
        first_hour=first_hour.start,
        hours=HOURS,
        events_per_hour=customer.events_per_hour,
        streams=customer.streams,
        seed=customer.seed,
        profile=customer.profile,
        conflict_share=customer.conflict_share,
    )
    with _progress(console) as progress:
        task = progress.add_task(f"generating {customer.slug}", total=HOURS * customer.events_per_hour)
        write_hours(settings, str(path), on_lines=lambda lines: progress.advance(task, lines))
    return path


def _ingest(wiring: Wiring, console: Console, path: Path, customer: str) -> set[Hour]:
    """Ingest a file; return the hours that it has records in."""
    from clickstream_platform.cli.ingest import check_customer
    from clickstream_platform.ingest.ingest import IngestOptions, ingest
    from clickstream_platform.ingest.sources import Source

    check_customer(customer)
    add_unknown_customer(wiring.registry, customer)
    default_hour = Hour.parse((wiring.settings.home / FOLDER / "first_hour").read_text().strip())
    with _progress(console) as progress:
        task = progress.add_task(f"ingesting {path.name}", total=None)

        def advance(_phase: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        report = ingest(wiring.objects, Source.of_file(path), IngestOptions(customer, default_hour), advance)
    known = " (known already)" if report.is_already_ingested else ""
    streams = len({item.event for item in report.stream_hours})
    console.print(f"{customer}: {report.records:,} records of {streams} events in {path.name}{known}")
    if report.damage is not None:
        console.print(f"[yellow]{path.name} is damaged: {report.damage.detail}; all that could be read is kept[/]")
    return {item.hour for item in report.stream_hours}


def _drive(wiring: Wiring, console: Console, hours: Sequence[Hour]) -> DriveReport:
    """Let the sensors request what is to be done, and do it."""
    from clickstream_platform.defs.driver import drive, prepare_home

    home = prepare_home(wiring.settings.home.absolute() / DAGSTER_FOLDER)
    with _progress(console) as progress:
        task = progress.add_task("starting Dagster", total=None)

        def show(run: DrivenRun) -> None:
            done = run.number - (run.is_success is None)
            progress.update(task, completed=done, total=run.of, description=f"{run.customer} {run.hour}")
            if run.is_success is not None:
                console.print(
                    f"run {run.run_id[:8]} {run.customer} {run.hour}: {'loaded' if run.is_success else 'FAILED'}"
                )

        report = drive(home, wiring.settings.code_location, hours, show)
        progress.update(task, description="done", completed=len(report.runs), total=len(report.runs) or 1)
    if not report.runs:
        console.print("Nothing is new: the sensor requested no run.")
    return report


def _show_loads(wiring: Wiring, customer: str) -> None:
    rows = wiring.list_loads(wiring.registry.get_customer(customer))
    largest = sorted({row.event for row in rows}, key=lambda e: -sum(r.counts.raw for r in rows if r.event == e))
    shown = set(largest[:SHOWN_EVENTS])
    title = (
        customer if len(largest) <= SHOWN_EVENTS else f"{customer}: the {SHOWN_EVENTS} largest of {len(largest)} events"
    )
    cells = ledger_cells(row for row in rows if row.event in shown)
    totals = [sum(int(str(cell[index])) for cell in ledger_cells(rows)) for index in range(2, len(LEDGER_COLUMNS))]
    print_table(LEDGER_COLUMNS, [*cells, ("all hours", f"all {len(largest)} events", *totals)], title=title)


def _show_queries(wiring: Wiring, console: Console) -> None:
    for title, sql in QUERIES:
        columns, rows = _ask(wiring, sql)
        print_table(columns, rows, title=title)
        console.print(f'  clickstream query "{sql}"\n', style="dim", markup=False, soft_wrap=True)


def _ask(wiring: Wiring, sql: str) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    """Ask the warehouse of the first customer."""
    from clickstream_platform.pipeline.asking import ask

    return ask(wiring, wiring.registry.get_customer(CUSTOMERS[0].slug).destination, sql, SHOWN_ROWS)


def _show_quarantine(wiring: Wiring, console: Console, customers: Sequence[str]) -> None:
    from clickstream_platform.quarantine.quarantine import Quarantine, Selection

    quarantine = Quarantine(wiring.objects)
    rejected: dict[tuple[str, str], int] = {}
    for customer in customers:
        for count in quarantine.counts(Selection(customer)):
            key = (customer, count.reason.value)
            rejected[key] = rejected.get(key, 0) + count.records
    rows = [(customer, reason, records) for (customer, reason), records in sorted(rejected.items())]
    print_table(("customer", "reason", "records"), rows, title="Quarantine: rejected records, kept in full")
    console.print("  clickstream quarantine show --customer bigshop --limit 3\n", style="dim", markup=False)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
