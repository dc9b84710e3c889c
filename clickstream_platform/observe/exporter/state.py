"""What the exporter knows at a moment: the newest answer of each probe, shared by the probes and the scrapes.

Belongs here: keeping answers, and how old they are. Does not: asking (`probing`), rendering.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from clickstream_platform.model.stream_status import StreamState
from clickstream_platform.model.streams import Stream
from clickstream_platform.observe.alerts.observation import Observation
from clickstream_platform.observe.exporter.counting import RunCounting
from clickstream_platform.observe.exporter.figures import CanaryFigures, InstanceFigures, WorkspaceFigures
from clickstream_platform.observe.exporter.tallies import CustomerLabels


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What the ledgers have of the hours of the last day."""

    rows: Mapping[str, int]
    """By customer."""
    read_bytes: Mapping[str, int]
    """By customer."""
    top_streams: Sequence[tuple[Stream, int]] = ()
    """The streams with most rows, the largest first."""


@dataclass(slots=True)
class PlatformState:
    """The newest answers; None until a probe first succeeded. Hold `lock` while reading or changing any of it."""

    counting: RunCounting
    labels: CustomerLabels
    instance: InstanceFigures | None = None
    workspace: WorkspaceFigures | None = None
    streams: Sequence[StreamState] | None = None
    ledgers: LedgerFigures | None = None
    canary: CanaryFigures | None = None
    observations: dict[str, Observation] = field(default_factory=dict)
    """What was found last, by the probe that looked, however long ago."""
    found_at: dict[str, datetime] = field(default_factory=dict)
    """When that was."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, name: str, observation: Observation, at: datetime) -> None:
        """Keep what a probe found."""
        self.observations[name], self.found_at[name] = observation, at

    def found_since(self, moment: datetime) -> list[Observation]:
        """Return what was found then or later."""
        return [found for name, found in self.observations.items() if self.found_at[name] >= moment]
