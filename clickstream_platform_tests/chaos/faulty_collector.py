"""A collector whose Kinesis throttles, goes away and leaves answers out, as Amazon's does and kinesalite never.

    python -m clickstream_platform_tests.chaos.faulty_collector PORT

What belongs here: those faults, at the port `RecordSink`. What does not: the collector's own work.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Sequence

from clickstream_platform.collector.options import DeliveryOptions
from clickstream_platform.collector.ports import RecordSink, SinkRecord, SinkUnavailableError
from clickstream_platform_tests.e2e.past_collector import collect

SEED_VARIABLE = "CLICKSTREAM_TEST_SEED"
_THROTTLED = "ProvisionedThroughputExceededException"
_SEGMENT_BYTES = 20_000  # so that the spool has several
_DELIVERY = DeliveryOptions(
    spool_after_seconds=0.2,
    first_backoff_seconds=0.01,
    max_backoff_seconds=0.2,
    away_seconds=0.2,
    retry_after_seconds=1,
)


class FaultySink:
    """Passes records on, except when it doesn't; of 100 requests some 15 go wrong in one of four ways."""

    def __init__(self, inner: RecordSink, chance: random.Random) -> None:
        self._inner, self._chance = inner, chance
        self._away_until = 0.0

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        draw = self._chance.random()
        if draw < 0.02:
            self._away_until = time.monotonic() + self._chance.uniform(0.3, 1.5)
        if time.monotonic() < self._away_until:
            raise SinkUnavailableError("EndpointConnectionError")
        if draw < 0.10:
            return await self._put_some(records)
        if draw < 0.12:
            return [_THROTTLED] * len(records)
        codes = await self._inner.put(records)
        if draw < 0.15:  # all were taken, but nobody hears of it
            raise SinkUnavailableError("ReadTimeoutError")
        return codes

    async def _put_some(self, records: Sequence[SinkRecord]) -> list[str | None]:
        """Throttle the shards of some partition keys."""
        keys = sorted({record.partition_key for record in records})
        busy = {key for key in keys if self._chance.random() < 0.5}
        taken = iter(await self._inner.put([each for each in records if each.partition_key not in busy] or records[:1]))
        if len(busy) == len(keys):
            return [next(taken), *[_THROTTLED] * (len(records) - 1)]
        return [_THROTTLED if each.partition_key in busy else next(taken) for each in records]

    async def close(self) -> None:
        await self._inner.close()


def main(port: int) -> None:
    """Collect until killed."""
    chance = random.Random(os.environ[SEED_VARIABLE])
    collect(port, lambda sink: FaultySink(sink, chance), _DELIVERY, _SEGMENT_BYTES)


if __name__ == "__main__":
    main(int(sys.argv[1]))
