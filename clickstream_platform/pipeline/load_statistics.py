"""What the ledgers tell about a customer's events, for the registry's page: `registry.ports.LoadStatistics`.

Belongs here: asking a ledger without making anybody wait, and keeping the answer for a while. Does not: the question's
SQL (`warehouses`), how the figures are shown (`registry.pages`).

A page waits two seconds at most. A warehouse that takes longer goes on answering behind it, and the next page has the
figures; one that fails is left alone for some seconds, so that every page of its customers need not wait.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickstream_platform.errors import ClickstreamError, WarehouseUnavailableError
from clickstream_platform.load.port import Warehouse
from clickstream_platform.load.queries import ReadEventTotals
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import LOADS
from clickstream_platform.registry.entities import Customer, Destination
from clickstream_platform.registry.ports import EventStatistics
from clickstream_platform.wiring import Wiring, connector_of, redshift_warehouse

WAIT_SECONDS = 2.0
KEEP_SECONDS = 30
KEEP_FAILURE_SECONDS = 10
MAX_KEPT_CUSTOMERS = 500
MAX_QUESTIONS = 20
"""Questions under way or waiting for their turn; more are refused at once."""
WORKERS = 4
STATEMENT_TIMEOUT_SECONDS = 15
_HOURS = 24
_DUCKDB_WAIT_SECONDS = 1.5
_DUCKDB_MEMORY_MB = 256

Figures = Mapping[str, EventStatistics]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, or why there was none, and when."""

    at: datetime
    answer: Figures | ClickstreamError


class LedgerStatistics:
    """Reads the ledger of the warehouse that a customer's tables are in; shared by the threads of a process."""

    def __init__(self, wiring: Wiring, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Ask the warehouses of a wiring; nobody waits longer than `wait_seconds`."""
        self._wiring, self._wait_seconds = wiring, wait_seconds
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="load-statistics")
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._failed: dict[str, _Kept] = {}
        self._asked: dict[str, Future[Figures]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ask nothing more; what is being asked is not waited for."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def of_customer(self, customer: Customer) -> Figures:
        """Return what is known of the customer's events by slug; at most half a minute old.

        Raises WarehouseUnavailableError when the warehouse does not answer in time, and what asking it raises.
        """
        with self._lock:
            known = self._known(customer)
            if known is None:
                question = self._ask(customer)
        if isinstance(known, ClickstreamError):
            raise known
        if known is not None:
            return known
        try:
            return question.result(self._wait_seconds)
        except FutureTimeoutError as error:
            cause = f"the warehouse did not answer within {self._wait_seconds:g} s"
            raise _unavailable(customer, cause) from error

    def _known(self, customer: Customer) -> Figures | ClickstreamError | None:
        """Return an answer that is new enough, or a failure of its destination that just happened."""
        now = self._wiring.clock.now()
        for kept, seconds in (
            (self._kept.get(customer.slug), KEEP_SECONDS),
            (self._failed.get(customer.destination), KEEP_FAILURE_SECONDS),
        ):
            if kept is not None and now - kept.at < timedelta(seconds=seconds):
                return kept.answer
        return None

    def _ask(self, customer: Customer) -> Future[Figures]:
        """Return the question that is being asked about a customer, or ask it."""
        asked = self._asked.get(customer.slug)
        if asked is None:
            if len(self._asked) >= MAX_QUESTIONS:
                raise _unavailable(customer, f"{MAX_QUESTIONS} questions are waiting for their answers")
            asked = self._workers.submit(self._read_and_keep, customer)
            self._asked[customer.slug] = asked
        return asked

    def _read_and_keep(self, customer: Customer) -> Figures:
        try:
            figures = self._read(customer)
        except ClickstreamError as error:
            with self._lock:
                self._failed[customer.destination] = _Kept(self._wiring.clock.now(), error)
            raise
        else:
            with self._lock:
                self._failed.pop(customer.destination, None)
                self._kept[customer.slug] = _Kept(self._wiring.clock.now(), figures)
                self._kept.move_to_end(customer.slug)
                if len(self._kept) > MAX_KEPT_CUSTOMERS:
                    self._kept.popitem(last=False)
            return figures
        finally:
            with self._lock:
                self._asked.pop(customer.slug, None)

    def _read(self, customer: Customer) -> Figures:
        destination = self._wiring.registry_service.get_destination(customer.destination)
        since = Hour.of(self._wiring.clock.now()).plus(-_HOURS)
        schema = destination.schema or customer.slug
        with self._open(destination).session(schema, read_only=True) as session:
            if not session.columns([LOADS]):
                return {}
            rows = session.fetch(ReadEventTotals(customer.slug, since))
        return {
            event: EventStatistics(
                last_loaded_hour=None if hour is None else str(Hour.of(_aware(hour))),
                last_loaded_at=None if hour is None else _aware(committed_at),
                rows_24h=int(loaded),
                rejected_24h=int(rejected),
                discards_24h=int(discarded),
            )
            for event, hour, committed_at, loaded, rejected, discarded in rows
        }

    def _open(self, destination: Destination) -> Warehouse:
        """Open a destination for a short question: the loader's own patience would be too long here."""
        if destination.kind == "redshift":
            connector = connector_of(destination, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
            return redshift_warehouse(connector, self._wiring.objects)
        # Imported only here: the driver takes a while, and only one of them is needed.
        from clickstream_platform.warehouses.duckdb import DuckDBWarehouse

        settings = self._wiring.settings
        return DuckDBWarehouse(
            Path(destination.settings.get("path") or settings.duckdb),
            memory_mb=_DUCKDB_MEMORY_MB,
            temp_folder=Path(settings.work_dir) if settings.work_dir else None,
            threads=1,
            wait_seconds=_DUCKDB_WAIT_SECONDS,
        )


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unavailable(customer: Customer, cause: str) -> WarehouseUnavailableError:
    return WarehouseUnavailableError(
        "reading what was loaded", where=repr(customer.slug), cause=cause, remedy="Look again in a moment."
    )
