"""The whole examination, part after part: settings, objects, Kinesis, registry, destinations.

Belongs here: the order, and what a failure leaves unchecked. Does not: single checks. Dagster's is in `defs.doctor`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clickstream_platform.doctor.findings import Finding, Status, attempt, of_error, ok, skipped, warn
from clickstream_platform.doctor.kinesis import check_kinesis
from clickstream_platform.doctor.load_probe import LoadProbe
from clickstream_platform.doctor.objects import check_objects
from clickstream_platform.doctor.redshift import judge_facts
from clickstream_platform.doctor.registry import check_api, check_content, check_database
from clickstream_platform.errors import ClickstreamError
from clickstream_platform.gateways.part_files import PartFiles
from clickstream_platform.load.port import PartLocator, Warehouse
from clickstream_platform.registry.client.cached import CachedRegistry
from clickstream_platform.registry.entities import Customer, Destination, Snapshot
from clickstream_platform.warehouses.duckdb import DuckDBWarehouse
from clickstream_platform.warehouses.redshift_console import open_console
from clickstream_platform.warehouses.redshift_facts import read_facts
from clickstream_platform.wiring import Wiring, connector_of, redshift_warehouse

STATEMENT_SECONDS, WAIT_SECONDS = 60, 15  # a doctor does not wait for hours
_PACKAGES = ("clickstream-platform", "dagster", "duckdb", "pyarrow", "boto3", "redshift-connector", "sqlalchemy")


def examine(wiring: Wiring, customer: str | None = None) -> Iterator[Finding]:
    """Yield all findings: of every destination with one of its customers, or of one customer's destination."""
    settings = wiring.settings
    yield ok("platform", "versions", ", ".join([f"python {platform.python_version()}", *map(_version, _PACKAGES)]))
    yield ok("platform", "settings", f"home {settings.home}")
    opened = attempt("object store", "settings", lambda: wiring.objects.url("x"))
    if opened.status is Status.OK:
        yield from check_objects(wiring.objects, wiring.clock, settings.objects)
    else:
        yield opened
    yield from check_kinesis(settings, wiring.clock)
    findings = list(check_registry(wiring))
    yield from findings
    if any(finding.status is Status.FAIL for finding in findings):
        yield skipped("destinations", "all", "the registry knows them, and it can't be asked")
        return
    try:
        snapshot = wiring.registry.snapshot()
        chosen = choose(snapshot, None if customer is None else wiring.registry.get_customer(customer))
    except ClickstreamError as error:
        yield of_error("registry", "content", error)
        return
    yield check_content(snapshot)
    for destination, examined in chosen:
        yield from examine_destination(wiring, destination, examined)


def check_registry(wiring: Wiring) -> Iterator[Finding]:
    """Yield the findings about the registry as this process asks it: through its API, or its database."""
    try:
        registry = wiring.registry if wiring.settings.registry_api_url else None
    except ClickstreamError as error:
        yield of_error("registry", "API", error)
        return
    if isinstance(registry, CachedRegistry):
        yield from check_api(registry)
    else:
        yield from check_database(wiring.settings.registry)


def choose(snapshot: Snapshot, customer: Customer | None) -> Sequence[tuple[Destination, Customer | None]]:
    """Return each destination with the first customer that uses it, or the given customer's only."""
    if customer is not None:
        return [(each, customer) for each in snapshot.destinations if each.name == customer.destination]
    users: dict[str, Customer] = {}
    for each in snapshot.customers:
        users.setdefault(each.destination, each)
    return [(each, users.get(each.name)) for each in snapshot.destinations]


def examine_destination(wiring: Wiring, destination: Destination, customer: Customer | None) -> Iterator[Finding]:
    """Yield the findings about one destination; without a customer nothing is written there."""
    part = f"destination {destination.name}" if customer is None else f"destination {destination.name}, {customer.slug}"
    schema = destination.schema or ("" if customer is None else customer.slug)
    try:
        if destination.kind == "redshift":
            yield from _examine_redshift(wiring, destination, schema, part)
        else:
            path = destination.settings.get("path") or wiring.settings.duckdb
            yield ok(part, "file", f"{path}, {'there' if Path(path).exists() else 'made by the first load'}")
    except ClickstreamError as error:
        yield of_error(part, "connection", error)
        yield skipped(part, "load of one row", "there is no connection")
        return
    if customer is None:
        remedy = "Run the doctor again when a customer has it as destination."
        yield warn(part, "load of one row", "not tried: no customer has this destination", remedy)
        return
    with _parts(wiring, destination) as locate:
        warehouse = _warehouse(wiring, destination)
        probe = LoadProbe(warehouse, schema, customer.slug, wiring.objects, locate, wiring.clock)
        yield from probe.run(part)


def _examine_redshift(wiring: Wiring, destination: Destination, schema: str, part: str) -> Iterator[Finding]:
    connector = connector_of(destination, statement_timeout_seconds=STATEMENT_SECONDS)
    with open_console(connector, connector.destination.place) as console:
        before = wiring.clock.now()
        facts = read_facts(console, schema)
        yield from judge_facts(part, connector.destination, facts, schema, (before, wiring.clock.now()))


def _warehouse(wiring: Wiring, destination: Destination) -> Warehouse:
    if destination.kind == "redshift":
        return redshift_warehouse(
            connector_of(destination, statement_timeout_seconds=STATEMENT_SECONDS), wiring.objects
        )
    path = Path(destination.settings.get("path") or wiring.settings.duckdb)
    return DuckDBWarehouse(path, memory_mb=wiring.settings.duckdb_memory_mb, wait_seconds=WAIT_SECONDS)


@contextmanager
def _parts(wiring: Wiring, destination: Destination) -> Iterator[PartLocator]:
    """Tell the warehouse where parts are: Redshift reads them where they lie, DuckDB as local files."""
    if destination.kind == "redshift":
        yield lambda part: wiring.objects.url(part.key)
        return
    with PartFiles(wiring.objects, wiring.settings.work_dir or None) as files:
        yield files


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed as a package)"
