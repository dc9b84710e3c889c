"""The canary: one event every few minutes through everything, from an SDK's call to the row, to tell quiet from broken.

It is a customer like any other, with a write key, an event and a table. What was sent and did not become a row yet is
kept in a file, which the exporter reads, too. Belongs here: sending, looking for the rows, and what follows from both.
Does not: HTTP (`gateways.tracking_api`), the command's loop (`cli.canary`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickstream_platform.errors import ClickstreamError, RetryableError
from clickstream_platform.model.findings import Finding
from clickstream_platform.model.hours import Hour
from clickstream_platform.model.shared_ports import Clock

EVENT_NAME, EVENT = "Canary Beat", "canary_beat"
MAX_PENDING = 2_000
"""A week of one event every five minutes."""
MAX_LATENCIES = 300
MESSAGE_PREFIX = "canary-"
GIVEN_UP_AFTER = timedelta(hours=24)
"""An event is lost when it is not in the table so long after it was sent, and a later one is."""
MIN_REFUSALS = 2
"""One may be a collector that is replaced."""
PATIENCE = timedelta(minutes=2)
"""What a beat itself may take: the collector and the warehouse answer within their limits."""


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    """When the canary is broken or slow; an event waits for the end of its hour, the grace time and the load."""

    slow: timedelta = timedelta(minutes=120)
    broken: timedelta = timedelta(minutes=180)


@dataclass(frozen=True, slots=True)
class CanaryState:
    """What is known of the canary's events."""

    customer: str
    updated_at: datetime
    pending: Mapping[str, datetime] = field(default_factory=dict, hash=False)
    """When each event was sent that is not in the table, by message id, oldest first."""
    sent: int = 0
    seen: int = 0
    lost: int = 0
    """Events that were given up: later ones are in the table."""
    newest_seen: datetime | None = None
    """When the newest event was sent that is in the table."""
    refusals: int = 0
    """Events in a row that the collector did not take."""
    refused_since: datetime | None = None
    """Since when the collector took none."""
    refusal: str = ""
    read_at: datetime | None = None
    """When the warehouse answered last."""
    latencies: tuple[float, ...] = ()
    """Seconds from call to row of the newest events, oldest first."""
    every_seconds: float = 300.0
    """Time between two events; 0: whoever sends them does so when he likes, and may stop."""
    arrived: str = "unknown"
    """Whether the oldest pending event's hour has raw objects: `yes`, `no`, `unknown`."""

    @property
    def newest_latency_seconds(self) -> float | None:
        """Seconds from the call to the row of the newest event that is in the table."""
        return self.latencies[-1] if self.latencies else None

    def oldest_pending(self) -> datetime | None:
        """Return when the oldest event was sent that is not in the table."""
        return min(self.pending.values(), default=None)

    def to_json(self) -> str:
        """Return the written form."""
        body = {
            "customer": self.customer,
            "updated_at": self.updated_at.isoformat(),
            "pending": {each: at.isoformat() for each, at in self.pending.items()},
            "sent": self.sent,
            "seen": self.seen,
            "lost": self.lost,
            "newest_seen": _written(self.newest_seen),
            "refusals": self.refusals,
            "refused_since": _written(self.refused_since),
            "refusal": self.refusal,
            "read_at": _written(self.read_at),
            "latencies": list(self.latencies),
            "every_seconds": self.every_seconds,
            "arrived": self.arrived,
        }
        return json.dumps(body)

    @classmethod
    def from_json(cls, text: str) -> CanaryState:
        """Read the written form; raise ValueError or LookupError for anything else."""
        body: dict[str, Any] = json.loads(text)
        return cls(
            body["customer"],
            datetime.fromisoformat(body["updated_at"]),
            {each: datetime.fromisoformat(at) for each, at in body["pending"].items()},
            body["sent"],
            body["seen"],
            refused_since=_read(body["refused_since"]),
            refusal=body["refusal"],
            read_at=_read(body["read_at"]),
            latencies=tuple(body["latencies"]),
            every_seconds=body["every_seconds"],
            arrived=body["arrived"],
            lost=body.get("lost", 0),
            newest_seen=_read(body.get("newest_seen")),
            refusals=body.get("refusals", 0),
        )


@dataclass(frozen=True, slots=True)
class CanaryParts:
    """What a canary asks; each may raise a ClickstreamError."""

    send: Callable[[str, str, datetime], None]
    """Sends an event: its name, its message id, its time."""
    find_rows: Callable[[datetime], Mapping[str, datetime]]
    """Returns when each event since a moment was loaded, by message id."""
    has_objects: Callable[[Hour], bool]
    """Tells whether an hour has raw objects of the canary."""


def beat(state: CanaryState, parts: CanaryParts, clock: Clock) -> CanaryState:
    """Send one event, look for the rows of those before, and return what is known then."""
    state = _send(state, parts, clock.now())
    return _look(state, parts, clock.now())


