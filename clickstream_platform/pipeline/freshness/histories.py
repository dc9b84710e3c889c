"""The histories of streams that are quiet: which hours had records, read from the ledger once for each quiet time.

Belongs here: reading and keeping them, with what they say so far. Does not: the rule (`silence`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream_platform.model.hours import Hour
from clickstream_platform.model.streams import Stream
from clickstream_platform.pipeline.freshness.ports import LedgerAnswer, LedgerQuestion, LedgerSource
from clickstream_platform.pipeline.freshness.silence import (
    HISTORY_HOURS,
    Presence,
    Silence,
    SilenceOptions,
    silence_of,
)
from clickstream_platform.pipeline.freshness.troubles import Heard
from clickstream_platform.registry.entities import Snapshot

_COLUMNS = ("customer", "event", "hour", "raw_records")
MAX_QUESTIONS = 4
"""Questions at one look; streams that are in none of them wait for the next, and are taken for quiet until then."""
MAX_STREAMS_PER_QUESTION = 100
"""A question names customers and events: it reads four weeks of each event at each customer."""


@dataclass(slots=True)
class _Known:
    """A stream's history up to the hour with its newest record, and what it says of the hours since."""

    newest: Hour
    presence: Presence
    silence: Silence | None = None


class Histories:
    """Presences of quiet streams."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[Stream, _Known] = {}
        self._failed: set[str] = set()

    def silence(self, stream: Stream, newest_due: Hour, options: SilenceOptions) -> Silence | None:
        """Return what a stream's history says of its empty hours; None when it was not read yet."""
        known = self._known.get(stream)
        if known is None:
            return None
        known.silence = silence_of(known.presence, known.newest, newest_due, options, known.silence)
        return known.silence

    def read(self, ledgers: LedgerSource, snapshot: Snapshot, quiet: Mapping[Stream, Hour], heard: Heard) -> int:
        """Read what is not known of quiet streams, each with the hour of its newest record; return how many wait.

        Streams that are not quiet any more are forgotten. Those whose ledger did not answer come last the next time.
        """
        self._known = {stream: known for stream, known in self._known.items() if quiet.get(stream) == known.newest}
        unknown = quiet.keys() - self._known.keys()
        ordered = sorted(unknown, key=lambda stream: (stream.customer in self._failed, quiet[stream], stream))
        for wanted in _lots(ordered):
            self._ask(ledgers, snapshot, {stream: quiet[stream] for stream in wanted}, heard)
        return len(unknown - self._known.keys())

    def _ask(self, ledgers: LedgerSource, snapshot: Snapshot, wanted: Mapping[Stream, Hour], heard: Heard) -> None:
        customers = frozenset(stream.customer for stream in wanted)
        events = tuple(sorted({stream.event for stream in wanted}))
        since = min(wanted.values()).plus(-HISTORY_HOURS)
        for answer in ledgers.read(snapshot, LedgerQuestion(customers, since, events=events, columns=_COLUMNS)):
            if heard.take(answer):
                self._take(wanted, answer)
                self._failed.difference_update(answer.customers)
            else:
                self._failed.update(answer.customers)

    def _take(self, wanted: Mapping[Stream, Hour], answer: LedgerAnswer) -> None:
        names = {(each.customer, each.event): each for each in wanted if each.customer in answer.customers}
        seen: dict[Stream, list[Hour]] = {stream: [] for stream in names.values()}
        for customer, event, hour, raw in answer.rows:
            stream = names.get((customer, event))
            if stream is not None and raw:
                seen[stream].append(Hour.of(_aware(hour)))
        for stream, hours in seen.items():
            newest = wanted[stream]
            first = max(min(hours, default=newest), newest.plus(1 - HISTORY_HOURS))
            self._known[stream] = _Known(newest, Presence.of(hours, first, newest))


def _lots(streams: list[Stream]) -> Iterator[list[Stream]]:
    """Yield streams that share a question, customer by customer in the order of their first streams."""
    by_customer: dict[str, list[Stream]] = {}
    for stream in streams:
        by_customer.setdefault(stream.customer, []).append(stream)
    lots, lot, customers, events = 0, list[Stream](), 0, set[str]()
    for found in by_customer.values():
        for start in range(0, len(found), MAX_STREAMS_PER_QUESTION):
            part = found[start : start + MAX_STREAMS_PER_QUESTION]
            more = events | {stream.event for stream in part}
            if lot and (customers + 1) * len(more) > MAX_STREAMS_PER_QUESTION:
                yield lot
                lots, lot, customers = lots + 1, [], 0
                more = {stream.event for stream in part}
            if lots == MAX_QUESTIONS:
                return
            lot, customers, events = lot + part, customers + 1, more
    if lot:
        yield lot


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
