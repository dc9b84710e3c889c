"""Opens the parts that the settings name and hands them out together. The wiring of the CLI and of Dagster's resources.

Belongs here: choosing implementations. Does not: work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.part_files import PartFiles
from clickstream_platform.gateways.stores import open_object_store
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.registry.entities import Customer, Destination
from clickstream_platform.registry.reader import RegistryReader
from clickstream_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    from clickstream_platform.batcher.lease_table import SqlLeaseTable
    from clickstream_platform.gateways.kinesis_reader import KinesisReader
    from clickstream_platform.load.ledger_row import LedgerRow
    from clickstream_platform.load.loader import Loader
    from clickstream_platform.load.port import PartLocator, Warehouse
    from clickstream_platform.registry import RegistryService
    from clickstream_platform.transform.transformer import Transformer
    from clickstream_platform.warehouses.redshift import RedshiftWarehouse
    from clickstream_platform.warehouses.redshift_connection import Connector

REGISTRY_COMPONENT = "pipeline"
"""Whose snapshot of the registry is kept: that of the hourly work, in sensors, runs and commands alike."""


@dataclass(frozen=True)
class Wiring:
    """The opened parts; each is opened at its first use. Close it after use, or use it in a `with` block."""

    settings: Settings
    clock: Clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        for name in ("registry", "registry_service"):
            if (opened := self.__dict__.get(name)) is not None:
                opened.close()

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store."""
        settings = self.settings
        return open_object_store(
            settings.objects,
            endpoint_url=settings.s3_endpoint_url or None,
            region=settings.s3_region or None,
            max_workers=settings.s3_max_workers,
        )

    @cached_property
    def registry(self) -> RegistryReader:
        """The registry for the hourly work: its API where one is set, else its database."""
        if not self.settings.registry_api_url:
            return self.registry_service
        # Imported only here: HTTP takes a tenth of a second, which nobody with the registry's database need wait for.
        from clickstream_platform.gateways.secrets import resolve_secret
        from clickstream_platform.registry.client.opening import open_client

        return open_client(self.settings, self.clock, resolve_secret, lambda: self.objects, REGISTRY_COMPONENT)

    @cached_property
    def registry_service(self) -> RegistryService:
        """The registry itself, on its database: for whoever changes what people decide."""
        # Imported only here: SQLAlchemy takes a third of a second, which whoever asks the API need not wait for.
        from clickstream_platform.registry import open_registry

        return open_registry(self.settings.registry, self.clock)

    @cached_property
    def transformer(self) -> Transformer:
        """The transform of raw objects into staged batches."""
        # Imported only here: Arrow and DuckDB take half a second, which the registry's commands need not wait for.
        from clickstream_platform.transform.transformer import Transformer, TransformSettings

        settings = self.settings
        limits = TransformSettings(
            memory_bytes=settings.transform_memory_mb * 1024 * 1024,
            block_bytes=settings.block_bytes,
            max_record_bytes=settings.max_record_bytes,
            max_depth=settings.max_depth,
            part_bytes=settings.part_bytes,
            work_dir=settings.work_dir or None,
        )
        return Transformer(self.objects, limits)

    def open_warehouse(self, customer: Customer) -> Warehouse:
        """Return the warehouse that the customer's tables are in; connections are opened when something is asked of it.

        Raises ConfigurationError for settings that can't be right.
        """
        destination = self.registry.get_destination(customer.destination)
        if destination.kind == "redshift":
            return redshift_warehouse(connector_of(destination), self.objects)
        from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

        temp_folder = Path(self.settings.work_dir) if self.settings.work_dir else None
        path = Path(destination.settings.get("path") or self.settings.duckdb)
        return DuckDBWarehouse(path, memory_mb=self.settings.duckdb_memory_mb, temp_folder=temp_folder)

    def schema_of(self, customer: Customer) -> str:
        """Return the schema of the customer's tables."""
        return self.registry.get_destination(customer.destination).schema or customer.slug

    @contextmanager
    def open_loader(self, customer: Customer) -> Iterator[Loader]:
        """Open the loader of a customer's batches; parts that were fetched for it are deleted at the end."""
        from clickstream_platform.load.loader import Loader

        warehouse, schema = self.open_warehouse(customer), self.schema_of(customer)
        window_hours = customer.policy.dedup_window_hours
        with self._open_parts(customer) as locate:
            yield Loader(warehouse, schema, self.clock, locate=locate, dedup_window_hours=window_hours)

    @contextmanager
    def _open_parts(self, customer: Customer) -> Iterator[PartLocator]:
        """Open what tells a warehouse where parts are: Redshift reads them where they lie, DuckDB as local files."""
        if self.registry.get_destination(customer.destination).kind == "redshift":
            yield lambda part: self.objects.url(part.key)
            return
        with PartFiles(self.objects, self.settings.work_dir or None) as files:
            yield files

    def list_loads(self, customer: Customer, hour: Hour | None = None, event: str | None = None) -> list[LedgerRow]:
        """Return the customer's ledger rows by hour and event."""
        from clickstream_platform.load.ledger import list_loads

        return list_loads(self.open_warehouse(customer), self.schema_of(customer), customer.slug, hour, event)


def open_wiring(settings: Settings | None = None, clock: Clock | None = None) -> Wiring:
    """Return the wiring for these settings (default: from the environment)."""
    return Wiring(settings or load_settings(), clock or SystemClock())


def connector_of(destination: Destination, *, statement_timeout_seconds: int | None = None) -> Connector:
    """Return what connects to a Redshift destination, with its own limit for a statement unless another is given.

    Raises ConfigurationError for settings that can't be right.
    """
    # Imported only here: the driver takes half a second, which nobody with another warehouse need wait for.
    from clickstream_platform.gateways.redshift_login import iam_login
    from clickstream_platform.gateways.secrets import resolve_secret
    from clickstream_platform.warehouses.redshift_connection import Connector
    from clickstream_platform.warehouses.redshift_destination import read_destination

    checked = read_destination(destination.name, destination.settings, destination.secret_reference)
    if statement_timeout_seconds is not None:
        checked = checked.model_copy(update={"statement_timeout_seconds": statement_timeout_seconds})
    return Connector(checked, resolve_secret, iam_login)


def redshift_warehouse(connector: Connector, objects: ObjectStore) -> RedshiftWarehouse:
    """Return a Redshift destination as a warehouse that reads staged parts from the object store."""
    from clickstream_platform.warehouses.redshift import RedshiftWarehouse
    from clickstream_platform.warehouses.redshift_copy import Manifests

    destination = connector.destination
    return RedshiftWarehouse(connector, Manifests(objects), iam_role=destination.iam_role, place=destination.place)


def kinesis_reader(settings: Settings, clock: Clock) -> KinesisReader:
    """Return what reads the shards of the settings' Kinesis stream."""
    from clickstream_platform.gateways.kinesis_reader import KinesisReader

    return KinesisReader(
        settings.kinesis_stream,
        endpoint_url=settings.kinesis_endpoint_url or None,
        region=settings.kinesis_region or None,
        clock=clock,
    )


def lease_table(settings: Settings) -> SqlLeaseTable:
    """Open the table of the batchers' leases, which is made where there is none."""
    from clickstream_platform.batcher.lease_table import SqlLeaseTable

    if not settings.batcher_leases_url:
        settings.home.mkdir(parents=True, exist_ok=True)  # of the default's file
    return SqlLeaseTable(settings.leases, settings.application)