def _send(state: CanaryState, parts: CanaryParts, now: datetime) -> CanaryState:
    message_id = f"{MESSAGE_PREFIX}{int(now.timestamp() * 1000)}"
    try:
        parts.send(EVENT_NAME, message_id, now)
    except ClickstreamError as error:
        since = state.refused_since or now
        refusals = state.refusals + 1
        return replace(state, updated_at=now, refused_since=since, refusals=refusals, refusal=type(error).__name__)
    pending = dict(list({**state.pending, message_id: now}.items())[-MAX_PENDING:])
    state = replace(state, refused_since=None, refusals=0, refusal="")
    return replace(state, updated_at=now, pending=pending, sent=state.sent + 1)


def _look(state: CanaryState, parts: CanaryParts, now: datetime) -> CanaryState:
    oldest = state.oldest_pending()
    if oldest is None:
        return replace(state, updated_at=now, arrived="unknown")
    try:
        found = parts.find_rows(oldest)
    except RetryableError:
        return replace(state, updated_at=now)
    except ClickstreamError:
        found = {}  # an answer, too: a table that is not there has no row
    seen = {each: at for each, at in state.pending.items() if each in found}
    latencies = [max((found[each] - at).total_seconds(), 0.0) for each, at in seen.items()]
    pending = {each: at for each, at in state.pending.items() if each not in seen}
    # The way is open again behind what was lost: that is told for a day, and never mended by waiting longer.
    newest = max((at for at in (*seen.values(), state.newest_seen) if at is not None), default=None)
    lost = {each for each, at in pending.items() if newest is not None and at < min(newest, now - GIVEN_UP_AFTER)}
    pending = {each: at for each, at in pending.items() if each not in lost}
    state = replace(
        state,
        updated_at=now,
        read_at=now,
        pending=pending,
        seen=state.seen + len(seen),
        lost=state.lost + len(lost),
        newest_seen=newest,
        latencies=(*state.latencies, *latencies)[-MAX_LATENCIES:],
    )
    return replace(state, arrived=_arrived(state, parts, now))


def _arrived(state: CanaryState, parts: CanaryParts, now: datetime) -> str:
    """Say where the oldest pending event is, as far as its hour has ended."""
    oldest = state.oldest_pending()
    if oldest is None or Hour.of(oldest).end > now:
        return "unknown"
    try:
        return "yes" if parts.has_objects(Hour.of(oldest)) else "no"
    except ClickstreamError:
        return "unknown"


def judge_canary(state: CanaryState, now: datetime, limits: CanaryLimits | None = None) -> list[Finding]:
    """Return what is wrong: at most one thing, the nearest to its cause. A warehouse that is away is no proof."""
    limits = limits or CanaryLimits()
    every = timedelta(seconds=state.every_seconds)
    if every and now - state.updated_at >= 3 * every + PATIENCE:
        return [_broken(state, "its process does not run", state.updated_at + every, "canary")]
    if state.refused_since is not None and state.refusals >= MIN_REFUSALS:
        what = f"the collector takes none: {state.refusal}"
        return [_broken(state, what, state.refused_since, "collector")]
    oldest = state.oldest_pending()
    if oldest is not None and state.read_at is not None and state.read_at >= oldest + limits.broken:
        places = {
            "yes": ("its objects are on S3, and not in the table", "load"),
            "no": ("the collector took it, and no object came to S3", "batcher"),
        }
        what, stage = places.get(state.arrived, ("it is not in the table", "unknown"))
        if state.newest_seen is not None and state.newest_seen > oldest:
            what, stage = "an event is not in the table, and later ones are", "lost"
        return [_broken(state, what, oldest + limits.broken, stage)]
    latency = state.newest_latency_seconds
    if latency is not None and latency >= limits.slow.total_seconds():
        summary = f"the canary's newest event took {latency / 60:,.0f} minutes from the call to the row"
        detail: dict[str, str | int | float] = {"latency_seconds": round(latency), "pending": len(state.pending)}
        return [Finding("canary_slow", state.customer, EVENT, summary, now, detail)]
    return []


def _broken(state: CanaryState, what: str, since: datetime, stage: str) -> Finding:
    detail: dict[str, str | int | float] = {"stage": stage, "pending": len(state.pending), "sent": state.sent}
    oldest = state.oldest_pending()
    if oldest is not None:
        detail["oldest_pending"] = oldest.isoformat(timespec="seconds")
    return Finding("canary_broken", state.customer, EVENT, f"the canary is broken: {what}", since, detail)


def read_canary(path: Path) -> CanaryState | None:
    """Return the state that a canary left, None where there never was one; a damaged one is none."""
    try:
        return CanaryState.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None


def write_canary(path: Path, state: CanaryState) -> None:
    """Write the state so that a reader has all of it or the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(state.to_json(), encoding="utf-8")
    part.replace(path)


def rows_of(rows: Collection[tuple[Any, ...]]) -> dict[str, datetime]:
    """Return (message id, load time) rows of a warehouse, whose times are UTC, naive or aware."""
    return {
        str(message): loaded.replace(tzinfo=UTC) if loaded.tzinfo is None else loaded.astimezone(UTC)
        for message, loaded in rows
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
