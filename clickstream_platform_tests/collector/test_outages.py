"""Kinesis that hangs or refuses one record for ever, and defects: nobody waits for ever, nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clickstream_platform.collector.delivery import Delivery, OverloadedError
from clickstream_platform.collector.options import SpoolOptions
from clickstream_platform.collector.ports import SinkRecord, SinkUnavailableError
from clickstream_platform.collector.spooling import Spooler
from clickstream_platform.model.kinesis_records import KinesisEvent
from clickstream_platform.observe.collector_metrics import CollectorMetrics
from clickstream_platform_tests.collector.running import (
    CUSTOMER,
    FAST,
    OTHER_CUSTOMER,
    MemorySink,
    away,
    running_collector,
    throttled,
    track,
)
from clickstream_platform_tests.collector.test_delivery import ids, wait_for


class HangingSink(MemorySink):
    """Kinesis behind a network that swallows packets: every request ends with a timeout."""

    hangs_for = 1.0

    async def put(self, records: Sequence[SinkRecord]) -> list[str | None]:
        if self.hangs_for:
            await asyncio.sleep(self.hangs_for)
            raise SinkUnavailableError("ReadTimeoutError")
        return await super().put(records)


def test_while_kinesis_hangs_requests_wait_for_one_timeout_at_most_and_then_for_none(tmp_path: Path) -> None:
    sink = HangingSink()
    delivery = replace(FAST, spool_after_seconds=0.3, senders=2, away_after_failures=2)
    with running_collector(sink, spool=tmp_path, delivery=delivery) as collector:
        waits: dict[int, float] = {}

        def send(number: int) -> int:
            time.sleep(number * 0.05)
            started = time.monotonic()
            code = collector.post("/v1/t", track(number)).status_code
            waits[number] = time.monotonic() - started
            return code

        with ThreadPoolExecutor(80) as pool:
            codes = set(pool.map(send, range(80)))  # over four seconds
        sink.hangs_for = 0
        wait_for(lambda: len(set(ids(sink))) == 80)
    assert codes == {200}
    assert max(waits.values()) < 2.5  # until a sender is free or the watch comes, and one timeout
    assert max(wait for number, wait in waits.items() if number >= 50) < 0.4


def event(number: int, customer: str = CUSTOMER, size: int = 10) -> KinesisEvent:
    return KinesisEvent(customer, "page", f"m-{number}", 0, b'"' + b"x" * size + b'"')


def test_what_one_customer_puts_into_the_spool_does_not_count_against_another(tmp_path: Path) -> None:
    """Pieces of both wait together; the small one has room of its own."""
    sink = MemorySink()
    sink.behaviour = throttled

    async def story() -> list[Any]:
        metrics = CollectorMetrics()
        spooler = Spooler(SpoolOptions(tmp_path, max_bytes=100_000), 0.25, metrics)
        delivery = Delivery(sink, spooler, replace(FAST, senders=1), metrics)
        flood = [delivery.deliver(CUSTOMER, [event(number, size=4_000)]) for number in range(5)]
        small = [delivery.deliver(OTHER_CUSTOMER, [event(9, OTHER_CUSTOMER, size=6_000)])]
        loop = asyncio.get_running_loop()
        waiting = [loop.create_task(each) for each in flood + small]
        await asyncio.sleep(0)
        delivery.start()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        await delivery.close()
        return answers

    assert asyncio.run(story()) == [None] * 6


def test_a_defect_while_sending_fails_its_requests_and_not_those_of_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MemorySink()
    metrics = CollectorMetrics()

    async def story() -> None:
        delivery = Delivery(sink, Spooler(SpoolOptions(tmp_path), 0.25, metrics), replace(FAST, senders=1), metrics)
        delivery.start()
        with monkeypatch.context() as patch:
            patch.setattr("clickstream_platform.collector.delivery._share", lambda _: 1 / 0)
            with pytest.raises(OverloadedError):
                await asyncio.wait_for(delivery.deliver(CUSTOMER, [event(1)]), 5)
        await asyncio.wait_for(delivery.deliver(CUSTOMER, [event(2)]), 5)
        await delivery.close()

    asyncio.run(story())
    assert ids(sink) == ["m-2"]


@pytest.mark.parametrize("others", [0, 1, 9])
def test_a_record_that_kinesis_never_takes_does_not_block_the_replay(tmp_path: Path, others: int) -> None:
    """It is found among the others and kept on disk; without others, once Kinesis has taken anything at all."""
    sink = MemorySink()
    sink.behaviour = away

    def picky(records: Sequence[SinkRecord]) -> list[str | None]:
        if any(b"poison" in record.data for record in records):
            raise SinkUnavailableError("ValidationException")
        return [None] * len(records)

    with running_collector(sink, spool=tmp_path) as collector:
        for number in range(others + 1):
            text = "poison" if number == others // 2 else "good"
            assert collector.post("/v1/t", track(number, properties={"a": text})).status_code == 200
        sink.behaviour = picky
        wait_for(lambda: collector.post("/v1/t", track(99)).status_code == 200 and "m-99" in ids(sink))
        wait_for(lambda: collector.metric("clickstream_collector_spool_bytes") == 0)
        (aside,) = tmp_path.glob("*.refused")
        assert b"poison" in aside.read_bytes()
        assert collector.metric("clickstream_collector_spool_damaged_bytes_total") == aside.stat().st_size
    good = [f"m-{number}" for number in range(others + 1) if number != others // 2]
    assert [name for name in ids(sink) if name != "m-99"] == good
    aside.rename(aside.with_suffix(""))
    sink.behaviour = None
    with running_collector(sink, spool=tmp_path):
        wait_for(lambda: f"m-{others // 2}" in ids(sink))


def test_while_kinesis_refuses_everything_nothing_is_set_aside(tmp_path: Path) -> None:
    """That is a wrong setting, and its end is waited for."""
    sink = MemorySink()

    def refuse(_: Sequence[SinkRecord]) -> list[str | None]:
        raise SinkUnavailableError("ValidationException")

    sink.behaviour = refuse
    with running_collector(sink, spool=tmp_path) as collector:
        for number in range(3):
            assert collector.post("/v1/t", track(number)).status_code == 200
        time.sleep(0.3)
        assert list(tmp_path.glob("*.refused")) == []
        sink.behaviour = None
        wait_for(lambda: sorted(ids(sink)) == ["m-0", "m-1", "m-2"])
