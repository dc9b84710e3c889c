"""Minutes of steady load on a collector: how long its answers take, and whether its memory grows.

    python -m clickstream_platform.bench.collector_load --minutes 10 [--rate 1000] [--kinesis ENDPOINT STREAM]

Batches are sent at fixed moments, whatever became of those before, and an answer's time counts from the moment its
batch was due: a collector that stalls can't hide it by being sent less. Belongs here: that load and its figures. Does
not: full load and the collector's process (`collector_load`).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rich.table import Table

MEMORY_EVERY_SECONDS = 5.0
STEADY_AFTER_SECONDS = 120.0
PART_SECONDS = 60.0
Send = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@dataclass(slots=True)
class Minutes:
    """What was measured: (seconds since the start, waited seconds) of each batch, and (seconds, MB) of the memory."""

    waits: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def memory_at(self, seconds: float) -> float:
        """Return the memory in MB at the moment that is nearest."""
        return min(self.memory, key=lambda sample: abs(sample[0] - seconds))[1]

    def table(self, rate: float, batch_events: int) -> Table:
        """Return one row for each minute and one for the whole."""
        end = self.memory[-1][0]
        table = Table("from s", "events/s", "median ms", "p99 ms", "worst ms", "memory MB at its end")
        bounds = [(at, at + PART_SECONDS) for at in _steps(end - 1.0)]
        for first, last in [*bounds, (0.0, end)]:
            waits = [waited for at, waited in self.waits if first <= at < last]
            cuts = statistics.quantiles(waits, n=100)
            table.add_row(
                f"{first:.0f} to {min(last, end):.0f}",
                f"{len(waits) * batch_events / (min(last, end) - first):,.0f}",
                f"{cuts[49] * 1000:.1f}",
                f"{cuts[98] * 1000:.1f}",
                f"{max(waits) * 1000:.1f}",
                f"{self.memory_at(last):.1f}",
            )
        marks = ((0.0, "start"), (STEADY_AFTER_SECONDS, "2 min"), (end, "end"))
        memory = ", ".join(f"{name} {self.memory_at(at):.1f} MB" for at, name in marks if at <= end)
        table.caption = f"{rate:,.0f} events/s wanted. Memory: {memory}."
        return table


async def send_steadily(
    port: int, minutes: float, batches_per_second: float, connections: int, send: Send, memory_mb: Callable[[], float]
) -> Minutes:
    """Send batches at fixed moments over a number of connections; `send` sends one and waits for its answer."""
    found, started = Minutes(), time.perf_counter()
    end = started + minutes * 60

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        batch = number
        while (due := started + batch / batches_per_second) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await send(reader, writer, batch)
            found.waits.append((due - started, time.perf_counter() - due))
            batch += connections
        writer.close()

    async def watch() -> None:
        while (now := time.perf_counter()) < end:
            found.memory.append((now - started, memory_mb()))
            await asyncio.sleep(MEMORY_EVERY_SECONDS)
        found.memory.append((end - started, memory_mb()))

    await asyncio.gather(watch(), *(client(number) for number in range(connections)))
    return found


def _steps(end: float) -> list[float]:
    return [number * PART_SECONDS for number in range(int(end // PART_SECONDS) + 1)]
