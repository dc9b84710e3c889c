"""What the search for ready hours remembers between two ticks, and its written form, the sensor's cursor.

Belongs here: fingerprints of recent hours, ranges of older ones, their JSON. Does not: reading hours (`discovery`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from clickstream_platform.errors import InvalidNameError
from clickstream_platform.model.hours import Hour, hour_range

VERSION = 1


@dataclass(slots=True)
class HourRanges:
    """A set of hours that is small to write down because most of them follow each other."""

    hours: set[Hour] = field(default_factory=set)

    @classmethod
    def parse(cls, ranges: Iterable[tuple[str, str]]) -> HourRanges:
        """Read `[[first, last], …]`, both ends included."""
        return cls({hour for first, last in ranges for hour in hour_range(Hour.parse(first), Hour.parse(last))})

    def written(self) -> list[tuple[str, str]]:
        """Return `[[first, last], …]`, both ends included, in order."""
        return [(str(first), str(last)) for first, last in self._ranges()]

    def _ranges(self) -> Iterator[tuple[Hour, Hour]]:
        first = last = None
        for hour in sorted(self.hours):
            if last is not None and first is not None and hour != last.plus(1):
                yield first, last
                first = None
            first, last = first or hour, hour
        if first is not None and last is not None:
            yield first, last


@dataclass(slots=True)
class HourMemory:
    """What was seen.

    `fingerprints`: recent hours as they were when everything ready in them was requested.
    `settled`: older hours for which that is so; they are not listed again unless asked for.
    `waiting`: hours with objects of customers that had no assets then.
    `asked`: hours that somebody wants looked at whatever is remembered of them.
    `customers`: fingerprint of the customers that had assets.
    `resume`: where the last tick had to stop among the recent hours.
    `unsampled`: new events, `<customer>/<event>`, of which a tick had no time to take a sample record.
    """

    fingerprints: dict[Hour, str] = field(default_factory=dict)
    settled: HourRanges = field(default_factory=HourRanges)
    waiting: HourRanges = field(default_factory=HourRanges)
    asked: HourRanges = field(default_factory=HourRanges)
    customers: str = ""
    resume: Hour | None = None
    unsampled: set[str] = field(default_factory=set)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> HourMemory:
        """Read a cursor; an empty one is an empty memory, a damaged one raises InvalidNameError."""
        if not cursor:
            return cls()
        try:
            body = json.loads(cursor)
            if body.get("version", VERSION) != VERSION:
                return cls()  # nothing is lost: what was requested already is known by its run key
            return cls(
                {Hour.parse(hour): fingerprint for hour, fingerprint in body.get("fingerprints", {}).items()},
                HourRanges.parse(body.get("settled", ())),
                HourRanges.parse(body.get("waiting", ())),
                HourRanges.parse(body.get("asked", ())),
                body.get("customers", ""),
                Hour.parse(body["resume"]) if body.get("resume") else None,
                set(body.get("unsampled", ())),
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidNameError(
                "reading the cursor of the hours sensor",
                cause=f"{type(error).__name__}: {error}",
                remedy='Reset the cursor to the empty text, or to {"asked": [["2026-01-01T00", "2026-01-01T05"]]}.',
            ) from error

    def to_cursor(self) -> str:
        """Return the written form."""
        body = {
            "version": VERSION,
            "customers": self.customers,
            "fingerprints": {str(hour): self.fingerprints[hour] for hour in sorted(self.fingerprints)},
            "settled": self.settled.written(),
            "waiting": self.waiting.written(),
            "asked": self.asked.written(),
            "resume": str(self.resume) if self.resume else None,
            "unsampled": sorted(self.unsampled),
        }
        return json.dumps(body, separators=(",", ":"))

    def meet_customers(self, fingerprint: str) -> None:
        """Look again at the hours that waited for customers, when the customers with assets are others than before."""
        if fingerprint != self.customers:
            self.customers = fingerprint
            self.asked.hours |= self.waiting.hours

    def keep_recent(self, recent: Iterable[Hour]) -> None:
        """Turn the fingerprints of hours that are no longer recent into settled hours."""
        kept = set(recent)
        for hour in [hour for hour in self.fingerprints if hour not in kept]:
            del self.fingerprints[hour]
            self.settled.hours.add(hour)
