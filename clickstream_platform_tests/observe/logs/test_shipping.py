"""Lines reach the index, each once, through outages, restarts and refusals; who logs never waits for it."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clickstream_platform.gateways.log_index import IndexKind
from clickstream_platform.observe.logs.shipping import Shipper
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn
from clickstream_platform_tests.observe.logs.conftest import FAST, StartLogs, until

log = logging.getLogger("clickstream_platform.tests")
KINDS: tuple[IndexKind, ...] = ("opensearch", "elasticsearch")
NUMBERED = [f"line {number}" for number in range(500)]


def write_numbered() -> None:
    for line in NUMBERED:
        log.info(line)


def numbered(index: LogIndexStandIn) -> list[str]:
    return [message for message in index.messages() if message.startswith("line ")]


@pytest.mark.parametrize("kind", KINDS)
def test_lines_arrive_once_and_in_order(kind: IndexKind, start: StartLogs, index: LogIndexStandIn) -> None:
    logs = start(kind)
    write_numbered()
    assert logs.close(10.0) == 0
    assert numbered(index) == NUMBERED
    assert logs.figures.sent == len(NUMBERED)
    assert logs.buffer_bytes == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_loses_nothing(kind: IndexKind, start: StartLogs, index: LogIndexStandIn) -> None:
    logs = start(kind)
    log.info("before")
    until(lambda: "before" in index.messages())
    index.stop()
    write_numbered()
    until(lambda: logs.figures.is_away)
    assert logs.buffer_bytes > 0
    index.start()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED
    until(lambda: any(message.startswith("The log index is back") for message in index.messages()))
    assert logs.figures.outages == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_whatever_the_index_answers_lines_wait(status: int, start: StartLogs, index: LogIndexStandIn) -> None:
    logs = start()
    index.engine.faults.status = status
    write_numbered()
    until(lambda: logs.figures.is_away)
    index.engine.faults.status = 0
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED
    assert (logs.figures.outages, logs.figures.refused) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_single_lines_that_a_busy_index_refuses_are_sent_again(
    kind: IndexKind, start: StartLogs, index: LogIndexStandIn
) -> None:
    index.engine.faults.busy_items = 700
    logs = start(kind)
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert logs.figures.refused == 0


def test_a_line_that_is_refused_for_good_keeps_no_other_waiting(start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.refused_text = "line 250"
    logs = start()
    write_numbered()
    until(lambda: logs.figures.sent >= len(NUMBERED) - 1)
    assert numbered(index) == [line for line in NUMBERED if line != "line 250"]
    assert logs.figures.refused == 1


def test_a_log_call_never_waits_for_an_index_that_hangs(start: StartLogs, index: LogIndexStandIn) -> None:
    index.delay_seconds = 60
    logs = start(timeout=30.0)
    longest = 0.0
    for number in range(2_000):
        started = time.perf_counter()
        log.info("line %d", number)
        longest = max(longest, time.perf_counter() - started)
    assert longest < 0.2  # a pause of the machine; a wait for the index would be 30 s
    started = time.monotonic()
    assert logs.close(0.5) == 2_000
    assert time.monotonic() - started < 2.0


def test_the_end_is_bounded_and_the_next_process_sends_the_rest(start: StartLogs, index: LogIndexStandIn) -> None:
    index.stop()
    logs = start()
    write_numbered()
    started = time.monotonic()
    assert logs.close(0.5) >= len(NUMBERED)  # and the line that says that the index is away
    assert time.monotonic() - started < 2.0
    index.start()
    start()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED


def test_what_a_killed_process_wrote_is_sent_by_another_once(
    start: StartLogs, index: LogIndexStandIn, tmp_path: Path
) -> None:
    index.engine.faults.status = 503
    script = f"""
import logging, sys, time
from pathlib import Path
from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
from clickstream_platform.observe.logs.starting import LogOptions, start_logging
options = LogOptions("run", has_console=False, folder=Path({str(tmp_path / "logs")!r}))
logs = start_logging(options, lambda: open_log_index(IndexOptions({index.url!r})))
for number in range(500):
    logging.getLogger("clickstream_platform.x").info("line %d", number)
logs.handler.buffer.flush(10)
print("written", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        index.engine.faults.status = 0
        process.send_signal(signal.SIGKILL)
    start()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED


def test_beyond_the_buffer_the_oldest_lines_are_lost_and_counted(start: StartLogs, index: LogIndexStandIn) -> None:
    index.stop()
    logs = start(shipping=replace(FAST, max_bytes=200_000, batch_bytes=20_000))
    for number in range(4_000):
        log.info("line %d", number)
        if number % 100 == 0:
            time.sleep(0.01)  # a disk that keeps up
    until(lambda: logs.figures.lost > 0 and logs.buffer_bytes <= 200_000)
    index.start()
    until(lambda: numbered(index)[-1:] == ["line 3999"])
    until(lambda: logs.buffer_bytes == 0)
    found = [int(message.split()[1]) for message in numbered(index)]
    assert found == list(range(found[0], 4_000))  # the newest, without a gap
    assert logs.figures.lost >= found[0]
    assert any("log lines are lost" in message for message in index.messages())


def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(
    start: StartLogs, index: LogIndexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    full.set()
    write = Shipper.write

    def write_or_fail(shipper: Shipper, lines: list[bytes]) -> None:
        if full.is_set():
            raise OSError(28, "No space left on device")
        write(shipper, lines)

    monkeypatch.setattr(Shipper, "write", write_or_fail)
    start()
    write_numbered()
    full.clear()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED


def test_many_threads_log_at_once(start: StartLogs, index: LogIndexStandIn) -> None:
    start()
    threads = [threading.Thread(target=write_numbered) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: len(numbered(index)) == 8 * len(NUMBERED))
    assert sorted(numbered(index)) == sorted(NUMBERED * 8)
