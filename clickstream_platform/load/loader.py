"""The loader: a staged batch becomes rows, in one transaction, however many events it has. See docs/load.md.

Belongs here: transactions, tries and the fall-back. Does not: what a transaction does (`load.hour_load`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from clickstream_platform.load.batch_load import BatchLoad, Tools
from clickstream_platform.load.ledger import LedgerRow, list_loads, read_event_sums
from clickstream_platform.load.port import PartLocator, Warehouse
from clickstream_platform.load.report import LoadReport
from clickstream_platform.load.retry import RetryPolicy
from clickstream_platform.load.schema_steps import largest_integer
from clickstream_platform.load.states import states_of
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.schemas import TableState
from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.model.staging import StagedBatch
from clickstream_platform.model.streams import ACCOUNTS, LOADS, TRACKS, USERS


class Loader:
    """Loads one customer's batches into one schema of a warehouse."""

    def __init__(
        self,
        warehouse: Warehouse,
        schema: str,
        clock: Clock,
        *,
        locate: PartLocator,
        dedup_window_hours: int = 24,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Load into `schema`; `locate` tells the warehouse where to read a part."""
        self._warehouse = warehouse
        self._schema = schema
        self._clock = clock
        self._locate = locate
        self._window = timedelta(hours=dedup_window_hours)
        self._retry = retry or RetryPolicy()

    @property
    def schema(self) -> str:
        """The schema that it loads into."""
        return self._schema

    @property
    def max_columns(self) -> int:
        """The most columns that a table of the warehouse may have."""
        return self._warehouse.max_columns

    @property
    def max_json_bytes(self) -> int | None:
        """The longest text that a JSON column of the warehouse takes as one value; None without a limit."""
        return self._warehouse.max_json_bytes

    def table_states(self, customer: str, hour: Hour, events: Collection[str]) -> dict[str, TableState]:
        """Return the events' tables, `tracks`, `users` and `accounts` as they are, for replacing that hour of `events`.

        Raises WarehouseUnavailableError and LoadError.
        """
        with self._warehouse.session(self._schema, read_only=True) as session:
            columns = session.columns([*events, TRACKS, USERS, ACCOUNTS, LOADS])
            sums = read_event_sums(session, customer, hour) if LOADS in columns else {}
        return states_of(events, columns, sums)

    def max_abs_integer(self, table: str, column: str) -> int:
        """Return the largest absolute value of a BIGINT column, 0 when it has none."""
        with self._warehouse.session(self._schema, read_only=True) as session:
            return largest_integer(session, table, column)

    def already_loaded(self, customer: str, hour: Hour, digests: Mapping[str, str]) -> dict[str, LedgerRow]:
        """Return the ledger rows of those events whose input, named by its digest, is loaded."""
        rows = list_loads(self._warehouse, self._schema, customer, hour)
        return {row.event: row for row in rows if digests.get(row.event) == row.input_digest}

    def load(
        self, batch: StagedBatch, *, run_id: str, started_at: datetime, replacing: Mapping[str, str] | None = None
    ) -> LoadReport:
        """Load every stream of a batch that isn't loaded yet; a stream that can't be loaded never holds back another.

        The events in `replacing` are loaded even so, as long as the ledger has their hour with that digest, or '' when
        it has none.

        Raises WarehouseUnavailableError when the warehouse did not take the batch in all tries; what the report would
        have called loaded is then in the ledger. Whatever else fails is in the report.
        """
        start = time.perf_counter()
        tools = Tools(self._warehouse, self._schema, self._clock, self._locate, self._window, self._retry)
        work = BatchLoad(tools, batch, run_id, started_at, replacing or {})
        outcomes = work.run()
        return LoadReport(outcomes, work.commits, work.statements, time.perf_counter() - start, work.copies)
