"""What the ledger has of one event, asked by a sensor: a warehouse that lets one wait is asked again at the next tick.

Belongs here: short limits for that question. Does not: what the ledger is (`load.ledger`), what is concluded from it
(`backfills`).
"""

from __future__ import annotations

from pathlib import Path

from clickstream_platform.load.port import Warehouse
from clickstream_platform.model.hours import Hour
from clickstream_platform.registry.entities import Customer
from clickstream_platform.wiring import Wiring, connector_of, redshift_warehouse

STATEMENT_TIMEOUT_SECONDS = 15
FILE_WAIT_SECONDS = 5.0
"""How long a run that loads may keep the embedded warehouse's file from the sensor."""


def loaded_digests(wiring: Wiring, customer: str, event: str) -> dict[Hour, str]:
    """Return the input digest of each hour that the ledger has of an event.

    Raises RegistryError for an unknown customer, WarehouseUnavailableError, and what connecting raises.
    """
    from clickstream_platform.load.ledger import list_loads

    owner = wiring.registry.get_customer(customer)
    rows = list_loads(_open_warehouse(wiring, owner), wiring.schema_of(owner), customer, event=event)
    return {row.hour: row.input_digest for row in rows}


def _open_warehouse(wiring: Wiring, customer: Customer) -> Warehouse:
    destination = wiring.registry.get_destination(customer.destination)
    if destination.kind == "redshift":
        connector = connector_of(destination, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
        return redshift_warehouse(connector, wiring.objects)
    from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

    path = Path(destination.settings.get("path") or wiring.settings.duckdb)
    return DuckDBWarehouse(path, memory_mb=wiring.settings.duckdb_memory_mb, wait_seconds=FILE_WAIT_SECONDS)
