"""What arrived in an hour, from one listing: objects, bytes and the newest object's time of each known stream.

Belongs here: reading a listing quickly; twenty thousand streams are twenty thousand keys an hour. Does not: the grammar
of keys (`model.object_keys`), which hours are listed (`watching`).
"""

from __future__ import annotations

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.object_keys import RawObjectKey, is_raw_name, raw_prefix
from clickstream_platform.pipeline.freshness.grid import HourGrid
from clickstream_platform.pipeline.freshness.ports import ArrivalStore


class Arrivals:
    """Lists hours; the row of each folder is remembered, so that a key is parsed once per stream and not per object."""

    def __init__(self, grid: HourGrid, customer: str | None = None) -> None:
        """List for a grid: the objects of all customers or of one."""
        self._grid, self._customer = grid, customer
        self._rows: dict[str, int] = {}

    def read(self, store: ArrivalStore, hour: Hour) -> tuple[dict[int, tuple[int, int, float]], int]:
        """Return (objects, bytes, newest time as a timestamp) by row, and how many objects were listed."""
        prefix = raw_prefix(hour)
        listed_prefix = raw_prefix(hour, customer=self._customer)
        found: dict[int, tuple[int, int, float]] = {}
        listed, last_folder, row = 0, "", None
        for item in store.list_objects(listed_prefix):
            listed += 1
            folder, _, name = item.key[len(prefix) :].rpartition("/")
            if not is_raw_name(name):
                continue
            if folder != last_folder:
                last_folder, row = folder, self._row_of(folder, item.key)
            if row is None:
                continue
            objects, size, newest = found.get(row, (0, 0, 0.0))
            found[row] = (objects + 1, size + item.size, max(newest, item.modified.timestamp()))
        return found, listed

    def _row_of(self, folder: str, key: str) -> int | None:
        row = self._rows.get(folder)
        if row is None:
            try:
                row = self._grid.row(RawObjectKey.parse(key).stream)
            except InvalidNameError:
                return None
            if row is not None:
                self._rows[folder] = row
        return row
