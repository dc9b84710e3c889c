"""When a daemon that lives does its work no more: from its last heartbeats and ticks to one line. Pure.

Belongs here: limits and words. Does not: asking (`gateways.dagster_tables`), the exporter's findings
(`pipeline.platform_findings`), which say the same to people, sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from clickstream_platform.gateways.dagster_tables import Beat, DaemonRecords, LastTick

SENSORS = ("freshness", "hours", "registry", "unusual")
"""Ours. Others in Dagster's tables may be of code that is gone: nothing ever ticks them again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long silence may last, in seconds."""

    heartbeat: float
    """Each thread of the daemon writes one every 30 s, between two of its works."""
    tick: float
    """A sensor is stale after this,"""
    intervals: float = 5.0
    """but never sooner than after so many of its own intervals."""


LIVE = Limits(heartbeat=600.0, tick=600.0)
"""A restart costs a minute, so a daemon that is only slow is left alone."""
READY = Limits(heartbeat=180.0, tick=300.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe says."""

    is_healthy: bool
    text: str
    """One line."""


def judge_daemon(
    records: DaemonRecords,
    now: datetime,
    limits: Limits = LIVE,
    *,
    sensors: Collection[str] = SENSORS,
    is_strict: bool = False,
) -> Verdict:
    """Return whether every thread of the daemon and each of these sensors moved within the limits.

    Threads are those of the process that wrote last: a thread that a newer Dagster has no more stays in the tables.
    Strict: errors, and a sensor that never ticked, count too; a restart would mend neither.
    """
    if not records.beats:
        return Verdict(False, "no daemon ever had a heartbeat here")
    newest = max(records.beats, key=lambda beat: beat.at)
    beats = [beat for beat in records.beats if beat.process == newest.process]
    troubles = [*_silent(beats, now, limits), *_stale(records.ticks, now, limits, sensors)]
    if is_strict:
        troubles += [
            f"{tick.sensor} never ticked" for tick in records.ticks if tick.at is None and tick.sensor in sensors
        ]
        troubles += [f"{beat.daemon} has errors" for beat in beats if beat.errors]
        troubles += [f"{tick.sensor} fails" for tick in records.ticks if tick.is_failed and tick.sensor in sensors]
    if troubles:
        return Verdict(False, "; ".join(troubles))
    oldest = min(beat.at for beat in beats)
    return Verdict(True, f"{len(beats)} threads, the oldest heartbeat {_age(oldest, now)} ago")


def _silent(beats: Collection[Beat], now: datetime, limits: Limits) -> Iterator[str]:
    silent = [beat for beat in beats if (now - beat.at).total_seconds() > limits.heartbeat]
    if len(silent) == len(beats):
        yield f"no heartbeat of any thread for {_age(max(beat.at for beat in beats), now)}"
        return
    for beat in silent:
        yield f"no heartbeat of {beat.daemon} for {_age(beat.at, now)}"


def _stale(ticks: Collection[LastTick], now: datetime, limits: Limits, sensors: Collection[str]) -> Iterator[str]:
    for tick in ticks:
        if tick.sensor not in sensors or tick.at is None:
            continue
        if (now - tick.at).total_seconds() > max(limits.tick, limits.intervals * tick.interval_seconds):
            yield f"{tick.sensor} has not ticked for {_age(tick.at, now)}"


def _age(at: datetime, now: datetime) -> str:
    seconds = max(int((now - at).total_seconds()), 0)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
