"""Fixtures for all tests. Slow or real components are started once and shared."""

import logging
import signal
from collections.abc import Iterator

import pytest

from clickstream_platform.observe.logs.starting import running_logs

pytest.register_assert_rewrite("clickstream_platform_tests.contracts.object_store")
pytest.register_assert_rewrite("clickstream_platform_tests.contracts.warehouse")
pytest.register_assert_rewrite("clickstream_platform_tests.contracts.warehouse_hours")

pytest_plugins = [
    "clickstream_platform_tests.s3_server",
    "clickstream_platform_tests.redshift_server",
    "clickstream_platform_tests.kinesis_server",
]


def pytest_configure() -> None:
    """Let processes that tests start end by the signals they are sent.

    The background jobs of a script ignore SIGINT and hand that on to their children; Dagster makes SIGTERM do what
    SIGINT does. A signal that has a handler here has its default in a child.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_end_with_the_test() -> Iterator[None]:
    """End the logs that a test started in this process: there is one for a process, and the next wants its own."""
    yield
    if (logs := running_logs()) is not None:
        logs.close(0.0)
        for name in ("clickstream_platform", "uvicorn"):
            logging.getLogger(name).setLevel(logging.NOTSET)
