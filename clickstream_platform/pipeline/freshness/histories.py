"""The histories of streams that are quiet: which hours had records, read from the ledger once for each quiet time.

Belongs here: reading and keeping them. Does not: what they say of an empty hour (`silence`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from clickstream_platform.errors import ClickstreamError
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.freshness.silence import HISTORY_HOURS, Presence
from clickstream_platform.registry.entities import Snapshot

_COLUMNS = ("customer", "event", "hour", "raw_records")
MAX_STREAMS_PER_LOOK = 400
"""Histories read at one look; the others wait for the next, and are taken for quiet until then."""


class Histories:
    """Presences of quiet streams, each up to the hour with its newest record."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[Stream, tuple[Hour, Presence]] = {}

    def of(self, stream: Stream) -> Presence | None:
        """Return a stream's history, None when it was not read yet."""
        known = self._known.get(stream)
        return None if known is None else known[1]

    def read(
        self, ledgers: LedgerSource, snapshot: Snapshot, quiet: Mapping[Stream, Hour]
    ) -> list[tuple[LedgerAnswer, ClickstreamError]]:
        """Read what is not known of quiet streams (each with the hour of its newest record); return what failed.

        Streams that are not quiet any more are forgotten.
        """
        self._known = {stream: known for stream, known in self._known.items() if quiet.get(stream) == known[0]}
        unknown = sorted(quiet.keys() - self._known.keys(), key=lambda stream: (quiet[stream], stream))
        wanted = {stream: quiet[stream] for stream in unknown[:MAX_STREAMS_PER_LOOK]}
        if not wanted:
            return []
        question = LedgerQuestion(
            frozenset(stream.customer for stream in wanted),
            min(wanted.values()).plus(-HISTORY_HOURS),
            events=tuple(sorted({stream.event for stream in wanted})),
            columns=_COLUMNS,
        )
        return self._take(wanted, list(ledgers.read(snapshot, question)))

    def _take(
        self, wanted: Mapping[Stream, Hour], answers: list[LedgerAnswer]
    ) -> list[tuple[LedgerAnswer, ClickstreamError]]:
        names = {(stream.customer, stream.event): stream for stream in wanted}
        seen: dict[Stream, list[Hour]] = {stream: [] for stream in wanted}
        answered: set[str] = set()
        for answer in answers:
            if answer.error is not None:
                continue
            answered.update(answer.customers)
            for customer, event, hour, raw in answer.rows:
                stream = names.get((customer, event))
                if stream is not None and raw:
                    seen[stream].append(Hour(_aware(hour)))
        for stream, newest in wanted.items():
            if stream.customer in answered:
                first = max(min(seen[stream], default=newest), newest.plus(1 - HISTORY_HOURS))
                self._known[stream] = (newest, Presence.of(seen[stream], first, newest))
        return [(answer, answer.error) for answer in answers if answer.error is not None]


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
