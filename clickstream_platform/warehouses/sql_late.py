"""SQL that keeps ids unique across hours: find what other hours have, delete it there, correct their ledger rows."""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from clickstream_platform.load.statements import (
    AdjustLater,
    DeleteLater,
    FindLate,
    LateSearch,
    ReopenHours,
)
from clickstream_platform.model.streams import LOADS
from clickstream_platform.warehouses.sql_names import FOUND, LATE, Sql, SqlNames, conditions_of, interval, moment, where


class LateSql(SqlNames):
    """Renders the dedup window. `late$` holds (event, id, hour, is_earlier), one row per id and hour that matters."""

    def find_late(self, statement: FindLate) -> list[Sql]:
        """Search every table once, in the sort-key range that can match, and keep what decides."""
        late, found = self.session_table(LATE), self.found_late(statement)
        return [
            Sql(f"DROP TABLE IF EXISTS {late}"),
            Sql(f"CREATE TEMP TABLE {late} AS {found.text}", found.params),
        ]

    def found_late(self, statement: FindLate) -> Sql:
        """Return the SELECT of what decides: an earlier hour makes a duplicate here, then later hours keep theirs."""
        searches = [self._search(search, statement) for search in statement.searches]
        hour = moment(statement.hour.start)
        return Sql(
            f"SELECT event, id, hour, hour < {hour} AS is_earlier FROM "
            "(SELECT event, id, hour, MIN(hour) OVER (PARTITION BY event, id) AS earliest FROM "
            f"({' UNION ALL '.join(search.text for search in searches)}) AS found) AS ranked "
            f"WHERE hour = earliest OR earliest > {hour}",
            tuple(value for search in searches for value in search.params),
        )

    def _search(self, search: LateSearch, statement: FindLate) -> Sql:
        event = Sql("t.event") if search.event is None else Sql("CAST(? AS VARCHAR(512))", (search.event,))
        join = " AND t.event = s.event" if search.event is None else ""
        window = interval(statement.window)
        condition = where(
            [
                Sql(f"t.received_at BETWEEN {moment(search.first)} AND {moment(search.last)}"),
                Sql(f"t.received_at BETWEEN s.received_at - {window} AND s.received_at + {window}"),
                Sql(f"t.batch_hour <> {moment(statement.hour.start)}"),
                *conditions_of(search.rows, "s"),
            ]
        )
        return Sql(
            f"SELECT {event.text} AS event, t.id AS id, t.batch_hour AS hour "
            f"FROM {self.session_table(search.rows.pack)} AS s JOIN {self.table(search.table)} AS t "
            f"ON t.id = s.id{join}{condition.text}",
            (*event.params, *condition.params),
        )

    def delete_later(self, statement: DeleteLater) -> list[Sql]:
        """Delete the found rows of later hours."""
        table = self.table(statement.table)
        same = Sql("?", (statement.event,)) if statement.event else Sql(f"{table}.event")
        return [
            Sql(
                f"DELETE FROM {table} USING {self.session_table(LATE)} AS {FOUND} WHERE {FOUND}.event = {same.text} "
                f"AND {FOUND}.id = {table}.id AND {FOUND}.hour = {table}.batch_hour AND NOT {FOUND}.is_earlier",
                same.params,
            )
        ]

    def adjust_later(self, statement: AdjustLater) -> list[Sql]:
        """Correct the later hours' ledger rows."""
        loads = self.table(LOADS)
        return [
            Sql(
                f"UPDATE {loads} SET loaded_rows = loaded_rows - moved.ids, "
                "duplicate_records = duplicate_records + moved.ids "
                "FROM (SELECT event, hour, COUNT(DISTINCT id) AS ids "
                f"FROM {self.session_table(LATE)} WHERE NOT is_earlier GROUP BY event, hour) AS moved "
                f"WHERE {loads}.customer = ? AND {loads}.event = moved.event AND {loads}.hour = moved.hour",
                (statement.customer,),
            )
        ]

    def reopen_hours(self, statement: ReopenHours) -> list[Sql]:
        """Blank the digests of hours that must be loaded again."""
        hours = ", ".join(moment(hour.start) for hour in statement.hours)
        return [
            Sql(
                f"UPDATE {self.table(LOADS)} SET input_digest = '' "
                f"WHERE customer = ? AND event = ? AND hour IN ({hours})",
                (statement.customer, statement.event),
            )
        ]
