"""Following the logs: what is new since the last look, each line once, late ones too.

Belongs here: remembering what was read. Does not: waiting between looks, showing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.model.shared_ports import Clock
from clickstream_platform.observe.logs.ports import IndexAwayError, LogHit, LogIndex, LogQuery

# A line may come later than one that was logged after it: each process sends at its own pace.
OVERLAP = timedelta(minutes=2)
MAX_LINES = 10_000
"""An index gives no more at once."""
MAX_PAGES = 10
_RESOLUTION = timedelta(milliseconds=1)


class Follower:
    """Reads what matches a query, and then what is new."""

    def __init__(self, index: LogIndex, query: LogQuery, clock: Clock) -> None:
        """Begin with the query's own lines."""
        self._index, self._query, self._clock = index, query, clock
        self._since = query.since
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._has_begun = False
        self.is_away = False
        """Whether the index did not answer the last time."""

    def read(self) -> list[LogHit]:
        """Return the lines that were not returned yet, oldest first; none while the index is away.

        Raises IndexAwayError when it is away from the beginning.
        """
        try:
            hits = self._read_on() if self._has_begun else self._begin()
        except IndexAwayError:
            if not self._has_begun:
                raise
            self.is_away = True
            return []
        self._has_begun, self.is_away = True, False
        return hits

    def _begin(self) -> list[LogHit]:
        """Return the query's lines; those before them count as seen, or the next look would bring them."""
        hits = self._index.search(replace(self._query, limit=MAX_LINES))
        self._note(hits)
        if len(hits) >= MAX_LINES and (oldest := _oldest(hits)) is not None:
            self._move_on(oldest + _RESOLUTION)
        return hits[-self._query.limit :]

    def _read_on(self) -> list[LogHit]:
        """Return what is new, page by page back to what was seen two minutes before the newest line."""
        pages: list[list[LogHit]] = []
        until: datetime | None = self._query.until
        while len(pages) < MAX_PAGES:
            hits = self._index.search(replace(self._query, since=self._since, until=until, limit=MAX_LINES))
            pages.append([hit for hit in hits if hit.id not in self._seen])
            self._note(hits)
            oldest = _oldest(hits)
            # The next page has the last moment of this one again, whose lines may stand on both.
            following = None if oldest is None else oldest + _RESOLUTION
            if len(hits) < MAX_LINES or following is None or (until is not None and following >= until):
                break
            until = following
        return [hit for page in reversed(pages) for hit in page]

    def _note(self, hits: Iterable[LogHit]) -> None:
        for hit in hits:
            self._seen[hit.id] = None
            self._seen.move_to_end(hit.id)
        while len(self._seen) > 2 * MAX_PAGES * MAX_LINES:
            self._seen.popitem(last=False)
        moments = [moment for hit in hits if (moment := _moment(hit)) is not None]
        if moments:
            # The clock of a machine that is fast must not hide the lines of all others.
            self._move_on(min(max(moments), self._clock.now()) - OVERLAP)

    def _move_on(self, since: datetime) -> None:
        if self._since is None or since > self._since:
            self._since = since


def _oldest(hits: Iterable[LogHit]) -> datetime | None:
    return min((moment for hit in hits if (moment := _moment(hit)) is not None), default=None)


def _moment(hit: LogHit) -> datetime | None:
    """Return when a line was logged; None for one that somebody else wrote without a time."""
    try:
        return datetime.fromisoformat(str(hit.fields.get("@timestamp", "")))
    except ValueError:
        return None
