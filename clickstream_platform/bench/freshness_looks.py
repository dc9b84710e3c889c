"""How long the freshness check over thousands of streams takes, and how much memory.

    python -m clickstream_platform.bench.freshness_looks [--customers 1000] [--events 20] [--late 200] [--silent 100]

Registry (SQLite) and ledgers (one DuckDB file, a schema for each customer) are real and hold three days of hours;
listings are generated as a store would give them, so the network of S3 is not in the figures. The looks run in a
process of their own, whose peak memory is printed: the first look of a new process, the looks until every hour of the
window was compared, a look when nothing happened, one when a new hour arrived, and one when that was loaded.

Belongs here: the load and the figures. Does not: the comparison with dlt (`measure`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.gateways.object_store import ObjectInfo
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.freshness.report import FreshnessReport
from clickstream_platform.pipeline.freshness.watched import WatchOptions
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
WINDOW_HOURS = 72
SIZE = 4_321
_LEDGER = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}._loads AS
SELECT '{schema}' AS customer, 'event_' || lpad(e::VARCHAR, 3, '0') AS event, TIMESTAMP '{newest}' - h * INTERVAL 1 HOUR
  AS hour, 'digest' AS input_digest, 1::BIGINT AS objects, {size}::BIGINT AS bytes, 100::BIGINT AS raw_records,
  100::BIGINT AS loaded_rows, 0::BIGINT AS duplicate_records, 0::BIGINT AS rejected_records,
  0::BIGINT AS discarded_values, 'run' AS run_id, TIMESTAMP '{newest}' AS started_at, TIMESTAMP '{newest}'
  AS committed_at
FROM range({events}) AS a(e), range({hours}) AS b(h)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How many streams there are, and how many of them are wrong."""

    customers: int
    events: int
    late: int
    silent: int

    def streams(self) -> Iterator[Stream]:
        """Yield all streams in key order."""
        for customer in range(self.customers):
            for event in range(self.events):
                yield Stream(f"customer_{customer:04d}", f"event_{event:03d}")


