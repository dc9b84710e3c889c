"""An index that answers, but not as it should: nothing is lost, nothing grows without bound, and the figures say it."""

from __future__ import annotations

import base64
import logging
import time
from dataclasses import replace

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn
from clickstream_platform_tests.observe.logs.conftest import FAST, StartLogs, until
from clickstream_platform_tests.observe.logs.test_shipping import KINDS, NUMBERED, log, numbered, write_numbered


def write_more_than(size: int) -> None:
    """Write lines of at least so many bytes in all, no faster than a disk takes them."""
    for number in range(size // 400):
        log.info("line %d", number)
        if number % 100 == 0:
            time.sleep(0.01)


def test_requests_that_are_too_large_become_smaller_and_larger_again(start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.max_bytes = 5_000
    logs = start()
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert numbered(index) == NUMBERED
    assert logs.figures.refused == 0
    index.engine.faults.max_bytes = 100_000_000
    index.stop()
    for _ in range(8):
        write_numbered()
    until(lambda: logs.figures.is_away)
    bulks = index.engine.bulks
    index.start()
    until(lambda: len(numbered(index)) == 9 * len(NUMBERED))
    assert index.engine.bulks - bulks < 200  # requests as small as at first would be five hundred


def test_one_line_that_is_too_large_is_refused_and_no_other(start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.max_bytes = 5_000
    logs = start()
    log.info("x " * 4_000)
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert logs.figures.refused == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_lines_wait_when_each_of_them_is_refused_for_what_is_not_in_it(
    status: int, start: StartLogs, index: LogIndexStandIn
) -> None:
    """A write block, a full disk or a missing index is told for each line, and the request itself is answered 200."""
    index.engine.faults.item_status = status
    logs = start()
    write_numbered()
    until(lambda: logs.figures.is_away)
    index.engine.faults.item_status = 0
    until(lambda: len(numbered(index)) == len(NUMBERED))
    until(lambda: not logs.figures.is_away)
    assert (logs.figures.refused, logs.figures.outages) == (0, 1)


@pytest.mark.parametrize("status", [400, 500])
def test_a_poison_line_keeps_no_other_waiting(status: int, start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.refused_text, index.engine.faults.refused_status = "line 250", status
    logs = start()
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED) - 1)
    until(lambda: logs.figures.refused == 1)
    log.info("line after")
    until(lambda: "line after" in index.messages())
    assert sorted(numbered(index)) == sorted({*NUMBERED, "line after"} - {"line 250"})
    assert (logs.figures.refused, logs.figures.is_away) == (1, False)


def test_a_poison_line_that_comes_alone_keeps_no_other_waiting(start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.refused_text, index.engine.faults.refused_status = "venom", 500
    logs = start()
    log.info("venom")
    until(lambda: logs.figures.is_away or logs.figures.refused == 1)
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    until(lambda: logs.figures.refused == 1)
    assert not logs.figures.is_away


def test_the_buffer_keeps_its_bound_while_the_index_is_busy(start: StartLogs, index: LogIndexStandIn) -> None:
    index.engine.faults.item_status = 429
    logs = start(shipping=replace(FAST, max_bytes=200_000, batch_bytes=20_000))
    write_more_than(1_000_000)
    until(lambda: logs.figures.lost > 0 and logs.buffer_bytes <= 200_000)
    assert logs.figures.is_away


def test_the_buffer_keeps_its_bound_while_the_index_is_slower_than_who_logs(
    start: StartLogs, index: LogIndexStandIn
) -> None:
    index.delay_seconds = 0.1
    logs = start(shipping=replace(FAST, max_bytes=200_000, batch_lines=5))
    write_more_than(1_000_000)
    until(lambda: logs.figures.lost > 0 and logs.buffer_bytes <= 200_000, seconds=5)
    assert not logs.figures.is_away, "slow is not away"
    assert logs.figures.refused == 0


def test_a_secret_that_cannot_be_read_counts_as_an_outage_and_is_read_again(
    start: StartLogs, index: LogIndexStandIn
) -> None:
    secrets = [""]

    def read() -> str:
        if secrets == ["missing"]:
            raise ConfigurationError("reading a secret", cause="the file is empty", remedy="Fill it.")
        return secrets[0]

    secrets[0] = "missing"
    logs = start(secret=read)
    write_numbered()
    until(lambda: logs.figures.is_away)
    secrets[0] = ""
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert any("Fill it." in message for message in index.messages())


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_that_was_changed_is_read_anew(kind: str, start: StartLogs, index: LogIndexStandIn) -> None:
    passwords = ["first password"]

    def wanted() -> str:
        return "Basic " + base64.b64encode(f"u:{passwords[0]}".encode()).decode()

    index.engine.faults.authorization = wanted()
    logs = start(kind, secret=lambda: f'{{"user": "u", "password": "{passwords[0]}"}}')
    write_numbered()
    until(lambda: len(numbered(index)) == len(NUMBERED))
    index.engine.faults.authorization = "nobody"
    log.info("line after")
    until(lambda: logs.figures.is_away)
    passwords[0] = "second password"
    index.engine.faults.authorization = wanted()
    until(lambda: "line after" in index.messages())
    until(lambda: not logs.figures.is_away)
    assert (logs.figures.outages, logs.figures.refused) == (1, 0)


@pytest.mark.parametrize(
    "nonsense", [b"<html>Please log in</html>", b"[]", b'{"errors": true}', b'{"errors": 1, "items": [{}]}']
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_somebody_else_is_an_outage(
    kind: str, nonsense: bytes, start: StartLogs, index: LogIndexStandIn
) -> None:
    index.engine.faults.nonsense = nonsense
    logs = start(kind)
    write_numbered()
    until(lambda: logs.figures.is_away)
    index.engine.faults.nonsense = b""
    until(lambda: len(numbered(index)) == len(NUMBERED))
    assert sorted(numbered(index)) == sorted(NUMBERED)
    assert (logs.figures.outages, logs.figures.refused) == (1, 0)


def test_at_the_end_a_process_sends_its_own_lines_before_those_of_others(
    start: StartLogs, index: LogIndexStandIn
) -> None:
    index.stop()
    logs = start()
    for number in range(2_000):
        log.info("other %d", number)
    logs.close(0.2)
    index.delay_seconds = 0.05
    index.start()
    logs = start(shipping=replace(FAST, batch_lines=5))
    until(lambda: bool(index.messages()))
    log.info("the last line")
    logs.close(5.0)
    assert "the last line" in index.messages()


def test_an_index_that_is_away_is_told_once(
    start: StartLogs, index: LogIndexStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    index.engine.faults.item_status = 503
    logs = start()
    write_numbered()
    until(lambda: logs.figures.is_away)
    time.sleep(0.5)
    told = [each for each in caplog.records if each.name.endswith("shipping") and each.levelno >= logging.WARNING]
    assert len(told) == 1
