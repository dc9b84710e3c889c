"""Following the logs: what is new since the last look, each line once, late ones too.

Belongs here: remembering what was read. Does not: waiting between looks, showing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.logs.ports import IndexAwayError, LogHit, LogIndex, LogQuery

# A line may come later than one that was logged after it: each process sends at its own pace.
OVERLAP = timedelta(minutes=2)
MAX_LINES = 10_000


class Follower:
    """Reads what matches a query, and then what is new."""

    def __init__(self, index: LogIndex, query: LogQuery) -> None:
        """Begin with the query's own lines."""
        self._index, self._query = index, query
        self._shown: OrderedDict[str, None] = OrderedDict()
        self._has_begun = False

    def read(self) -> list[LogHit]:
        """Return the lines that were not returned yet, oldest first; none while the index is away.

        Raises IndexAwayError when it is away from the beginning.
        """
        try:
            hits = self._index.search(self._query)
        except IndexAwayError:
            if not self._has_begun:
                raise
            return []
        self._has_begun = True
        new = [hit for hit in hits if hit.id not in self._shown]
        self._shown.update(dict.fromkeys(hit.id for hit in new))
        while len(self._shown) > 2 * MAX_LINES:
            self._shown.popitem(last=False)
        if hits:
            since = _moment(hits[-1]) - OVERLAP
            if self._query.since is None or since > self._query.since:
                self._query = replace(self._query, since=since)
        self._query = replace(self._query, limit=MAX_LINES)
        return new


def _moment(hit: LogHit) -> datetime:
    text = str(hit.fields.get("@timestamp", ""))
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            "reading the logs",
            where=hit.id,
            cause="a line has no time",
            remedy="Let only the platform write to this index.",
        ) from error
