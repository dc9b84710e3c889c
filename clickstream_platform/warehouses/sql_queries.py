"""SQL of the loader's questions."""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from typing import Any

from clickstream_platform.load.queries import (
    CountHour,
    CountHourByEvent,
    CountOtherRows,
    CountVanished,
    ReadEventSums,
    ReadEventTotals,
    ReadIntegerRange,
    ReadLate,
    ReadLedgers,
    ReadLoads,
    ReadReceivedRanges,
)
from clickstream_platform.model.schemas import LOADS_COLUMNS
from clickstream_platform.model.streams import LOADS
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import (
    LATE,
    Sql,
    SqlNames,
    column_list,
    conditions_of,
    is_in,
    moment,
    where,
)


class QuerySql(SqlNames):
    """Renders queries; each answers with the columns its class in `load.queries` names."""

    def read_loads(self, query: ReadLoads) -> list[Sql]:
        """Read ledger rows."""
        conditions = [Sql("customer = ?", (query.customer,))]
        if query.hour is not None:
            conditions.append(Sql(f"hour = {moment(query.hour.start)}"))
        if query.event is not None:
            conditions.append(Sql("event = ?", (query.event,)))
        condition = where(conditions)
        names = column_list(column.name for column in LOADS_COLUMNS)
        return [
            Sql(f"SELECT {names} FROM {self.table(LOADS)}{condition.text} ORDER BY hour, event", condition.params),
        ]

    def read_ledgers(self, query: ReadLedgers) -> list[Sql]:
        """Read ledger rows of several schemas."""
        names = column_list(query.columns)
        conditions = [Sql("customer = ?"), Sql(f"hour >= {moment(query.since.start)}")]
        if query.hours is not None:
            conditions.append(Sql(f"hour IN ({', '.join(moment(hour.start) for hour in query.hours)})"))
        if query.events is not None:
            conditions.append(is_in("event", query.events))
        condition = where(conditions)
        texts: list[str] = []
        params: list[Any] = []
        for schema, customer in query.ledgers:
            texts.append(f"SELECT {names} FROM {self.schema_name_of(schema)}.{quote(LOADS)}{condition.text}")
            params += [customer, *condition.params]
        return [Sql(" UNION ALL ".join(texts), tuple(params))]

    def read_event_sums(self, query: ReadEventSums) -> list[Sql]:
        """Sum the ledger per event."""
        hour = moment(query.hour.start)
        return [
            Sql(
                f"SELECT event, MAX(CASE WHEN hour = {hour} THEN input_digest END), "
                f"SUM(CASE WHEN hour = {hour} THEN loaded_rows ELSE 0 END), "
                f"SUM(CASE WHEN hour <> {hour} THEN loaded_rows ELSE 0 END), "
                f"SUM(CASE WHEN hour > {hour} THEN duplicate_records ELSE 0 END) "
                f"FROM {self.table(LOADS)} WHERE customer = ? GROUP BY event",
                (query.customer,),
            )
        ]

    def read_event_totals(self, query: ReadEventTotals) -> list[Sql]:
        """Sum up the newest hours of the ledger per event."""
        since = moment(query.since.start)
        sums = ", ".join(
            f"SUM(CASE WHEN hour >= {since} THEN {column} ELSE 0 END)"
            for column in ("loaded_rows", "rejected_records", "discarded_values")
        )
        return [
            Sql(
                f"SELECT event, MAX(CASE WHEN input_digest <> '' THEN hour END), MAX(committed_at), {sums} "
                f"FROM {self.table(LOADS)} WHERE customer = ? GROUP BY event",
                (query.customer,),
            )
        ]

    def read_late(self, _: ReadLate) -> list[Sql]:
        """Sum up what the last search found."""
        late = self.session_table(LATE)
        return [Sql(f"SELECT event, hour, COUNT(DISTINCT id) FROM {late} GROUP BY event, hour ORDER BY event, hour")]

    def read_received_ranges(self, query: ReadReceivedRanges) -> list[Sql]:
        """Read the time ranges of staged rows."""
        texts: list[str] = []
        params: list[Any] = []
        for index, rows in enumerate(query.rows):
            condition = where(conditions_of(rows))
            relation = self.session_table(rows.pack)
            texts.append(f"SELECT {index:d}, MIN(received_at), MAX(received_at) FROM {relation}{condition.text}")
            params.extend(condition.params)
        return [Sql(" UNION ALL ".join(texts), tuple(params))]

    def read_integer_range(self, query: ReadIntegerRange) -> list[Sql]:
        """Read a column's extremes."""
        column = quote(query.column)
        return [Sql(f"SELECT MIN({column}), MAX({column}) FROM {self.table(query.table)}")]

    def count_other_rows(self, query: CountOtherRows) -> list[Sql]:
        """Count rows outside the hour and events."""
        other = Sql(f"batch_hour <> {moment(query.hour.start)}")
        if query.events is not None:
            inside = is_in("event", query.events)
            other = Sql(f"({other.text} OR NOT {inside.text})", inside.params)
        return [Sql(f"SELECT COUNT(*) FROM {self.table(query.table)} WHERE {other.text}", other.params)]

    def count_vanished(self, query: CountVanished) -> list[Sql]:
        """Count rows whose id is not staged any more."""
        conditions = [Sql(f"t.batch_hour = {moment(query.hour.start)}")]
        if query.rows is not None:
            same = where([Sql("s.id = t.id"), *conditions_of(query.rows, "s")])
            staged = self.session_table(query.rows.pack)
            conditions.append(Sql(f"NOT EXISTS (SELECT 1 FROM {staged} AS s{same.text})", same.params))
        condition = where(conditions)
        return [Sql(f"SELECT COUNT(*) FROM {self.table(query.table)} AS t{condition.text}", condition.params)]

    def count_hour(self, query: CountHour) -> list[Sql]:
        """Count the hour's rows table by table."""
        hour = moment(query.hour.start)
        texts = [
            f"SELECT CAST(? AS VARCHAR(512)), COUNT(*) FROM {self.table(table)} WHERE batch_hour = {hour}"
            for table in query.tables
        ]
        return [Sql(" UNION ALL ".join(texts), query.tables)]

    def count_hour_by_event(self, query: CountHourByEvent) -> list[Sql]:
        """Count the hour's rows event by event."""
        hour = moment(query.hour.start)
        return [Sql(f"SELECT event, COUNT(*) FROM {self.table(query.table)} WHERE batch_hour = {hour} GROUP BY event")]