class GeneratedListings:
    """Lists one object for each stream and hour; the first streams are late (a second object came) or silent."""

    def __init__(self, load: Load) -> None:
        """Prepare the names, which a real store has, too."""
        self._load = load
        self._streams = list(load.streams())

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects of an hour."""
        hour = Hour.parse(prefix.removeprefix("raw/hour=").rstrip("/"))
        late, silent = self._load.late, self._load.late + self._load.silent
        quiet_since = Hour.of(NOW).plus(-10)
        for number, stream in enumerate(self._streams):
            if late <= number < silent and hour >= quiet_since:
                continue
            objects = 2 if number < late and hour == quiet_since else 1
            for each in range(objects):
                key = f"{prefix}customer={stream.customer}/event={stream.event}/s-{each}-{each}.ndjson.gz"
                yield ObjectInfo(key, SIZE, "etag", hour.end)


def prepare(load: Load, home: Path) -> None:
    """Make the registry and the ledgers, up to the hour before the newest closed one."""
    newest, old = Hour.of(NOW).plus(-2), Hour.of(NOW).plus(-11)
    with Wiring(Settings(home=home), FixedClock(NOW)) as wiring:
        for number in range(load.customers):
            last = (
                newest if number * load.events < load.late or number * load.events >= load.late + load.silent else old
            )
            seen = {f"event_{event:03d}": (f"Event {event}", 100) for event in range(load.events)}
            wiring.registry_service.record_seen(f"customer_{number:04d}", last, seen, create_customer=True)
        path = wiring.settings.duckdb
    with duckdb.connect(path) as connection:
        for number in range(load.customers):
            text = _LEDGER.format(
                schema=f"customer_{number:04d}",
                newest=newest.start.strftime("%Y-%m-%d %H:%M:%S"),
                size=SIZE,
                events=load.events,
                hours=WINDOW_HOURS + 200,
            )
            connection.execute(text)


def load_newest(load: Load, home: Path) -> None:
    """Add the rows of the newest closed hour to the ledgers, as runs do after an hour."""
    newest = Hour.of(NOW).plus(-1).start.strftime("%Y-%m-%d %H:%M:%S")
    with duckdb.connect(Settings(home=home).duckdb) as connection:
        for number in range(load.customers):
            table = f"customer_{number:04d}._loads"
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE (TIMESTAMP '{newest}' AS hour) FROM {table} "  # noqa: S608 (ours)
                f"WHERE hour = TIMESTAMP '{newest}' - INTERVAL 1 HOUR"
            )


def measure(load: Load, home: Path, answer: multiprocessing.SimpleQueue[str]) -> None:
    """Look again and again, and tell what each kind of look took; runs in a process of its own."""
    figures: dict[str, float] = {"memory before, MB": peak_mb()}
    clock = FixedClock(NOW)
    options = WatchOptions(window_hours=WINDOW_HOURS)
    with Wiring(Settings(home=home), clock) as wiring:
        watch = FreshnessWatch(wiring.registry, GeneratedListings(load), WarehouseLedgers(wiring), clock, options)

        def look(name: str) -> FreshnessReport:
            started, cpu = time.perf_counter(), time.process_time()
            report = watch.look()
            took, cpu = time.perf_counter() - started, time.process_time() - cpu
            figures[name] = max(figures.get(name, 0.0), took)
            figures[f"{name}: CPU"] = max(figures.get(f"{name}: CPU", 0.0), cpu)
            figures[f"{name}: ledger rows"] = report.figures["ledger_rows_read"]
            return report

        report = look("first look")
        while not report.is_complete:
            clock.advance(timedelta(seconds=1))
            report = look("slowest look until complete")
            figures["looks until complete"] = figures.get("looks until complete", 1) + 1
        for _ in range(3):
            clock.advance(timedelta(seconds=1))
            report = look("nothing happened")
        clock.advance(timedelta(minutes=2))
        look("a new hour arrived")
        clock.advance(timedelta(minutes=2))
        look("it is asked again")
        loading = multiprocessing.get_context("spawn").Process(target=load_newest, args=(load, home))
        loading.start()
        loading.join()
        clock.advance(timedelta(minutes=2))
        report = look("it was loaded")
        figures |= {f"streams {status.value}": count for status, count in report.counts().items()}
    figures["peak memory, MB"] = peak_mb()
    answer.put(json.dumps(figures))


def peak_mb() -> float:
    """Return the peak of this very process; `getrusage` would tell that of the parent it was started by."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


Measure = Callable[[Load, Path, "multiprocessing.SimpleQueue[str]"], None]
"""Measures a prepared load in a folder and puts its figures, as JSON, into the queue."""


def run(load: Load, measure: Measure = measure) -> dict[str, float]:
    """Prepare a load and measure it in a new process; return seconds by kind of look, and memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(load, Path(folder))
        context = multiprocessing.get_context("spawn")
        answer: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
        process = context.Process(target=measure, args=(load, Path(folder), answer))
        process.start()
        process.join()
        figures: dict[str, float] = json.loads(answer.get())
        return figures


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("customers", 1000), ("events", 20), ("late", 200), ("silent", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    load = Load(**vars(parser.parse_args()))
    check_keys(load)
    Console().print(figures_table(f"Freshness of {load.customers * load.events:,} streams", run(load)))


def figures_table(title: str, figures: Mapping[str, float]) -> Table:
    """Return figures as a table."""
    table = Table("figure", title=title)
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}")
    return table


def check_keys(load: Load) -> None:
    """Make sure that the generated keys are keys of the layout."""
    prefix = f"raw/hour={Hour.of(NOW)}/"
    RawObjectKey.parse(next(GeneratedListings(load).list_objects(prefix)).key)


if __name__ == "__main__":
    main()
