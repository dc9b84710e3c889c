"""Opens the watch over the unusual on the parts of a wiring.

Belongs here: handing parts and thresholds over. Does not: looking (`watching`).
"""

from __future__ import annotations

from pathlib import Path

from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
from clickstream_platform.pipeline.unusual.thresholds import read_thresholds
from clickstream_platform.pipeline.unusual.watching import UnusualMemory, UnusualWatch
from clickstream_platform.wiring import Wiring


def open_unusual_watch(
    wiring: Wiring,
    thresholds: Path | None = None,
    *,
    memory: UnusualMemory | None = None,
    customer: str | None = None,
) -> UnusualWatch:
    """Return a watch on a wiring with the thresholds of a file, by default that of the settings.

    Raises ConfigurationError for a file that can't be right.
    """
    named = wiring.settings.thresholds
    book = read_thresholds(thresholds or (Path(named) if named else None))
    ledgers = WarehouseLedgers(wiring)
    return UnusualWatch(wiring.registry, ledgers, wiring.clock, book, memory=memory, customer=customer)
