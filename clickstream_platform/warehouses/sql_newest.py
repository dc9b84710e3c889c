"""SQL of `users` and `accounts`: the newest non-null value per key, worked out anew for the keys a load touched."""
# Names are quoted by `identifiers.quote_identifier` alone and values are parameters:
# ruff: noqa: S608

from __future__ import annotations

from abc import abstractmethod

from clickstream_platform.load.statements import (
    DeleteTouched,
    ForgetTouched,
    InsertTouched,
    Newest,
    TouchHour,
    TouchLater,
)
from clickstream_platform.warehouses.identifiers import quote_identifier as quote
from clickstream_platform.warehouses.sql_names import LATE, Sql, SqlNames, moment


class NewestSql(SqlNames):
    """Renders touched keys and what depends on them. `touched_<table>` holds the keys, repeated ones too."""

    @abstractmethod
    def insert_touched(self, statement: InsertTouched) -> list[Sql]:
        """Insert the touched keys' newest values."""

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
                f"JOIN {self.session_table(LATE)} AS late ON late.id = t.id AND late.hour = t.batch_hour "
                f"WHERE late.event = ? AND NOT late.is_earlier AND t.{key} IS NOT NULL",
                (newest.source,),
            )
        ]

    def delete_touched(self, statement: DeleteTouched) -> list[Sql]:
        """Delete the touched keys' rows."""
        newest = statement.newest
        return [Sql(f"DELETE FROM {self.table(newest.table)} WHERE id IN (SELECT key FROM {self.touched(newest)})")]
