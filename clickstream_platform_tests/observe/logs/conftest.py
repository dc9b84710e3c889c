"""An index that is a stand-in, and logs that end with their test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_platform.gateways.log_index import IndexKind, IndexOptions, open_log_index
from clickstream_platform.observe.logs.shipping import ShippingOptions
from clickstream_platform.observe.logs.starting import LogOptions, Logs, start_logging
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn, running_log_index

FAST = ShippingOptions(
    linger_seconds=0.01, first_wait_seconds=0.02, longest_wait_seconds=0.1, tidy_seconds=0.1, bound_seconds=0.05
)
StartLogs = Callable[..., Logs]


@pytest.fixture
def index() -> Iterator[LogIndexStandIn]:
    """Give a running stand-in."""
    with running_log_index() as stand_in:
        yield stand_in


@pytest.fixture
def start(index: LogIndexStandIn, tmp_path: Path) -> StartLogs:
    """Give a function that starts the logs of this process towards the stand-in."""

    def begin(
        kind: IndexKind = "opensearch",
        shipping: ShippingOptions = FAST,
        timeout: float = 10.0,
        secret: Callable[[], str] = lambda: "",
    ) -> Logs:
        options = LogOptions("batcher", "1.0", has_console=False, folder=tmp_path / "logs", shipping=shipping)
        return start_logging(
            options, lambda: open_log_index(IndexOptions(index.url, kind, timeout_seconds=timeout, secret=secret()))
        )

    return begin


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; fail when it doesn't in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
