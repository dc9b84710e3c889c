"""How old the kept snapshots in a folder are, read from their headers: for the exporter, which outlives run pods.

Belongs here: reading. Does not: metrics (`observe.snapshot_age`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from clickstream_platform.registry.client.cache import list_headers
from clickstream_platform.registry.client.outbox import Outbox


def read_ages(folder: Path, now: Callable[[], datetime]) -> Mapping[str, float]:
    """Return the seconds since each component's snapshot was confirmed, by component."""
    moment = now()
    return {
        component: max((moment - header.confirmed_at).total_seconds(), 0.0)
        for component, header in list_headers(folder)
    }


def count_waiting(folder: Path) -> int:
    """Return how many announcements wait in a folder's outbox."""
    return len(Outbox(folder).waiting())
