"""Opens the watch over freshness on the parts of a wiring.

Belongs here: handing parts over. Does not: looking (`watching`).
"""

from __future__ import annotations

from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.freshness.memory import WatchMemory
from clickstream_platform.pipeline.freshness.watched import WatchOptions, default_deadline_minutes
from clickstream_platform.pipeline.freshness.watching import FreshnessWatch
from clickstream_platform.settings import Settings
from clickstream_platform.wiring import Wiring


def watch_options(settings: Settings, customer: str | None = None) -> WatchOptions:
    """Return what the settings say of a watch over all customers or one."""
    deadline = default_deadline_minutes(settings)
    return WatchOptions(deadline, window_hours=settings.hours_lookback, customer=customer)


def open_watch(
    wiring: Wiring, options: WatchOptions | None = None, *, memory: WatchMemory | None = None
) -> FreshnessWatch:
    """Return a watch on a wiring, which must stay open as long as it looks; with a memory, its options hold."""
    options = options or watch_options(wiring.settings)
    ledgers = WarehouseLedgers(wiring)
    return FreshnessWatch(wiring.registry, wiring.objects, ledgers, wiring.clock, options, memory=memory)
