"""SQL of `users` and `accounts`: the newest non-null value per key, worked out anew for the keys a load touched."""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from clickstream_platform.load.statements import (
    DeleteTouched,
    ForgetTouched,
    InsertTouched,
    MergeTouched,
    Newest,
    TouchHour,
    TouchLater,
)
from clickstream_platform.model.schemas import Column
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import FOUND, LATE, Sql, SqlNames, column_list, moment


class NewestSql(SqlNames):
    """Renders touched keys and what depends on them. `touched_<table>` holds the keys, repeated ones too."""

    @abstractmethod
    def newest_rows(self, newest: Newest, columns: Sequence[Column], condition: str) -> str:
        """Return the SELECT of `id`, the columns' newest values and `$first`, the earliest `received_at`, by key.

        It reads the source's rows that meet the condition.
        """

    def touched(self, newest: Newest) -> str:
        """Return the session's table of touched keys as SQL."""
        return self.session_table(f"touched_{newest.table}")

    def forget_touched(self, statement: ForgetTouched) -> list[Sql]:
        """Start an empty list of keys."""
        touched = self.touched(statement.newest)
        return [Sql(f"DROP TABLE IF EXISTS {touched}"), Sql(f"CREATE TEMP TABLE {touched} (key VARCHAR(512))")]

    def touch_hour(self, statement: TouchHour) -> list[Sql]:
        """Note the keys of an hour's rows."""
        newest = statement.newest
        key = quote(newest.key)
        return [
            Sql(
                f"INSERT INTO {self.touched(newest)} SELECT DISTINCT {key} FROM {self.table(newest.source)} "
                f"WHERE batch_hour = {moment(statement.hour.start)} AND {key} IS NOT NULL"
            )
        ]

    def touch_later(self, statement: TouchLater) -> list[Sql]:
        """Note the keys of rows that are about to be deleted from later hours."""
        newest = statement.newest
        key = quote(newest.key)
        return [
            Sql(
                f"INSERT INTO {self.touched(newest)} SELECT DISTINCT t.{key} FROM {self.table(newest.source)} AS t "
                f"JOIN {self.session_table(LATE)} AS {FOUND} ON {FOUND}.id = t.id AND {FOUND}.hour = t.batch_hour "
                f"WHERE {FOUND}.event = ? AND NOT {FOUND}.is_earlier AND t.{key} IS NOT NULL",
                (newest.source,),
            )
        ]

    def merge_touched(self, statement: MergeTouched) -> list[Sql]:
        """Put new values over old ones for keys whose new rows are all newer."""
        newest, columns = statement.newest, statement.columns
        names = [quote(column.name) for column in columns]
        table, merged = self.table(newest.table), self.session_table(f"merged_{newest.table}")
        hour = f"batch_hour = {moment(statement.hour.start)} AND {quote(newest.key)} IS NOT NULL"
        values = "".join(f", COALESCE(fresh.{name}, known.{name}) AS {name}" for name in names)
        filled = ", ".join([quote("id"), *names, quote("uuid_ts")])
        return [
            Sql(f"DROP TABLE IF EXISTS {merged}"),
            Sql(
                f"CREATE TEMP TABLE {merged} AS "
                f'SELECT fresh.id AS id{values}, {moment(statement.uuid_ts)} AS "uuid_ts" '
                f"FROM ({self.newest_rows(newest, columns, hour)}) AS fresh "
                f"LEFT JOIN {table} AS known ON known.id = fresh.id "
                'WHERE known.id IS NULL OR known.received_at < fresh."$first"'
            ),
            Sql(f"DELETE FROM {table} WHERE id IN (SELECT id FROM {merged})"),
            Sql(f"INSERT INTO {table} ({filled}) SELECT {filled} FROM {merged}"),
            Sql(f"DELETE FROM {self.touched(newest)} WHERE key IN (SELECT id FROM {merged})"),
        ]

    def insert_touched(self, statement: InsertTouched) -> list[Sql]:
        """Work the touched keys out from all their rows."""
        newest, columns = statement.newest, statement.columns
        names = column_list(["id", *(column.name for column in columns)])
        touched = f"{quote(newest.key)} IN (SELECT key FROM {self.touched(newest)})"
        return [
            Sql(
                f"INSERT INTO {self.table(newest.table)} ({names}, {quote('uuid_ts')}) "
                f"SELECT {names}, {moment(statement.uuid_ts)} "
                f"FROM ({self.newest_rows(newest, columns, touched)}) AS newest"
            )
        ]

    def delete_touched(self, statement: DeleteTouched) -> list[Sql]:
        """Delete the touched keys' rows."""
        newest = statement.newest
        return [Sql(f"DELETE FROM {self.table(newest.table)} WHERE id IN (SELECT key FROM {self.touched(newest)})")]
