"""Drives the platform as its users do: ingest files, load hours, read tables; checks the accounting at every load.

Belongs here: a platform of its own for each test, and what it holds in a form that can be compared. Does not: what any
data should become.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from clickstream_platform.gateways.clock import FixedClock
from clickstream_platform.ingest.ingest import IngestOptions, IngestReport, ingest
from clickstream_platform.ingest.sources import Source
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RAW_PREFIX, RawObjectKey
from clickstream_platform.model.quarantined import QuarantinedRecord
from clickstream_platform.model.streams import LOADS, Stream
from clickstream_platform.pipeline.customer_hour import CustomerHours, Order
from clickstream_platform.pipeline.opening import Pipeline
from clickstream_platform.pipeline.reports import CustomerHourReport, StreamStatus
from clickstream_platform.quarantine.quarantine import Quarantine, Selection
from clickstream_platform.registry.entities import Destination, Policy
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring
from clickstream_platform_tests.acceptance.readers import DuckDBReader, Reader, Table

HOUR = Hour.parse("2024-03-10T01")
WAREHOUSE_VARIABLE = "CLICKSTREAM_TEST_WAREHOUSE"
# Which warehouse the suite loads into: duckdb or redshift.
WAREHOUSE = os.environ.get(WAREHOUSE_VARIABLE, "duckdb")


@dataclass
class Platform:
    """A platform in a folder of its own; its objects are there or on S3, its tables in DuckDB or where it is said."""

    home: Path
    object_store_url: str = ""
    s3_endpoint_url: str = ""
    destination: Destination | None = None
    reader: Reader | None = None
    reports: list[CustomerHourReport] = field(default_factory=list)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The hourly work of this platform."""
        settings = Settings(
            home=self.home, object_store_url=self.object_store_url, s3_endpoint_url=self.s3_endpoint_url
        )
        clock = FixedClock(datetime(2026, 11, 22, 9, 20, tzinfo=UTC))
        wiring = Wiring(settings, clock)
        if self.destination is not None:
            wiring.registry_service.replace_destination(self.destination)
        return Pipeline(wiring)

    @property
    def is_redshift(self) -> bool:
        """Whether the tables are in Redshift."""
        return self.destination is not None

    @cached_property
    def _reader(self) -> Reader:
        return self.reader or DuckDBReader(Path(self.pipeline.settings.duckdb))

    def close(self) -> None:
        """Close what was opened."""
        self.pipeline.wiring.close()
        self._reader.close()

    @property
    def _hours(self) -> CustomerHours:
        return self.pipeline.customer_hours

    def add_customer(self, slug: str, policy: Policy | None = None) -> str:
        """Add a customer and return its slug."""
        self.pipeline.wiring.registry_service.add_customer(slug, policy=policy or Policy())
        return slug

    def ingest(
        self, customer: str, data: bytes | Sequence[bytes], hour: Hour = HOUR, name: str = "file"
    ) -> IngestReport:
        """Ingest a file with these bytes, or these lines."""
        path = self.home / f"{name}.ndjson"
        path.write_bytes(data if isinstance(data, bytes) else b"".join(line + b"\n" for line in data))
        return ingest(self.pipeline.wiring.objects, Source.of_file(path), IngestOptions(customer, hour, self.home))

    def put_raw(self, customer: str, event: str, data: bytes, hour: Hour = HOUR, shard: str = "other") -> str:
        """Put one raw object as a producer without seals does; return its key."""
        key = str(RawObjectKey(hour, Stream(customer, event), shard, "1", "2"))
        self.pipeline.wiring.objects.put(key, data)
        return key

    def load(self, customer: str, *hours: Hour) -> dict[str, str]:
        """Load a customer's hours (default: the one); return what became of each event in the last report of it.

        Every report has to be a success and to add up, in the ledger and in the tables.
        """
        orders = [Order(customer, hour) for hour in hours or (HOUR,)]
        found: dict[str, str] = {}
        for report in self._hours.process_many(orders, run_id="acceptance"):
            self.reports.append(report)
            for stream in report.streams:
                assert stream.status not in (StreamStatus.FAILED, StreamStatus.SKIPPED), stream.error
                if stream.counts is not None:
                    stream.counts.check(f"{customer}/{stream.event} {report.hour}")
                found[stream.event] = stream.status.value
        assert self.pipeline.reconcile(customer, hours or (HOUR,)) == []
        return found

    def discover(self, hour: Hour = HOUR) -> dict[str, int]:
        """Return customer -> raw objects of those whose hour is found ready, as the sensor would."""
        look = self.pipeline.discovery.look(hour)
        return {ready.customer: sum(map(len, ready.streams.values())) for ready in look.ready} if look else {}

    def hours(self, customer: str) -> list[Hour]:
        """Return the hours that the customer has raw objects in."""
        keys = (RawObjectKey.parse(key) for key in self.raw_keys())
        return sorted({key.hour for key in keys if key.stream.customer == customer})

    def counts(self, customer: str, hour: Hour = HOUR) -> dict[str, int]:
        """Return the sums of the ledger's counts for an hour; they add up."""
        names = ("raw_records", "loaded_rows", "duplicate_records", "rejected_records", "discarded_values")
        rows = [row for row in self.tables(customer).get(LOADS, _NOTHING).rows if row["hour"] == _naive(hour)]
        sums = {name.partition("_")[0]: sum(row[name] for row in rows) for name in names}
        assert sums["raw"] == sums["loaded"] + sums["duplicate"] + sums["rejected"]
        return sums

    def tables(self, customer: str) -> dict[str, Table]:
        """Return everything in the customer's schema."""
        return self._reader.tables(customer)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return self._reader.query(sql)

    def quarantined(self, customer: str) -> list[QuarantinedRecord]:
        """Return the rejected records of the customer, as the command shows them."""
        quarantine = Quarantine(self.pipeline.wiring.objects)
        items = quarantine.objects(Selection(customer))
        return [record for item in items for record in quarantine.whole_records(item)]

    def raw_keys(self) -> list[str]:
        """Return the keys of all raw objects."""
        return [info.key for info in self.pipeline.wiring.objects.list_objects(RAW_PREFIX)]


_NOTHING = Table({}, ())


def _naive(hour: Hour) -> datetime:
    return hour.start.replace(tzinfo=None)
