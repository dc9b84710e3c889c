"""Fixtures for all tests. Slow or real components are started once and shared."""

import signal

import pytest

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
