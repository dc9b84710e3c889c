"""Keeping `users` and `accounts` true: the keys that a load touches are worked out anew from `identifies` and `groups`.

So the result never depends on the order of loads. Keys whose new rows are newer than all that is known of them, the
usual case, are merged instead: that gives the same and reads no history.

Belongs here: the order of the steps. Does not: what the tables are made of (`load.newest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from clickstream_platform.load.newest import NEWEST, newest_columns
from clickstream_platform.load.plan import LoadPlan, own_columns
from clickstream_platform.load.port import Session
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
from clickstream_platform.model.staging import StagedTable

_FILLED_BY_LOAD = frozenset({"id", "uuid_ts"})


@dataclass(frozen=True, slots=True)
class NewestSteps:
    """The steps for one load; `tables` are its staged event tables, `now` becomes `uuid_ts`."""

    session: Session
    plan: LoadPlan
    tables: Mapping[str, StagedTable]
    now: datetime

    def note_before(self, to_delete: Mapping[str, int]) -> None:
        """Note the keys of rows that are about to go; `to_delete` counts the rows of later hours, by event."""
        for newest in self._concerned():
            self.session.execute(ForgetTouched(newest))
            if self.plan.sums_of(newest.source).rows:
                self.session.execute(TouchHour(newest, self.plan.batch.hour))
            if to_delete.get(newest.source):
                self.session.execute(TouchLater(newest))

    def write(self, deleted: Mapping[str, int]) -> None:
        """Note the keys of the rows that came, then bring all noted keys up to date; `deleted` as in `note_before`."""
        hour = self.plan.batch.hour
        for newest in self._concerned():
            columns = self._columns(newest)
            keys = self.session.execute(TouchHour(newest, hour)) if newest.source in self.tables else 0
            has_only_grown = not self.plan.sums_of(newest.source).rows and not deleted.get(newest.source)
            exists = newest.table in self.plan.columns
            if exists and has_only_grown:
                keys -= self.session.execute(MergeTouched(newest, columns, hour, self.now))
                if not keys:
                    continue
            if exists:
                self.session.execute(DeleteTouched(newest))
            self.session.execute(InsertTouched(newest, columns, self.now))

    def _concerned(self) -> list[Newest]:
        """Return the tables whose source gains or loses rows."""
        loaded = {stream.event for stream in self.plan.streams}
        return [
            newest
            for newest in NEWEST
            if newest.source in self.tables
            or (newest.source in loaded and self.plan.sums_of(newest.source).rows and newest.table in self.plan.columns)
        ]

    def _columns(self, newest: Newest) -> tuple[Column, ...]:
        """Return the columns that both sides have, once the schema changes are made."""
        source = dict(self.plan.columns.get(newest.source, {}))
        staged = self.tables.get(newest.source)
        target = set(self.plan.columns.get(newest.table, {}))
        if staged is not None:
            source.update({column.name: column for column in own_columns(staged)})
            target.update(source)
        columns = newest_columns(newest, source.values())
        return tuple(column for column in columns if column.name in target and column.name not in _FILLED_BY_LOAD)
