"""SQL that moves staged rows into tables and ledger rows into `_loads`."""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from clickstream_platform.load.statements import DeleteHour, DeleteLoads, InsertLoads, InsertStaged
from clickstream_platform.model.schemas import LOADS_COLUMNS
from clickstream_platform.model.streams import LOADS
from clickstream_platform.warehouses.sql_names import (
    FOUND,
    LATE,
    Sql,
    SqlNames,
    column_list,
    conditions_of,
    is_in,
    moment,
    where,
)


class RowSql(SqlNames):
    """Renders what inserts and deletes rows of an hour."""

    def insert_staged(self, statement: InsertStaged) -> list[Sql]:
        """Insert staged rows."""
        own = ("uuid_ts", "batch_hour") if statement.uuid_ts else ("batch_hour",)
        names = column_list((*(column.name for column in statement.columns), *own))
        selected = self.select_staged(statement)
        return [Sql(f"INSERT INTO {self.table(statement.table)} ({names}) {selected.text}", selected.params)]

    def select_staged(self, statement: InsertStaged) -> Sql:
        """Return the SELECT of an insert; the load's own columns are named, so that it can also create a table."""
        columns = self.staged_columns(statement)
        uuid_ts = f', {moment(statement.uuid_ts)} AS "uuid_ts"' if statement.uuid_ts else ""
        conditions = conditions_of(statement.rows)
        if statement.late_event is not None:
            conditions.append(self.not_late(statement.late_event, self.session_table(statement.rows.pack)))
        condition = where(conditions)
        return Sql(
            f'SELECT {columns}{uuid_ts}, {moment(statement.hour.start)} AS "batch_hour" '
            f"FROM {self.session_table(statement.rows.pack)}{condition.text}",
            condition.params,
        )

    def staged_columns(self, statement: InsertStaged) -> str:
        """Return the columns of an insert as its pack has them."""
        return column_list(column.name for column in statement.columns)

    def not_late(self, event: str, staged: str) -> Sql:
        """Return the condition that no earlier hour has the row; an empty event stands for the row's own."""
        late = self.session_table(LATE)
        same = Sql(f"{FOUND}.event = ?", (event,)) if event else Sql(f"{FOUND}.event = {staged}.event")
        return Sql(
            f"NOT EXISTS (SELECT 1 FROM {late} AS {FOUND} "
            f"WHERE {same.text} AND {FOUND}.id = {staged}.id AND {FOUND}.is_earlier)",
            same.params,
        )

    def delete_hour(self, statement: DeleteHour) -> list[Sql]:
        """Delete an hour's rows."""
        conditions = [Sql(f"batch_hour = {moment(statement.hour.start)}")]
        if statement.events is not None:
            conditions.append(is_in("event", statement.events))
        condition = where(conditions)
        return [Sql(f"DELETE FROM {self.table(statement.table)}{condition.text}", condition.params)]

    def delete_loads(self, statement: DeleteLoads) -> list[Sql]:
        """Delete the ledger rows of an hour's events."""
        condition = where(
            [
                Sql("customer = ?", (statement.customer,)),
                Sql(f"hour = {moment(statement.hour.start)}"),
                is_in("event", statement.events),
            ]
        )
        return [Sql(f"DELETE FROM {self.table(LOADS)}{condition.text}", condition.params)]

    def insert_loads(self, statement: InsertLoads) -> list[Sql]:
        """Insert ledger rows."""
        names = column_list(column.name for column in LOADS_COLUMNS)
        row = f"({', '.join('?' * len(LOADS_COLUMNS))})"
        values = ", ".join([row] * len(statement.rows))
        params = tuple(value for entry in statement.rows for value in entry.values())
        return [Sql(f"INSERT INTO {self.table(LOADS)} ({names}) VALUES {values}", params)]
